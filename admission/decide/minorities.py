"""Tenants that declare themselves independent beside a firm or a state that holds a significant part of them.

By the half rule that can be true: what is below half decides nothing.  It is a red flag all the same, and whoever
looks at the tenant should look at that owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF
from admission.api.tenant import Tenant
from admission.decide.remarks import Remark
from admission.tenants.holdings import HALF, NOTHING, PERCENT, SIGNIFICANT, amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.tenants.standing import Standing


def find_minorities(standings: Iterable[Standing], threshold: float | None) -> Iterator[Remark]:
    """Yield a remark on each firm or state that may hold so much, below half, of who says that it is independent.

    ``threshold`` is in percent; None means ``SIGNIFICANT``.
    """
    least = amount(SIGNIFICANT if threshold is None else threshold)
    for standing in sorted(standings, key=lambda each: each.name):
        for party, held in _held(standing) if standing.tenant.spec.independent else ():
            if least <= held < HALF and standing.graph.parties[party].type != "NaturalPerson":
                yield Remark(Tenant.__name__, standing.name, ("spec", "independent"), _said(party, held))


def _said(party: str, held: int) -> str:
    told = f"{party} may hold {held / PERCENT:g} percent, and independent: true says that nobody stands above"
    return f"{told}; see who decides, and name it as ultimateParent if that owner does"


def _held(standing: Standing) -> Iterator[tuple[str, int]]:
    """The most that each named owner may hold of the tenant in any of its pools."""
    pools = standing.graph.pools.get(TENANT_ITSELF, ())
    owners = {owner for pool in pools for owner in (*pool.direct, *pool.alone)} & standing.graph.parties.keys()
    for owner in sorted(owners):
        yield owner, max(max(pool.direct.get(owner, NOTHING).upper, pool.alone.get(owner, 0)) for pool in pools)
