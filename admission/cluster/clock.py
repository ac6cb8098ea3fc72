"""The time of day as a process that runs for long should see it, and the word of the API server on it."""

from __future__ import annotations

import datetime as dt
import logging
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from admission.review import alarms

if TYPE_CHECKING:
    from collections.abc import Callable

APART = 30.0
"""Seconds that two clocks may differ and still count as the same: an answer may have been on its way for some."""

DOUBTFUL = 300.0
"""Seconds off the API server's from which on nobody knows what time it is: as far as certificates are dated back."""

logger = logging.getLogger(__name__)


def machines() -> dt.datetime:
    """Return the instant by the machine's clock: where there is no API server to ask for another."""
    return dt.datetime.now(dt.UTC)


class Ahead(NamedTuple):
    """Seconds by which a clock is ahead of the API server's."""

    ours: float
    machine: float


class Clock:
    """Right when it is made, steady from then on, and set anew only where the API server agrees with the machine.

    What is used by the hour must not grow or vanish, and nobody's clearance end or come back, because somebody set the
    clock of a machine.  NTP steers the monotonic clock as well, so that it does not drift away.  That of a machine that
    was suspended falls behind; the API server then says that the machine's is right, and that one is taken over.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._begun = wall() - monotonic()
        self._told: float | None = None
        """The API server's clock less our monotonic one, as of its last answer."""
        self._leapt = self._doubted = False

    def __call__(self) -> dt.datetime:
        """Return the instant."""
        return dt.datetime.fromtimestamp(self._begun + self._monotonic(), dt.UTC)

    def hear(self, date: str) -> None:
        """Take note of what the API server's clock said at the beginning of an answer, as HTTP writes it."""
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self._told = told - self._monotonic()
        self.look()

    def ahead(self) -> Ahead | None:
        """Return by how much the clocks here differ from the API server's; None while it has said nothing."""
        if self._told is None:
            return None
        now = self._monotonic()
        return Ahead(self._begun - self._told, self._wall() - now - self._told)

    def problem(self) -> str:
        """Return why nobody knows what time it is, or ""."""
        ahead = self.ahead()
        return alarms.clock_doubtful(ahead.ours) if ahead and abs(ahead.ours) > DOUBTFUL else ""

    def leap(self) -> str:
        """Return that the machine's clock is not ours, and by how much, or ""."""
        leap = self._wall() - self._monotonic() - self._begun
        return alarms.clock_leapt(leap) if abs(leap) > APART else ""

    def look(self) -> str:
        """Take over the machine's clock where that is due, log what has begun or ended, and return the problem.

        Of the event loop alone.
        """
        ahead = self.ahead()
        if ahead is not None and abs(ahead.ours) > APART >= abs(ahead.machine):
            self._begun = self._wall() - self._monotonic()
            logger.warning("%s", alarms.clock_taken_over(-ahead.ours))
        problem, leap = self.problem(), self.leap()
        if bool(problem) != self._doubted:
            logger.error("%s", problem or alarms.clock_sure())
        if bool(leap) != self._leapt:
            logger.warning("%s", leap or alarms.clock_back())
        self._doubted, self._leapt = bool(problem), bool(leap)
        return problem
