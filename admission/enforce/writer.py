"""Writes the statuses of quotas, tenants and Allowances; one replica does.

Nothing is written that already says what it should; a failed write is tried again in a later round.
"""

from __future__ import annotations

import asyncio
import operator
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.api import END_CUSTOMER_LABEL, TENANT_LABEL
from admission.api.quota import Authorization, ComputeQuota
from admission.decide.compute import beside, scope_of
from admission.enforce.conditions import tenant_conditions
from admission.enforce.own import own_limits
from admission.enforce.patcher import ALLOWANCE, LEAST_SECONDS, ROUND_SECONDS, Patcher, create_allowance, dumped
from admission.enforce.shown import (
    allowance_status,
    authorization_uses,
    deciding,
    expiry_shown,
    obstacle,
    quota_status,
    standing_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.api.allowance import Allowance
    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger
    from admission.ledger.pods import PodCensus
    from admission.review.reasons import Reason
    from admission.tenants.standing import Standing

LOOK_SECONDS = 10.0
"""Between two looks at what others leave one party, while it holds and stands as it did: each sums what all hold."""

LEAST_PAUSE_SECONDS = 0.05

_OF_OTHERS = frozenset({"lastDenial", "findings"})
"""Fields of an Allowance's status that are written elsewhere."""

_BATCH = 10  # tenants or namespaces between two turns of the loop: what decides takes 30 to 300 us for each


class _Look(NamedTuple):
    """When an Allowance was looked at, and what was known then: who is behind it, what stands in the way, its use."""

    at: float
    stands: tuple[str, Reason | None]
    use: Mapping[str, int]


class StatusWriter:
    """Keeps ComputeQuota.status, Tenant.status.standing and Allowances current; run by the leader."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        ledger: Ledger,
        census: PodCensus,
        *,
        allowances: Mapping[str, Allowance],
        contact: str,
        now: Callable[[], datetime],
    ) -> None:
        self._patcher = Patcher(client)
        self._registry, self._ledger, self._census = registry, ledger, census
        self._allowances, self._contact, self._now = allowances, contact, now
        self._written: dict[str, float] = {}
        self._looks: dict[str, _Look] = {}
        self._limits: tuple[object, ...] = ()
        self._change: datetime | None = None
        self._obstacles: dict[tuple[str, str], tuple[tuple[object, ...], Reason | None]] = {}

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            self._heed_change()
            await self._quotas()
            await self._authorizations()
            await self._standings()
            await self._own_figures()
            await asyncio.sleep(self._pause())

    def _heed_change(self) -> None:
        """Once rules or authorizations have begun or ended, every Allowance may be wrong, however new it is."""
        now = self._now()
        if self._change is not None and self._change <= now:
            self._looks.clear()
        self._change = self._registry.next_change(now)

    def _pause(self) -> float:
        """Return the seconds to the next round: it does not come later than the next change."""
        left = (self._change - self._now()).total_seconds() if self._change else ROUND_SECONDS
        return min(ROUND_SECONDS, max(LEAST_PAUSE_SECONDS, left))

    async def _quotas(self) -> None:
        for quota in self._registry.every(ComputeQuota):
            scope = scope_of(quota)
            view, observed = self._ledger.view(scope), self._census.observed(scope)
            shards = map(self._ledger.view, beside(quota, self._registry.shards))
            status = quota_status(quota, view, observed, self._registry, self._now(), shards=shards)
            if status != quota.status:
                await self._patcher.patch(f"computequotas/{quota.name}", dumped(status))
            await asyncio.sleep(0)

    def _obstacle(self, standing: Standing, namespace: str = "") -> Reason | None:
        """What stands in the tenant's way, found anew when anything that decides it has changed.

        In a namespace it is another one only where somebody else computes there.
        """
        now, within = self._now(), namespace if standing.is_intermediary or self._names_customer(namespace) else ""
        basis = deciding(standing, self._registry, now, within)
        known = self._obstacles.get((standing.name, within))
        if known is None or len(known[0]) != len(basis) or any(map(operator.is_not, known[0], basis)):
            known = (basis, obstacle(standing, self._registry, now, within))
            self._obstacles[standing.name, within] = known
        return known[1]

    def _names_customer(self, namespace: str) -> bool:
        return END_CUSTOMER_LABEL in self._registry.namespaces.get(namespace, {})

    def _forget(self) -> None:
        """Forget what stood in the way of tenants and in namespaces that are gone."""
        tenants, namespaces = self._registry.standings, self._registry.namespaces
        for tenant, namespace in tuple(self._obstacles):
            if tenant not in tenants or (namespace and namespace not in namespaces):
                del self._obstacles[tenant, namespace]
        for namespace in self._looks.keys() - namespaces.keys():
            del self._looks[namespace]
        for namespace in self._written.keys() - namespaces.keys():
            del self._written[namespace]

    async def _standings(self) -> None:
        self._forget()
        for place, standing in enumerate(tuple(self._registry.standings.values())):
            await self._standing(standing)
            if place % _BATCH == 0:
                await asyncio.sleep(0)

    async def _standing(self, standing: Standing) -> None:
        reason, shown = self._obstacle(standing), standing.tenant.status
        status = standing_status(standing, reason, self._registry, self._now())
        conditions = tenant_conditions(standing, reason, self._now())
        if status != shown.standing or conditions != shown.conditions:
            wanted = {"standing": dumped(status), "conditions": list(map(dumped, conditions))}
            await self._patcher.patch(f"tenants/{standing.name}", wanted)

    async def _authorizations(self) -> None:
        grants: defaultdict[str, list[Authorization]] = defaultdict(list)
        for grant in self._registry.every(Authorization):
            grants[grant.spec.tenant].append(grant)
        for tenant, its in grants.items():
            views = (self._ledger.view(scope) for scope in self._ledger.scopes())
            used = authorization_uses(tenant, its, views, self._registry, self._now())
            for grant in its:
                if used[grant.name] != grant.status.used:
                    await self._patcher.patch(f"authorizations/{grant.name}", {"used": used[grant.name]})

    async def _own_figures(self) -> None:
        """Look at the Allowances that may be wrong, one at a time."""
        use, clock = self._census.use(), asyncio.get_running_loop().time()
        self._heed_limits()
        for place, (namespace, labels) in enumerate(tuple(self._registry.namespaces.items())):
            tenant = labels.get(TENANT_LABEL, "")
            standing = self._registry.standings.get(tenant)
            stands = (tenant, self._obstacle(standing, namespace) if standing else None)
            look = _Look(clock, stands, use.get(self._registry.requester(namespace).party, {}) if standing else {})
            due = self._is_due(namespace, look)
            if due or place % _BATCH == 0:
                await asyncio.sleep(0)
            if due and await self._own(namespace, tenant, use, clock):
                self._looks[namespace] = look

    def _heed_limits(self) -> None:
        """Once a quota says something else, every Allowance may be wrong."""
        limits = tuple((each.name, each.spec) for each in self._registry.every(ComputeQuota))
        if limits != self._limits:
            self._limits = limits
            self._looks = {name: look._replace(at=float("-inf")) for name, look in self._looks.items()}

    def _is_due(self, namespace: str, look: _Look) -> bool:
        before = self._looks.get(namespace)
        if before is None or before.stands != look.stands:
            return True
        if look.at - self._written.get(namespace, float("-inf")) < LEAST_SECONDS:
            return False
        return before.use != look.use or look.at - before.at >= LOOK_SECONDS

    async def _own(self, namespace: str, tenant: str, use: Mapping[str, Mapping[str, int]], clock: float) -> bool:
        """Write the Allowance of one namespace where it is wrong; False when that failed."""
        standing = self._registry.standings.get(tenant)
        current = self._allowances.get(f"{namespace}/{ALLOWANCE}")
        if current is None:
            return standing is None or self._noted(namespace, clock, await create_allowance(self._patcher, namespace))
        denial = current.status.last_denial
        if standing is None:
            status = type(current.status)()
        else:
            requester = self._registry.requester(namespace)
            status = allowance_status(
                standing,
                self._obstacle(standing, namespace),
                expires_at=expiry_shown(standing, self._registry, self._now()),
                use=use.get(requester.party, {}),
                limits=own_limits(requester, self._ledger.view, self._registry, self._now()),
                denial=denial,
                contact=self._contact,
            )
        path = f"namespaces/{namespace}/allowances/{ALLOWANCE}"
        fields = {key: value for key, value in dumped(status).items() if key not in _OF_OTHERS}
        others = {"last_denial": denial, "findings": current.status.findings}
        if status.model_copy(update=others) == current.status:
            return True
        return self._noted(namespace, clock, await self._patcher.patch(path, fields))

    def _noted(self, namespace: str, clock: float, written: bool) -> bool:
        if written:
            self._written[namespace] = clock
        return written
