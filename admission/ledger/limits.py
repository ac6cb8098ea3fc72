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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from admission.decide.limits import Account, Part
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


class Sums:
    """Running counts by account; sums are kept per limit, as most requests of a batch stand under the same ones."""

    def __init__(self, accounts: Iterable[tuple[Account, int]]) -> None:
        self._held: dict[str, dict[str, int]] = {}
        self._sums: dict[tuple[str, str, int, int], tuple[Limit, int]] = {}
        for (party, key), count in accounts:
            self._hold(party, key, count)

    def turn(self, party: str, counts: Iterable[tuple[str, int]], sign: int) -> None:
        """Count something in (1) or out (-1)."""
        counts = tuple(counts)
        for key, count in counts:
            self._hold(party, key, sign * count)
        for index, (limit, total) in self._sums.items():
            if limit.counts(party):
                self._sums[index] = (limit, total + sign * limit.measure_of(party, counts))

    def all(self, limit: Limit) -> int:
        """Return what stands under a limit."""
        # The stored limit keeps the two objects alive, so their ids name no other object meanwhile.
        index = (limit.key, limit.unit, id(limit.weights), id(limit.parties))
        if index not in self._sums:
            counted = ((party, held) for party, held in self._held.items() if limit.counts(party))
            total = sum(limit.measure_of(party, held.items()) for party, held in counted)
            self._sums[index] = (limit, total)
        return self._sums[index][1]

    def own(self, limit: Limit) -> int:
        """Return what of it is the asking tenant's own."""
        mine = ((party, held) for party, held in self._held.items() if limit.own(party) and limit.counts(party))
        return sum(limit.measure_of(party, held.items()) for party, held in mine)

    def _hold(self, party: str, key: str, count: int) -> None:
        held = self._held.setdefault(party, {})
        held[key] = held.get(key, 0) + count


class Tally:
    """Running use: what stands in a ledger, and what earlier requests of a batch took.

    ``hours`` gives, for a window in seconds, the device-seconds that count against it: used and prepaid; None
    where that is not known.  ``elapsed`` gives the seconds that a group has held some classes without a longer break.
    """

    def __init__(
        self,
        accounts: Iterable[tuple[Account, int]],
        hours: Callable[[int], Iterable[tuple[Account, int]] | None] = lambda _: (),
        elapsed: Callable[[str, Limit], int] = lambda _group, _limit: 0,
    ) -> None:
        self._devices = Sums(accounts)
        self._hours, self._elapsed = hours, elapsed
        self._windows: dict[int, Sums] = {}
        self._paid: list[tuple[str, tuple[tuple[str, int], ...], int]] = []

    def add(self, charge: Charge) -> None:
        """Count a charge in."""
        self._turn(charge, 1)

    def remove(self, charge: Charge) -> None:
        """Count a charge out."""
        self._turn(charge, -1)

    def pay(self, party: str, seconds: tuple[tuple[str, int], ...], sign: int = 1) -> None:
        """Count device-seconds by class key in (1) or out (-1)."""
        self._paid.append((party, seconds, sign))
        for sums in self._windows.values():
            sums.turn(party, seconds, sign)

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
        self._devices.turn(charge.party, charge.counts, sign)
        self.pay(charge.party, charge.prepaid, sign)

    def _window(self, window: int) -> Sums | None:
        """Device-seconds that count against a window, made when the first limit asks for it."""
        if window not in self._windows:
            known = self._hours(window)
            if known is None:
                return None
            self._windows[window] = sums = Sums(known)
            for party, seconds, sign in self._paid:
                sums.turn(party, seconds, sign)
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
