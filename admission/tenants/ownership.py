"""Ownership of 50 percent or more, cascaded step by step and added up over several owners.

The arithmetic of OFAC's FAQ 398-401 and of 90 FR 47201: an entity that is owned 50 percent or more, in
aggregate, by parties of a set belongs to the set itself, whatever the arithmetic share along the chain.
Shares that are known only as a range, or not at all, give a lower and an upper bound: the cascade is computed
for both, and what only the upper one reaches is unknown.  Cycles and cross-holdings end at the fixpoint, as
both cascades only ever add.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.api.identity import Ownership, Party, TenantSpec

THRESHOLD = 50.0
"""Percent, in aggregate, from which ownership counts."""

DIGITS = 6
"""Decimals of a percentage that count: 0.3, 32.3 and 17.4 are 50 percent, though not as binary fractions."""

UNNAMED = "?"
"""Stands for whoever holds the shares that no statement accounts for; no party can have this id."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower and upper bound of a share, in percent."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class OwnershipGraph:
    """Who owns how much of whom: for each owned party its owners with bounds, unaccounted shares included."""

    owners: Mapping[str, Mapping[str, Bounds]]
    parties: Mapping[str, Party]
    contradictory: bool = False
    """Whether the lower bounds of some party's owners exceed 100 percent together."""

    def owned_by(self, member: Callable[[str], Ternary]) -> Ternary:
        """Whether the tenant is owned 50 percent or more, in aggregate, by parties for whom ``member`` holds."""
        if self._reaches(lambda party: member(party) is Ternary.TRUE, _certain):
            return Ternary.TRUE
        possible = self._reaches(lambda party: member(party) is not Ternary.FALSE, _possible)
        return Ternary.UNKNOWN if possible or self.contradictory else Ternary.FALSE

    def tops(self) -> frozenset[str]:
        """The parties that own half or more of the tenant for certain, and that none of these owns so itself.

        Of parties that own each other, all are at the top.
        """
        holdings: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for party, owners in self.owners.items():
            for owner, share in owners.items():
                holdings[owner][party] = share.lower
        owned = {party: _owned_through(party, holdings) for party in holdings.keys() - {TENANT_ITSELF, UNNAMED}}
        above = {party for party, inside in owned.items() if TENANT_ITSELF in inside}
        return frozenset(
            party for party in above if not any(party in owned[one] and one not in owned[party] for one in above)
        )

    def _reaches(self, member: Callable[[str], bool], amount: Callable[[_Holdings, set[str]], float]) -> bool:
        inside = {party for owners in self.owners.values() for party in owners if member(party)}
        grown = True
        while grown and TENANT_ITSELF not in inside:
            grown = False
            for owned, owners in self.owners.items():
                if owned not in inside and amount(owners, inside) >= THRESHOLD:
                    inside.add(owned)
                    grown = True
        return TENANT_ITSELF in inside


_Holdings = Mapping[str, Bounds]


def _certain(owners: _Holdings, inside: set[str]) -> float:
    return round(sum(share.lower for owner, share in owners.items() if owner in inside), DIGITS)


def _possible(owners: _Holdings, inside: set[str]) -> float:
    """The upper bounds together, and no more than what the others leave for certain."""
    most = sum(share.upper for owner, share in owners.items() if owner in inside)
    others = sum(share.lower for owner, share in owners.items() if owner not in inside)
    return round(min(most, 100 - others), DIGITS)


def _owned_through(party: str, holdings: Mapping[str, Mapping[str, float]]) -> set[str]:
    """The party and all of which it owns half or more for certain, in aggregate, step by step."""
    inside, waiting = {party}, [party]
    sums: defaultdict[str, float] = defaultdict(float)
    while waiting:
        for owned, share in holdings.get(waiting.pop(), {}).items():
            sums[owned] += share
            if owned not in inside and round(sums[owned], DIGITS) >= THRESHOLD:
                inside.add(owned)
                waiting.append(owned)
    return inside


def graph_of(spec: TenantSpec) -> OwnershipGraph:
    """Return the ownership graph above a tenant."""
    parties = {party.id: party for party in spec.parties}
    stated: dict[str, dict[str, Bounds]] = {}
    for statement in spec.ownership:
        if statement.interest != "Control":
            holdings = stated.setdefault(statement.owned, {})
            holdings[statement.owner] = _wider(holdings.get(statement.owner), _bounds(statement))
    tops = {party.id for party in spec.parties if party.type != "Entity"} | {spec.ultimate_parent}
    if spec.independent:
        tops.add(TENANT_ITSELF)
    owned = {TENANT_ITSELF, *parties} - tops | set(stated)
    owners = {party: _accounted(stated.get(party, {}), is_top=party in tops) for party in owned}
    return OwnershipGraph(owners, parties, any(_lower(holdings) > 100 for holdings in stated.values()))  # noqa: PLR2004 (percent)


def _accounted(holdings: Mapping[str, Bounds], *, is_top: bool) -> dict[str, Bounds]:
    """Give what nobody holds for certain to an unnamed owner, up to all of it."""
    left = 100 - _lower(holdings)
    return {**holdings} if is_top or left <= 0 else {**holdings, UNNAMED: Bounds(0, left)}


def _lower(holdings: Mapping[str, Bounds]) -> float:
    return round(sum(share.lower for share in holdings.values()), DIGITS)


def _bounds(statement: Ownership) -> Bounds:
    share = statement.share
    if share.exact is not None:
        return Bounds(share.exact, share.exact)
    return Bounds(share.minimum or 0, 100 if share.maximum is None else share.maximum)


def _wider(one: Bounds | None, other: Bounds) -> Bounds:
    """Shares and votes of the same owner are one holding: the larger counts."""
    return other if one is None else Bounds(max(one.lower, other.lower), max(one.upper, other.upper))
