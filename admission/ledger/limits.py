"""What is asked, what is allowed at once, and the arithmetic between them.

Counts are devices by class key.  A class key is one class name, or several joined by ``|`` and sorted
for a pod that may still land on any of them; such a key weighs what its heaviest member weighs.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.decide.limits import Account, Charge, Limit, Part
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


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
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


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """Use under one limit, before this request, in the limit's unit."""

    limit: Limit
    requested: int
    used_all: int
    used_own: int


@dataclasses.dataclass(frozen=True, slots=True)
class Shortfall(Level):
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

    Sums are kept per limit, as most requests of a batch stand under the same ones.
    """

    def __init__(self, accounts: Iterable[tuple[Account, int]]) -> None:
        self._held: dict[str, dict[str, int]] = {}
        self._sums: dict[tuple[str, str, int, int], tuple[Limit, int]] = {}
        for (party, key), count in accounts:
            self._hold(party, key, count)

    def add(self, charge: Charge) -> None:
        """Count a charge in."""
        self._turn(charge, 1)

    def remove(self, charge: Charge) -> None:
        """Count a charge out."""
        self._turn(charge, -1)

    def level(self, limit: Limit, charge: Charge) -> Level:
        """Return the use under a limit, beside what the charge would add to it."""
        own = sum(
            limit.measure(held.items())
            for party, held in self._held.items()
            if limit.own(party) and limit.counts(party)
        )
        return Level(limit, limit.asked(charge), self._sum(limit), own)

    def _turn(self, charge: Charge, sign: int) -> None:
        for key, count in charge.counts:
            self._hold(charge.party, key, sign * count)
        for index, (limit, total) in self._sums.items():
            self._sums[index] = (limit, total + sign * limit.asked(charge))

    def _hold(self, party: str, key: str, count: int) -> None:
        held = self._held.setdefault(party, {})
        held[key] = held.get(key, 0) + count

    def _sum(self, limit: Limit) -> int:
        # The stored limit keeps the two objects alive, so their ids name no other object meanwhile.
        index = (limit.key, limit.unit, id(limit.weights), id(limit.parties))
        if index not in self._sums:
            total = sum(limit.measure(held.items()) for party, held in self._held.items() if limit.counts(party))
            self._sums[index] = (limit, total)
        return self._sums[index][1]


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
