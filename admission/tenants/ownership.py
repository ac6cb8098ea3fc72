"""Ownership of 50 percent or more, cascaded step by step and added up over several owners.

The arithmetic of OFAC's FAQ 398-401 and of 90 FR 47201: an entity that is owned 50 percent or more, in
aggregate, by parties of a set belongs to the set itself, whatever the arithmetic share along the chain.
Shares that are known only as a range, or not at all, give a lower and an upper bound: the cascade is computed
for both, and what only the upper one reaches is unknown.  Cycles and cross-holdings end at the fixpoint, as
both cascades only ever add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.api.tenant import TENANT_ITSELF
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.api.tenant import Ownership, Party, TenantSpec

THRESHOLD = 50.0
"""Percent, in aggregate, from which ownership counts."""

UNNAMED = "unnamed"
"""Stands for whoever holds the shares that no statement accounts for; not a legal party id elsewhere."""


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
        if self._reaches(lambda party: member(party) is Ternary.TRUE, lambda share: share.lower):
            return Ternary.TRUE
        possible = self._reaches(lambda party: member(party) is not Ternary.FALSE, lambda share: share.upper)
        return Ternary.UNKNOWN if possible or self.contradictory else Ternary.FALSE

    def _reaches(self, member: Callable[[str], bool], amount: Callable[[Bounds], float]) -> bool:
        inside = {party for owners in self.owners.values() for party in owners if member(party)}
        grown = True
        while grown and TENANT_ITSELF not in inside:
            grown = False
            for owned, owners in self.owners.items():
                if owned not in inside and _sum(owners, inside, amount) >= THRESHOLD:
                    inside.add(owned)
                    grown = True
        return TENANT_ITSELF in inside


def _sum(owners: Mapping[str, Bounds], inside: set[str], amount: Callable[[Bounds], float]) -> float:
    return sum(amount(share) for owner, share in owners.items() if owner in inside)


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
    """Cap each upper bound by what the others hold for certain, and give the rest to an unnamed owner."""
    certain = _lower(holdings)
    capped = {
        owner: Bounds(share.lower, max(share.lower, min(share.upper, 100 - (certain - share.lower))))
        for owner, share in holdings.items()
    }
    if not is_top and certain < 100:  # noqa: PLR2004 (percent)
        capped[UNNAMED] = Bounds(0, 100 - certain)
    return capped


def _lower(holdings: Mapping[str, Bounds]) -> float:
    return sum(share.lower for share in holdings.values())


def _bounds(statement: Ownership) -> Bounds:
    share = statement.share
    if share.exact is not None:
        return Bounds(share.exact, share.exact)
    return Bounds(share.minimum or 0, 100 if share.maximum is None else share.maximum)


def _wider(one: Bounds | None, other: Bounds) -> Bounds:
    """Shares and votes of the same owner are one holding: the larger counts."""
    return other if one is None else Bounds(max(one.lower, other.lower), max(one.upper, other.upper))
