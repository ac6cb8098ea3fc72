"""What a request would be charged, and the limits it must fit: the neutral form that any ledger decides.

Counts are devices by class key.  A class key is one class name, or several joined by ``|`` and sorted for a pod
that may still land on any of them; such a key weighs what its heaviest member weighs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from admission.demand.reach import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Unit = Literal["devices", "tpp"]

Account = tuple[str, str]
"""Party and class key: the unit in which use is kept."""


def measure(counts: Iterable[tuple[str, int]], weights: Mapping[str, int]) -> int:
    """Return devices by class key in the unit of the weights: alternatives weigh what the heaviest of them does.

    A class without a weight, such as one whose AcceleratorClass was deleted, weighs what an unknown one does.
    """
    other = weights.get(UNKNOWN_CLASS, 0)
    return sum(count * max(weights.get(name, other) for name in key.split("|")) for key, count in counts)


def held(accounts: Mapping[Account, int], weights: Mapping[str, int]) -> int:
    """Return what all accounts hold together, in the unit of the weights."""
    return measure(((key, count) for (_, key), count in accounts.items()), weights)


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
    """

    party: str
    counts: tuple[tuple[str, int], ...]
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if any(count <= 0 for _, count in self.counts):
            raise ValueError("a charge counts whole devices, one or more")
        if list(self.counts) != sorted(dict(self.counts).items()):
            object.__setattr__(self, "counts", _merged(self.counts))

    def without(self, part: Part) -> Charge:
        """Return what is left when another object holds a part."""
        left = dict(self.counts)
        for key, count in part.counts:
            left[key] = left.get(key, 0) - count
        counts = tuple((key, count) for key, count in sorted(left.items()) if count > 0)
        return Charge(self.party, counts, tuple(each for each in self.parts if each != part))


def _merged(counts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    merged: dict[str, int] = {}
    for key, count in counts:
        merged[key] = merged.get(key, 0) + count
    return tuple(sorted(merged.items()))


@dataclass(frozen=True, slots=True)
class Limit:
    """How much the accounts of some parties may hold at once.

    ``key`` is the quota or authorization by name.  ``weights`` is the weight of one device by class name.
    ``parties`` says whose accounts count (None: everybody's), ``own`` which of them are the asking tenant's own
    and may be shown to it.
    """

    key: str
    unit: Unit
    amount: int
    weights: Mapping[str, int]
    parties: Callable[[str], bool] | None
    own: Callable[[str], bool]

    def counts(self, party: str) -> bool:
        """Say whether this party's accounts stand under the limit."""
        return self.parties is None or self.parties(party)

    def measure(self, counts: Iterable[tuple[str, int]]) -> int:
        """Return these devices in the limit's unit."""
        return measure(counts, self.weights)

    def asked(self, charge: Charge) -> int:
        """Return what a charge adds to the use under this limit."""
        return self.measure(charge.counts) if self.counts(charge.party) else 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The limits that stand in one ledger."""

    name: str
    limits: tuple[Limit, ...]
