"""Who holds how much of one party: statements taken together, so that nothing is counted twice and nothing lost.

Shares and voting rights are two pools, each of 100 percent; where an owner states shares alone, they stand for its
votes too.  Votes alone tell nothing of the shares: who holds these is not known then.

Only what is held directly adds up.  An indirect share runs through direct holders, stated or not, so
adding it to theirs would count it twice: it tells for certain what its owner has alone, its own direct share included,
and it must find room among direct holders whom that owner may stand behind, or the statements contradict each other.
What may be direct or not is either: its owner may hold all of it itself, or none, and it may be the same holding as a
direct one.

Amounts are whole billionths of a percent: 0.3, 32.3 and 17.4 are half, and an open end is one billionth short of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.api.identity import Ownership
    from admission.api.share import Share

PERCENT = 10**9
WHOLE = 100 * PERCENT
HALF = 50 * PERCENT
"""From here on, in aggregate, ownership counts."""

SIGNIFICANT = 25.0
"""Percent from which on an owner is significant, where no policy says otherwise."""

POOLS = ("Shareholding", "VotingRights")


class Bounds(NamedTuple):
    """Lower and upper bound of a share, both possible."""

    lower: int
    upper: int


NOTHING = Bounds(0, 0)


def amount(percent: float) -> int:
    """Return a percentage in billionths."""
    return round(percent * PERCENT)


def bounds_of(share: Share) -> Bounds:
    """Return what a stated share may be; all of it where nothing is stated."""
    if share.exact is not None:
        return Bounds(amount(share.exact), amount(share.exact))
    lower = amount(share.minimum or 0) if share.exclusive_minimum is None else amount(share.exclusive_minimum) + 1
    if share.exclusive_maximum is not None:
        return Bounds(lower, amount(share.exclusive_maximum) - 1)
    return Bounds(lower, WHOLE if share.maximum is None else amount(share.maximum))


@dataclass(frozen=True, slots=True)
class Pool:
    """The holders of one pool of a party."""

    direct: Mapping[str, Bounds]
    """What each holds itself, or perhaps so."""
    alone: Mapping[str, int]
    """What each has for certain by itself, directly and through others."""
    through: Mapping[str, int]
    """What each has for certain beyond what it holds itself for certain: through others, or perhaps so."""
    most_through: Mapping[str, int]
    """The most that each has through others, of those of whom this is stated."""

    @property
    def lower(self) -> int:
        """What the direct holders have for certain, together."""
        return sum(bounds.lower for bounds in self.direct.values())

    def unaccounted(self) -> int:
        """What nobody holds for certain: 0 or more."""
        return max(0, WHOLE - self.lower)


@dataclass(slots=True)
class _Stated:
    """What is said of one owner in one pool."""

    direct: list[Bounds] = field(default_factory=list)
    indirect: list[Bounds] = field(default_factory=list)
    unknown: list[Bounds] = field(default_factory=list)

    def put(self, statement: Ownership) -> None:
        kinds = {"Direct": self.direct, "Indirect": self.indirect, "Unknown": self.unknown}
        kinds[statement.directness].append(bounds_of(statement.share))

    def alone(self) -> int:
        itself = _together(self.direct).lower
        return max(itself + _together(self.indirect).lower, _together(self.unknown).lower)

    def itself(self) -> Bounds | None:
        """What is held directly, or perhaps so; None where nothing is."""
        certain, perhaps = _together(self.direct), _together(self.unknown)
        return (
            certain._replace(upper=min(WHOLE, certain.upper + perhaps.upper)) if self.direct or self.unknown else None
        )

    def through(self) -> int | None:
        """What is beyond the direct share; None where nothing is said, or it may be that share said again."""
        beyond = max(0, _together(self.unknown).lower - _together(self.direct).lower)
        return max(_together(self.indirect).lower, beyond) if self.indirect or beyond else None


def _together(stated: list[Bounds]) -> Bounds:
    """Several statements may be of one holding, or of its parts: the largest at least, the sum at most."""
    if not stated:
        return NOTHING
    return Bounds(max(each.lower for each in stated), min(WHOLE, sum(each.upper for each in stated)))


def pools_of(statements: Iterable[Ownership]) -> tuple[Pool, ...]:
    """Return the pools of one owned party: that of shares, and that of votes where any are stated."""
    stated: dict[str, dict[str, _Stated]] = {}
    for each in statements:
        if each.interest in POOLS:
            stated.setdefault(each.interest, {}).setdefault(each.owner, _Stated()).put(each)
    shares, votes = (stated.get(name, {}) for name in POOLS)
    if not votes:
        return (_pool(shares, {}),) if shares else ()
    return _pool(shares, {}), _pool(votes, shares)


def _pool(own: Mapping[str, _Stated], other: Mapping[str, _Stated]) -> Pool:
    """Return a pool of what is stated of it, and of what another tells of owners who are not in this one."""
    direct = _itself(own)
    stand_in = {owner: each for owner, each in other.items() if owner not in own}
    borrowed = _itself(stand_in)
    room = WHOLE - sum(each.lower for each in direct.values())
    if sum(each.lower for each in borrowed.values()) > room:
        borrowed = {owner: Bounds(0, each.upper) for owner, each in borrowed.items()}
        stand_in = {}
    counted = {**own, **stand_in}
    through = {owner: each.through() for owner, each in counted.items()}
    return Pool(
        direct={**direct, **borrowed},
        alone={owner: each.alone() for owner, each in counted.items()},
        through={owner: least for owner, least in through.items() if least is not None},
        most_through={owner: _together(each.indirect).upper for owner, each in counted.items() if each.indirect},
    )


def _itself(stated: Mapping[str, _Stated]) -> dict[str, Bounds]:
    found = {owner: each.itself() for owner, each in stated.items()}
    return {owner: bounds for owner, bounds in found.items() if bounds is not None}
