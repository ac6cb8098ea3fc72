"""Statements of ownership that cannot all be true, told to whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF
from admission.tenants.holdings import PERCENT, WHOLE
from admission.tenants.ownership import graph_of
from admission.tenants.topmost import top_declared

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec
    from admission.tenants.ownership import OwnershipGraph


def contradiction_of(spec: TenantSpec, known: OwnershipGraph | None = None) -> str:
    """Return what is wrong with statements that cannot all be true, for whoever writes them; "" when they can.

    ``known`` is the graph of these statements, where somebody has made it already.
    """
    graph = known or graph_of(spec)
    if not graph.contradictory:
        return _top_contradicted(spec, graph)
    party = graph.contradictory[0]
    over = max(pool.lower for pool in graph.pools[party]) / PERCENT
    if over > WHOLE / PERCENT:
        return f"spec.ownership: {over:g} percent of {party} are held directly together; correct it, or state ranges"
    return (
        f"spec.ownership: what is held indirectly of {party} is more than its direct holders have for it; "
        "state who holds it directly, or correct the shares"
    )


def contradicting(spec: TenantSpec) -> tuple[int, ...]:
    """Return the places in ``spec.ownership`` of the statements that ``contradiction_of`` tells of."""
    parties = graph_of(spec).contradictory[:1]
    return tuple(place for place, statement in enumerate(spec.ownership) if statement.owned in parties)


def _top_contradicted(spec: TenantSpec, graph: OwnershipGraph) -> str:
    field = "ultimateParent" if spec.ultimate_parent is not None else "independent"
    owner = graph.contradicts(spec.ultimate_parent or TENANT_ITSELF) if top_declared(spec) else ""
    if not owner:
        return ""
    return (
        f"spec.{field}: {owner} owns half or more, or controls, by what spec.ownership states, and is not below who is "
        "declared to be at the top; name the party at the top as ultimateParent, or correct the statements"
    )
