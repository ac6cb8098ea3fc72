"""What a request would be charged, and the limits it must fit: the neutral form that any ledger decides.

Counts are devices by class key.  A class key is one class name, or several joined by ``|`` and sorted for a pod
that may still land on any of them; such a key weighs what its heaviest member weighs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from admission.demand.devices import added
from admission.demand.reach import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

Unit = Literal["devices", "tpp", "deviceHours", "hold"]
"""What a limit bounds: devices or TPP at once, device-hours in a rolling window, the length of a continuous hold.

Amounts of device-hours are kept in device-seconds, those of a hold in seconds.
"""

ENDING = 60
"""Seconds that a pod may hold its devices beyond its deadline: the usual 30 s of grace, and 30 s of its node's own."""

Account = tuple[str, str]
"""Party and class key: the unit in which use is kept."""


ENDLESS = 2**53
"""Seconds that stand for no end: more than any limit in hours allows; as an amount, devices that are counted only."""


def measure(counts: Iterable[tuple[str, int]], weights: Mapping[str, int]) -> int:
    """Return devices by class key in the unit of the weights: alternatives weigh what the heaviest of them does.

    A class without a weight, such as one whose AcceleratorClass was deleted, weighs what an unknown one does.
    """
    other = weights.get(UNKNOWN_CLASS, 0)
    return sum(count * max(weights.get(name, other) for name in key.split("|")) for key, count in counts)


def held(accounts: Mapping[Account, int], weights: Mapping[str, int]) -> int:
    """Return what all accounts hold together, in the unit of the weights."""
    return total(accounts.items(), weights)


def total(accounts: Iterable[tuple[Account, int]], weights: Mapping[str, int]) -> int:
    """Return the same of accounts that may stand more than once."""
    return measure(((key, count) for (_, key), count in accounts), weights)


class Part(NamedTuple):
    """The part of a charge that an object made for the charged one will hold (a claim made for a pod).

    ``name`` is what the charged object calls it, ``digest`` tells what it must ask for.
    """

    name: str
    digest: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request holds: whole devices by class key, each once and sorted, on one party's account.

    ``parts`` are in ``counts``; until their objects are seen, the charge stands as it was made.
    ``seconds`` is for how long at most it holds them from the day it is given them; 0 where nobody can tell.
    An ``endless`` one pays for ``seconds`` first, and goes on as it pays for more.
    ``group`` is the ownership group whose continuous hold it begins or goes on with; "" where that is the party.
    """

    party: str
    counts: tuple[tuple[str, int], ...]
    parts: tuple[Part, ...] = ()
    seconds: int = 0
    group: str = ""
    endless: bool = False

    def __post_init__(self) -> None:
        before, ascending = "", True
        for key, count in self.counts:
            if count <= 0:
                raise ValueError("a charge counts whole devices, one or more")
            before, ascending = key, ascending and before < key
        if not ascending:
            object.__setattr__(self, "counts", added(self.counts))

    def without(self, part: Part) -> Charge:
        """Return what is left when another object holds a part."""
        left = dict(self.counts)
        for key, count in part.counts:
            left[key] = left.get(key, 0) - count
        counts = tuple((key, count) for key, count in sorted(left.items()) if count > 0)
        return replace(self, counts=counts, parts=tuple(each for each in self.parts if each != part))

    def only(self, part: Part) -> Charge:
        """Return what a part of it is charged."""
        return replace(self, counts=part.counts, parts=())

    @property
    def prepaid(self) -> tuple[tuple[str, int], ...]:
        """Device-seconds by class key that it can use at most; nothing where it has no end."""
        return tuple((key, count * (self.seconds + ENDING)) for key, count in self.counts) if self.seconds else ()


def computing(party: str) -> Collection[str]:
    """Return who computes: of ``tenant`` and of ``reseller/tenant`` the tenant."""
    return (party.rpartition("/")[2],)


def supplying(party: str) -> Collection[str]:
    """Return who stands first: of ``tenant`` the tenant, of ``reseller/tenant`` the reseller."""
    return (party.partition("/")[0],)


def either(party: str) -> Collection[str]:
    """Return everybody whom a party names."""
    return frozenset(party.split("/"))


def whole(party: str) -> Collection[str]:
    """Return the party as it stands."""
    return (party,)


class Parties(NamedTuple):
    """Parties told by name, so that their accounts are found without going over all: one of ``parts`` is a name."""

    parts: Callable[[str], Collection[str]]
    names: frozenset[str]

    @classmethod
    def of(cls, parts: Callable[[str], Collection[str]], *names: str) -> Parties:
        """Return the parties of which a part has one of these names."""
        return cls(parts, frozenset(names))

    def has(self, party: str) -> bool:
        """Say whether a party is one of them."""
        return not self.names.isdisjoint(self.parts(party))


class Limit(NamedTuple):
    """How much the accounts of some parties may hold at once, use within a window, or for how long without a break.

    ``key`` is the quota or authorization by name.  ``weights`` is the weight of one device by class name.
    ``parties`` are those whose accounts count (None: everybody's), ``own`` the asking tenant's own of them,
    which may be shown to it.  ``window`` is in seconds: of device-hours, how far back they count; of a hold, the
    longest break that does not end it.
    """

    key: str
    unit: Unit
    amount: int
    weights: Mapping[str, int]
    parties: Parties | None
    own: Parties
    window: int = 0
    classes: frozenset[str] = frozenset()
    """Of a hold: the classes asked for that it is about."""
    varying: Callable[[str], Mapping[str, int]] | None = None
    """The weights by party, where these differ; ``weights`` are those of the asking one."""

    def counts(self, party: str) -> bool:
        """Say whether this party's accounts stand under the limit."""
        return self.parties is None or self.parties.has(party)

    def measure(self, counts: Iterable[tuple[str, int]]) -> int:
        """Return these devices, or device-seconds, of the asking party in the limit's unit."""
        return measure(counts, self.weights)

    def measure_of(self, party: str, counts: Iterable[tuple[str, int]]) -> int:
        """Return the same of whichever party."""
        return measure(counts, self.varying(party) if self.varying else self.weights)

    def asked(self, charge: Charge) -> int:
        """Return what a charge adds to the use under this limit; more than any amount where it has no end to count."""
        if not self.counts(charge.party):
            return 0
        if self.unit == "hold":
            return charge.seconds
        if self.unit != "deviceHours":
            return self.measure_of(charge.party, charge.counts)
        return self.measure(charge.prepaid if charge.seconds else ((key, n * ENDLESS) for key, n in charge.counts))


class Scope(NamedTuple):
    """The limits that stand in one ledger."""

    name: str
    limits: tuple[Limit, ...]
