"""Who is declared to stand at the top: by a tenant's own word, or by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.identity import TenantKind
from admission.tenants.kinds import believed_type, kind_belied

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec

OWNERLESS = frozenset({TenantKind.Individual, TenantKind.Government, TenantKind.StateBody})
"""Kinds of tenants that nobody holds shares of."""

OF_A_STATE = frozenset({TenantKind.Government, TenantKind.StateBody})
"""Kinds that name their state: above a state body it stands, and a government is one's."""


def top_declared(spec: TenantSpec) -> bool:
    """Whether it is declared who is at the top: a parent, or the tenant itself; of what is a state's that state."""
    return (spec.ultimate_parent is not None or is_top(spec)) and not state_missing(spec)


def state_missing(spec: TenantSpec) -> str:
    """Return what a government or state body leaves out of its state; "" for nothing, and of every other kind."""
    tops = {believed_type(party) for party in spec.parties if party.id == spec.ultimate_parent}
    if spec.kind not in OF_A_STATE or tops == {"State"}:
        return ""
    field = "independent" if spec.independent else "ultimateParent"
    return f"spec.{field}: above a {spec.kind} stands its state; name it, a party of type State, as ultimateParent"


def is_top(spec: TenantSpec) -> bool:
    """Whether nobody stands above the tenant: by its own word, or as an Individual that states nobody."""
    is_person = spec.kind is TenantKind.Individual and not spec.parties and not kind_belied(spec)
    return spec.independent or is_person
