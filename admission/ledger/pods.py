"""The census of pods: what the pods of a cluster hold, attributed as their reservations were.

A pod is attributed when it is first seen and keeps its party and jurisdiction for as long as this process lives;
its class narrows to the node's once it is bound.  Only pods of enforced namespaces count against limits.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api.policy import Mode
from admission.api.quota import Authorization, ComputeQuota
from admission.cluster import wire
from admission.decide.compute import scope_of
from admission.demand.pod import demand_of
from admission.demand.request import DemandError
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.cluster.client import Client
    from admission.decide.limits import Account
    from admission.decide.registry import Registry

ENDED = frozenset({"Succeeded", "Failed"})
"""Phases in which a pod holds nothing.  A deletion timestamp alone releases nothing: containers may still run."""

REMEMBERED = 100_000
"""So many uids of pods that are gone are remembered as seen."""

_pods = msgspec.json.Decoder(Pod)
_page = msgspec.json.Decoder(wire.Page)


class Home(NamedTuple):
    """Where a pod is charged: the governing jurisdiction and the party."""

    governing: str
    party: str


class Held(NamedTuple):
    """What a live pod holds."""

    namespace: str
    home: Home
    counts: tuple[tuple[str, int], ...]
    bound: bool


class PodCensus:
    """Live accelerator pods up to one resourceVersion; see ``admission.ledger.census.Census``."""

    def __init__(self, registry: Registry, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._now = now
        self._held: dict[str, Held] = {}
        self._homes: dict[str, Home] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.resource_version = 0

    def take(self, pod: Pod) -> None:
        """Take in a pod that exists."""
        uid = pod.metadata.uid
        if pod.status.phase in ENDED:
            self._held.pop(uid, None)
            self._forget(uid)
            return
        held = self._held.get(uid)
        if held is None or (not held.bound and pod.spec.node_name):
            self._hold(uid, pod)

    def lose(self, uid: str) -> None:
        """Take out a pod that is gone."""
        self._held.pop(uid, None)
        self._homes.pop(uid, None)
        self._forget(uid)

    def seen(self, uid: str) -> bool:
        """Say whether the pod was ever seen here."""
        return uid in self._homes or uid in self._gone

    def charges(self, scope: str) -> Mapping[Account, int]:
        """Return what the live pods of enforced namespaces hold, of the jurisdictions of a scope."""
        countries = countries_of(self._registry, scope, self._now())
        total: Counter[Account] = Counter()
        for held in self.held(enforced=True):
            if held.home.governing in countries:
                for key, count in held.counts:
                    total[held.home.party, key] += count
        return total

    def held(self, *, enforced: bool) -> Iterable[Held]:
        """Return what the live accelerator pods of enforced namespaces hold, or those of all others.

        The mode is today's: a namespace that becomes enforced brings its use along.
        """
        mode = self._registry.mode
        return (held for held in self._held.values() if (mode(held.namespace) is Mode.Enforce) is enforced)

    def use(self) -> Mapping[str, Counter[str]]:
        """Return what each tenant holds by class key, enforced or not; a reseller's with its customers'."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for held in self._held.values():
            for tenant in held.home.party.split("/"):
                found[tenant].update(dict(held.counts))
        return found

    def _hold(self, uid: str, pod: Pod) -> None:
        namespace = pod.metadata.namespace
        home = self._homes.get(uid) or home_of(self._registry, namespace, self._now())
        self._homes[uid] = home
        counts = _counts(pod, self._registry)
        if counts:
            self._held[uid] = Held(namespace, home, counts, bool(pod.spec.node_name))

    def _forget(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)


def _counts(pod: Pod, registry: Registry) -> tuple[tuple[str, int], ...]:
    try:
        devices = demand_of(pod, registry.inventory).devices
    except DemandError:
        return ()
    counts: Counter[str] = Counter()
    for each in devices:
        counts[each.class_key] += each.count
    return tuple(sorted(counts.items()))


def home_of(registry: Registry, namespace: str, now: datetime) -> Home:
    """Return where pods of a namespace are charged, by today's labels and Tenants."""
    requester = registry.requester(namespace)
    places = {place for party in requester.standings() for place in party.jurisdictions()}
    return Home(registry.rules(now).strictest(places), requester.party)


def countries_of(registry: Registry, scope: str, now: datetime) -> frozenset[str]:
    """Return the jurisdictions whose charges stand in a scope."""
    rules = registry.rules(now)
    countries = {scope.upper()}
    for quota in registry.every(ComputeQuota):
        if scope_of(quota) == scope:
            countries |= rules.countries(quota.spec.jurisdictions)
    return frozenset(countries)


def scopes_of(registry: Registry, now: datetime) -> frozenset[str]:
    """Return every scope in which some quota or authorization stands."""
    found = {scope_of(quota) for quota in registry.every(ComputeQuota)}
    for grant in registry.every(Authorization):
        tenant = registry.standings.get(grant.spec.tenant)
        governing = registry.rules(now).strictest(tenant.jurisdictions()) if tenant else ""
        found |= {governing.lower()} if governing else set()
    return frozenset(found)


class PodWitness:
    """Quorum reads of pods; see ``admission.ledger.census.Witness``."""

    def __init__(self, client: Client, registry: Registry, now: Callable[[], datetime], page: int = 100) -> None:
        self._client, self._registry, self._now, self._page = client, registry, now, page

    async def recount(self) -> PodCensus:
        """Count all pods by a paged list begun now."""
        census = PodCensus(self._registry, self._now)
        query = {"limit": str(self._page)}
        while True:
            page = _page.decode(await self._client.get("/api/v1/pods", query))
            for raw in page.items or ():
                census.take(_pods.decode(raw))
            census.resource_version = int(page.metadata.resource_version)
            if not page.metadata.continue_:
                return census
            query = {"limit": str(self._page), "continue": page.metadata.continue_}

    async def probe(self, namespace: str, name: str) -> str | None:
        """Return the uid of the pod of this name, or None."""
        query = {"fieldSelector": f"metadata.name={name}", "limit": "1"}
        page = _page.decode(await self._client.get(f"/api/v1/namespaces/{namespace}/pods", query))
        return _pods.decode(page.items[0]).metadata.uid if page.items else None

    async def revision(self) -> int:
        """Return the newest resourceVersion of pods."""
        page = _page.decode(await self._client.get("/api/v1/pods", {"limit": "1"}))
        return int(page.metadata.resource_version)
