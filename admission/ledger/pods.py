"""The census of pods: what the pods of a cluster hold, attributed as their reservations were.

A pod with a reservation is charged to the party and in the scopes that the reservation named, and to no fewer
devices until it is bound; then to its node's class.  A pod without one (from before the install, of an observed
namespace, or of before this process led) is attributed by today's labels as soon as they allow.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from admission.api.policy import Mode
from admission.api.quota import Authorization, ComputeQuota
from admission.cluster import wire
from admission.decide.compute import scope_of, scope_of_grant
from admission.demand.pod import demand_of
from admission.demand.reach import UNKNOWN_CLASS
from admission.demand.request import DemandError
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.cluster.client import Client
    from admission.decide.limits import Account
    from admission.decide.registry import Registry
    from admission.demand.inventory import Inventory
    from admission.ledger.state import Entry

ENDED = frozenset({"Succeeded", "Failed"})
"""Phases in which a pod holds nothing.  A deletion timestamp alone releases nothing: containers may still run."""

REMEMBERED = 100_000
"""So many uids of pods that are gone, and so many promises, are remembered."""

_pods = msgspec.json.Decoder(Pod)
_page = msgspec.json.Decoder(wire.Page)


class Promise(NamedTuple):
    """What the reservations of one pod named: its party, the charge, and the scopes they stand in."""

    party: str
    counts: tuple[tuple[str, int], ...]
    scopes: frozenset[str]


class Held(NamedTuple):
    """What a live pod holds, and where it is charged: in the scopes of its promise and of its jurisdiction."""

    namespace: str
    governing: str
    party: str
    counts: tuple[tuple[str, int], ...]
    bound: bool
    scopes: frozenset[str] = frozenset()


class PodCensus:
    """Live accelerator pods up to one resourceVersion; see ``admission.ledger.census.Census``."""

    def __init__(self, registry: Registry, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._now = now
        self._held: dict[str, Held] = {}
        self._inherited: Mapping[str, Held] = {}
        self._idle: dict[str, str] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._promises: OrderedDict[str, Promise] = OrderedDict()
        self._homeless: set[str] = set()
        self._unnamed: dict[str, Pod] = {}
        self._named_by: Inventory | None = None
        self.resource_version = 0

    def heir(self) -> PodCensus:
        """Return an empty census that attributes the pods it will see as this one does."""
        heir = PodCensus(self._registry, self._now)
        heir._inherited = self._held
        heir._promises = OrderedDict(self._promises)
        return heir

    def take(self, pod: Pod) -> None:
        """Take in a pod that exists."""
        uid = pod.metadata.uid
        if pod.status.phase in ENDED:
            self.lose(uid)
            return
        before = self._held.get(uid) or self._inherited.get(uid)
        if before is not None and (before.bound or not pod.spec.node_name):
            self._held[uid] = before
            return
        counts = self._counts(pod)
        if not counts and before is None and uid not in self._promises:
            self._idle[uid] = pod.metadata.namespace
        else:
            self._hold(uid, pod.metadata.namespace, counts, bound=bool(pod.spec.node_name))
            if _is_unnamed(self._held[uid]):
                self._unnamed[uid] = pod

    def lose(self, uid: str) -> None:
        """Take out a pod that is gone, or has ended."""
        self._held.pop(uid, None)
        self._homeless.discard(uid)
        self._unnamed.pop(uid, None)
        self._idle.pop(uid, None)
        self._promises.pop(uid, None)
        self._gone[uid] = None
        _trim(self._gone)

    def learn(self, scope: str, inflight: Mapping[str, Entry]) -> None:
        """Take note of reservations: pods are attributed as these say."""
        for uid, entry in inflight.items():
            known = self._promises.get(uid)
            scopes = (known.scopes if known else frozenset()) | {scope}
            if uid in self._gone or (known is not None and scopes == known.scopes):
                continue
            self._promises[uid] = Promise(entry.charge.party, entry.charge.counts, scopes)
            _trim(self._promises)
            held = self._held.get(uid)
            if held is not None:
                self._hold(uid, held.namespace, held.counts if held.bound else (), bound=held.bound)
            elif uid in self._idle:
                self._hold(uid, self._idle.pop(uid), (), bound=False)

    def seen(self, uid: str) -> bool:
        """Say whether the pod was ever seen here."""
        return uid in self._held or uid in self._idle or uid in self._gone

    def charges(self, scope: str) -> Mapping[Account, int]:
        """Return what the live pods hold that are charged in a scope."""
        return self._accounts(scope, enforced=True)

    def observed(self, scope: str) -> Mapping[Account, int]:
        """Return what the live pods hold that would be charged in a scope if their namespaces were enforced."""
        return self._accounts(scope, enforced=False)

    def _accounts(self, scope: str, *, enforced: bool) -> Mapping[Account, int]:
        self._settle()
        belongs = membership(self._registry, scope, self._now())
        total: Counter[Account] = Counter()
        for held in self.held(enforced=enforced):
            if scope in held.scopes or belongs(held):
                for key, count in held.counts:
                    total[held.party, key] += count
        return total

    def held(self, *, enforced: bool) -> Iterable[Held]:
        """Return what the live accelerator pods hold that count against limits, or that do not.

        Those count that have a reservation or stand in a namespace that is enforced today: one that becomes
        enforced brings its use along.
        """
        mode = self._registry.mode
        return (
            held
            for held in self._held.values()
            if (bool(held.scopes) or mode(held.namespace) is Mode.Enforce) is enforced
        )

    def use(self) -> Mapping[str, Counter[str]]:
        """Return what each party holds by class key, enforced or not."""
        self._settle()
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for held in self._held.values():
            found[held.party].update(dict(held.counts))
        return found

    def unattributed(self) -> int:
        """Return the devices of live pods, in namespaces that are not judged too, that no jurisdiction was found for.

        As the last count of a scope or of use left it.  Safe in any thread.
        """
        adrift = (held for held in tuple(self._held.values()) if not held.governing and not held.scopes)
        return sum(count for held in adrift for _, count in held.counts)

    def _hold(self, uid: str, namespace: str, counts: tuple[tuple[str, int], ...], *, bound: bool) -> None:
        promise, before = self._promises.get(uid), self._held.get(uid) or self._inherited.get(uid)
        governing, party = (before.governing, before.party) if before else self._home(namespace)
        if promise is not None and (not bound or not counts):
            counts = promise.counts
        self._held[uid] = Held(
            namespace=namespace,
            governing=governing,
            party=promise.party if promise else party,
            counts=counts or (before.counts if before else ()),
            bound=bound,
            scopes=promise.scopes if promise else frozenset(),
        )
        if promise is None and not governing:
            self._homeless.add(uid)

    def _settle(self) -> None:
        """Attribute and name what could not be when it was first seen; what was once found stays.

        So a namespace that is bound to a tenant, and a pool that is declared, bring along what runs there already.
        """
        homes: dict[str, tuple[str, str]] = {}
        for uid in tuple(self._homeless):
            held = self._held[uid]
            if held.namespace not in homes:
                homes[held.namespace] = self._home(held.namespace)
            governing, party = homes[held.namespace]
            if held.scopes or governing:
                self._homeless.discard(uid)
            if not held.scopes:
                self._held[uid] = held._replace(governing=governing, party=party)
        if self._unnamed and self._registry.inventory is not self._named_by:
            self._named_by = self._registry.inventory
            self._name()

    def _name(self) -> None:
        for uid, pod in tuple(self._unnamed.items()):
            held = self._held[uid]
            if not held.scopes:
                self._held[uid] = held = held._replace(counts=self._counts(pod))
            if not _is_unnamed(held):
                del self._unnamed[uid]

    def _home(self, namespace: str) -> tuple[str, str]:
        """The governing jurisdiction and the party of a namespace, by today's labels and Tenants."""
        requester = self._registry.requester(namespace)
        places = {place for party in requester.standings() for place in party.jurisdictions()}
        return self._registry.rules(self._now()).strictest(places), requester.party

    def _counts(self, pod: Pod) -> tuple[tuple[str, int], ...]:
        """Devices by class key, as today's nodes and pools have it; nothing for a pod that cannot be read."""
        try:
            devices = demand_of(pod, self._registry.inventory).devices
        except DemandError:
            return ()
        counts: Counter[str] = Counter()
        for each in devices:
            counts[each.class_key] += each.count
        return tuple(sorted(counts.items()))


