"""What is asked, what is allowed at once, and the arithmetic between them.

Counts are devices by class key.  A class key is one class name, or several joined by ``|`` and sorted
for a pod that may still land on any of them; such a key weighs what its heaviest member weighs.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.decide.limits import Charge, Limit
from admission.ledger.accounts import Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from admission.decide.limits import Part
    from admission.review.reasons import Reason


class Kind(enum.StrEnum):
    """What kind of object holds devices; the letters stand in stored ledgers."""

    Pod = "p"
    Claim = "c"


class Origin(NamedTuple):
    """The part of another object's charge that an object was made to hold: whose, under which name, asking for what."""

    uid: str
    part: str
    digest: str


class Request(msgspec.Struct, frozen=True):
    """One object that wants devices, under the limits of one or several scopes.

    Where a part of ``origin``'s charge stands for it, that part becomes its own, and nothing is added.
    """

    uid: str
    namespace: str
    name: str
    charge: Charge
    scopes: tuple[tuple[str, tuple[Limit, ...]], ...]
    kind: Kind = Kind.Pod
    origin: Origin | None = None
    shards: int = 0
    """Over how many ledgers the scopes spread tenants."""


class Level(msgspec.Struct, frozen=True):
    """Use under one limit, before this request, in the limit's unit."""

    limit: Limit
    requested: int
    used_all: int
    used_own: int


class Shortfall(Level, frozen=True):
    """A level that the request does not fit under."""


@dataclasses.dataclass(frozen=True, slots=True)
class Granted:
    """The reservation is durable: ``allowed`` may be answered."""

    levels: tuple[Level, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Exceeded:
    """The request does not fit; nothing is held for it."""

    shortfalls: tuple[Shortfall, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Unavailable:
    """No verdict: ``NotSynced`` or ``LedgerBusy``.  A repeat may be granted."""

    reason: Reason


@dataclasses.dataclass(frozen=True, slots=True)
class Differs:
    """The object is not what its origin was charged for; nothing is held for it."""

    part: Part


Outcome = Granted | Exceeded | Unavailable | Differs


class Tally:
    """Running use: what stands in a ledger, and what earlier requests of a batch took.

    ``hours`` gives, for a window in seconds, the device-seconds that count against it: used and prepaid; None
    where that is not known.  ``elapsed`` gives the seconds that a group has held some classes without a longer break.
    """

    def __init__(
        self,
        standing: Iterable[Sums] = (),
        hours: Callable[[int], Iterable[Sums] | None] = lambda _: (),
        elapsed: Callable[[str, Limit], int] = lambda _group, _limit: 0,
    ) -> None:
        self._devices = Sums(bases=standing)
        self._hours, self._elapsed = hours, elapsed
        self._windows: dict[int, Sums] = {}
        self._paid = Sums()

    def add(self, charge: Charge) -> None:
        """Count a charge in."""
        self._turn(charge, 1)

    def remove(self, charge: Charge) -> None:
        """Count a charge out."""
        self._turn(charge, -1)

    def pay(self, party: str, seconds: Iterable[tuple[str, int]], sign: int = 1) -> None:
        """Count device-seconds by class key in (1) or out (-1)."""
        self._paid.add(((party, key), sign * count) for key, count in seconds)

    def knows(self, limit: Limit) -> bool:
        """Say whether use under a limit can be told."""
        return limit.unit != "deviceHours" or self._window(limit.window) is not None

    def level(self, limit: Limit, charge: Charge) -> Level:
        """Return the use under a limit that is known, beside what the charge would add to it."""
        if limit.unit == "hold":
            elapsed = self._elapsed(charge.group or charge.party, limit)
            return Level(limit, limit.asked(charge), elapsed, elapsed)
        sums = self._devices if limit.unit != "deviceHours" else self._window(limit.window)
        assert sums is not None
        return Level(limit, limit.asked(charge), sums.all(limit), sums.own(limit))

    def _turn(self, charge: Charge, sign: int) -> None:
        self._devices.add(((charge.party, key), sign * count) for key, count in charge.counts)
        self.pay(charge.party, charge.prepaid, sign)

    def _window(self, window: int) -> Sums | None:
        """Device-seconds that count against a window, found when the first limit asks for it."""
        if window not in self._windows:
            known = self._hours(window)
            if known is None:
                return None
            self._windows[window] = Sums(bases=(*known, self._paid))
        return self._windows[window]


def judge(charge: Charge, limits: Iterable[Limit], tally: Tally) -> Granted | Exceeded:
    """Hold a charge against all its limits at once.

    A limit that the charge adds nothing to never denies, not even when it was lowered below its use.
    """
    levels = tuple(tally.level(limit, charge) for limit in limits)
    shortfalls = tuple(
        Shortfall(level.limit, level.requested, level.used_all, level.used_own)
        for level in levels
        if level.requested > 0 and level.used_all + level.requested > level.limit.amount
    )
    return Exceeded(shortfalls) if shortfalls else Granted(levels)
