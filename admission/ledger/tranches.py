"""What an object without an end has paid for: an hour at a time, and always the time that its ending would need.  Pure.

Each tranche is paid for before the one before it ends, so that an object whose next one is refused can still be told,
and ended, within what it has paid for.  One that goes on all the same counts by the hours that it has begun.
"""

from __future__ import annotations

from typing import NamedTuple

from admission.decide.duration import HOUR
from admission.decide.limits import ENDING

MOST = 5000
"""Tranches of one ledger: no object that an API server takes has room for many more."""


def first(ending: int) -> int:
    """Return the seconds that an object without an end asks for: an hour, and those in which it is told to end."""
    return HOUR + ending


class Tranche(NamedTuple):
    """Devices by class key, since when they are held (unix seconds; 0 without a node), and the seconds paid for."""

    counts: tuple[tuple[str, int], ...]
    since: int
    seconds: int

    @property
    def until(self) -> int:
        """Until when it has paid, in unix seconds; 0 while it holds nothing."""
        return self.since + self.seconds if self.since else 0

    def bound(self, moment: int) -> int:
        """Return the seconds that are charged for at a moment at which it goes on: those paid for, or hours begun."""
        elapsed = max(0, moment - self.since) if self.since else 0
        return self.seconds if elapsed <= self.seconds else -(-elapsed // HOUR) * HOUR

    def is_due(self, now: int, ending: int) -> bool:
        """Say whether no more than the time of its ending is left; ``ending`` is in seconds."""
        return bool(self.since) and self.until - now <= ending + ENDING

    def renewed(self, now: int, ending: int) -> Tranche:
        """Return the same, paid for an hour from now and its ending."""
        return self._replace(seconds=max(self.seconds, now - self.since + first(ending) + ENDING))

    def price(self, now: int, ending: int) -> int:
        """Return the seconds that renewing it adds to what is charged for it."""
        return self.renewed(now, ending).seconds - self.bound(now)