def _trim(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _is_unnamed(held: Held) -> bool:
    return any(UNKNOWN_CLASS in key.split("|") for key, _ in held.counts)


def membership(registry: Registry, scope: str, now: datetime) -> Callable[[Held], bool]:
    """Return what tells whether a pod without a reservation is charged in a scope: by jurisdiction, or by grant."""
    for grant in registry.every(Authorization):
        if scope_of_grant(grant) == scope:
            tenant = grant.spec.tenant
            return lambda held: tenant in held.party.split("/")
    rules = registry.rules(now)
    countries = {scope}
    for quota in registry.every(ComputeQuota):
        if scope_of(quota) == scope:
            countries |= rules.countries(quota.spec.jurisdictions)
    return lambda held: held.governing in countries


def scopes_of(registry: Registry) -> frozenset[str]:
    """Return every scope in which some quota or authorization stands."""
    return frozenset(
        {*map(scope_of, registry.every(ComputeQuota)), *map(scope_of_grant, registry.every(Authorization))}
    )


class PodWitness:
    """Quorum reads of pods; see ``admission.ledger.census.Witness``."""

    def __init__(self, client: Client, census: PodCensus, page: int = 100) -> None:
        self._client, self._census, self._page = client, census, page

    async def recount(self) -> PodCensus:
        """Count all pods by a paged list begun now, attributed as the census of the watch has them."""
        census = self._census.heir()
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
