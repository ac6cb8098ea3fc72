"""Who is declared to stand at the top: by a tenant's own word, or by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.identity import TenantKind
from admission.tenants.kinds import kind_belied

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec

OWNERLESS = frozenset({TenantKind.Individual, TenantKind.Government, TenantKind.StateBody})
"""Kinds of tenants that nobody holds shares of."""

TOPMOST = OWNERLESS - {TenantKind.StateBody}
"""Kinds above which nobody stands either, unless somebody is stated; a state body has a state above it."""


def top_declared(spec: TenantSpec) -> bool:
    """Whether it is declared who is at the top: a parent, or the tenant itself; of a state body its state."""
    return (spec.ultimate_parent is not None or is_top(spec)) and not state_missing(spec)


def state_missing(spec: TenantSpec) -> str:
    """Return what a state body leaves out of the state above it; "" for nothing, and of every other kind."""
    tops = {party.type for party in spec.parties if party.id == spec.ultimate_parent}
    if spec.kind is not TenantKind.StateBody or tops == {"State"}:
        return ""
    field = "independent" if spec.independent else "ultimateParent"
    return f"spec.{field}: above a StateBody stands its state; name it, a party of type State, as ultimateParent"


def is_top(spec: TenantSpec) -> bool:
    """Whether nobody stands above the tenant: by its own word, or by its kind where it states nobody."""
    return spec.independent or (spec.kind in TOPMOST and not spec.parties and not kind_belied(spec))
