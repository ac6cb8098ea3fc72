"""A cluster in which tenants and namespaces move while leaders change and lag, under the hand of Hypothesis.

The census, the folds and the writer of records are the real ones.  Each pod holds a power of two of devices, so that a
sum tells which pods are in it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from admission.api.policy import Mode
from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.cluster.client import ApiError
from admission.decide.compute import scope_of
from admission.decide.limits import Charge
from admission.decide.registry import Registry
from admission.demand.inventory import Node
from admission.enforce.charged import ChargedWriter
from admission.ledger.fold import fold
from admission.ledger.homes import FINALIZER, ChargedTenant, computes
from admission.ledger.hours import UNTIMED
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, State
from admission.ledger.store import Snapshot
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
COUNTRIES = ("DE", "SG")
TENANTS = ("acme", "rival")
SUPPLIERS = ("kumo", "neko")
NAMESPACES = ("team", "lab")
LEADERS = (0, 1)
QUIET = 2
"""Rounds without a change after which nothing more will come: an emptied namespace is kept for one."""

H100 = "h100-sxm"
PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
QUOTAS = tuple(
    ComputeQuota.model_validate(
        {"metadata": {"name": name}, "spec": {"jurisdictions": list(where), "limits": {"devices": 8}}}
    )
    for name, where in (("de", ("DE",)), ("sg", ("SG",)), ("both", COUNTRIES), ("some", ("DE", "FR")))
)
SCOPES = tuple(sorted(map(scope_of, QUOTAS)))


class Cluster:
    """Objects, a log of their versions, and ledgers that are written by compare-and-swap."""

    def __init__(self) -> None:
        self.now = NOW
        self.terms = UNTIMED
        self.revision = 1
        self.log: list[tuple[int, str, Any]] = []
        self.pods: dict[str, Pod] = {}
        self.tenants: dict[str, dict[str, Any]] = {}
        self.ledgers = dict.fromkeys(SCOPES, State(initialized=True))

    def note(self, what: str, found: Any) -> int:
        self.revision += 1
        self.log.append((self.revision, what, found))
        return self.revision

    def store(self, tenant: dict[str, Any]) -> ChargedTenant:
        name = tenant["metadata"]["name"]
        tenant["metadata"]["resourceVersion"] = str(self.revision + 1)
        self.tenants[name] = tenant
        found = msgspec.convert(tenant, ChargedTenant)
        self.note("tenant", found)
        return found

    # -- what the writer calls ----------------------------------------------------------------

    async def merge_patch(self, path: str, body: bytes) -> bytes:
        name, _, status = path.partition("/tenants/")[2].partition("/")
        patch, tenant = msgspec.json.decode(body), self.tenants[name]
        if patch["metadata"]["resourceVersion"] != tenant["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", name)
        changed = {"metadata": dict(tenant["metadata"]), "status": dict(tenant["status"])}
        if status:
            changed["status"] |= patch["status"]
        else:
            changed["metadata"]["finalizers"] = patch["metadata"]["finalizers"]
        self.store(changed)
        return msgspec.json.encode(changed)

    def scopes(self) -> Collection[str]:
        return self.ledgers.keys()

    async def read(self, scope: str, _timeout: float) -> Snapshot:
        return Snapshot(1, self.ledgers[scope])


class Ledgers:
    """The ledgers as a leader has them: those that it has seen, and the newest where it asks for them."""

    def __init__(self, cluster: Cluster) -> None:
        self._seen = dict(cluster.ledgers)
        self.scopes, self.read = cluster.scopes, cluster.read

    def see(self, ledgers: Mapping[str, State]) -> None:
        self._seen.update(ledgers)

    def cached(self, scope: str) -> Snapshot | None:
        return Snapshot(1, self._seen[scope])


class Leader:
    """A census and ledgers up to some point of the log, and the writer of records beside it."""

    def __init__(self, cluster: Cluster, registry: Registry) -> None:
        self._cluster = cluster
        self._census = PodCensus(registry, lambda: cluster.now)
        self._at = len(cluster.log)
        for tenant in cluster.tenants.values():
            self._census.charging.homes.take(msgspec.convert(tenant, ChargedTenant))
        for pod in cluster.pods.values():
            self._census.take(pod)
        self._seen(cluster.revision)
        self._clock = 0.0
        self._ledgers = Ledgers(cluster)
        self._writer = ChargedWriter(cluster, self.census, self._ledgers, lambda: self._clock)  # type: ignore[arg-type]

    def census(self) -> PodCensus:
        for scope, state in self._cluster.ledgers.items():
            self._census.learn(scope, state.inflight)
        return self._census

    def follow(self, events: int) -> None:
        self._ledgers.see(self._cluster.ledgers)
        for revision, what, found in self._cluster.log[self._at :][:events]:
            self._at += 1
            match what:
                case "pod":
                    self._census.take(found)
                case "gone":
                    self._census.lose(found, revision)
                case "tenant":
                    self._census.charging.homes.take(found)
            self._seen(revision)

    def _seen(self, revision: int) -> None:
        self._census.resource_version = self._census.claims_version = self._census.charging.homes.version = revision

    def fold(self, scope: str) -> bool:
        cluster = self._cluster
        now = int(cluster.now.timestamp())
        state = fold(cluster.ledgers[scope], scope, self.census(), (), terms=cluster.terms, now=now)
        if state is not None:
            self._cluster.ledgers[scope] = state
        return state is not None

    def write(self) -> None:
        self._clock += 60
        asyncio.run(self._writer.round())


class Moves(RuleBasedStateMachine):
    """Two leaders at once, each as old as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.registry = Registry(Catalogue.builtin(), default_mode=Mode.Enforce)
        self.registry.put_node(Node("n", PRODUCT, resources=frozenset({"nvidia.com/gpu"})))
        for quota in QUOTAS:
            self.registry.put(quota)
        for name in SUPPLIERS:
            self.registry.put(_tenant(name, "DE", kind="Reseller"))
        for name in TENANTS:
            self.govern(name, "DE", None)
            self.cluster.store({"metadata": {"name": name, "finalizers": ["other"]}, "status": {}})
        for name in NAMESPACES:
            self.registry.put_namespace(name, {"computegate.io/tenant": "acme"})
        self.owners: dict[str, str] = {}
        self.reserved: dict[str, set[str]] = {}
        self.made = 0

    @initialize()
    def begin(self) -> None:
        self.leaders = [Leader(self.cluster, self.registry) for _ in LEADERS]

    @rule(where=st.sampled_from(NAMESPACES), bound=st.booleans())
    @precondition(lambda self: self.made < 24)
    def create(self, where: str, bound: bool) -> None:
        requester = self.registry.requester(where)
        if requester.tenant is None:
            return
        uid, devices = f"u{self.made}", 1 << self.made
        self.made += 1
        places = requester.charged | {self.registry.rules(NOW).strictest(_places(requester))}
        seconds = self.lasts()
        group = requester.group if seconds else ""
        charge = Charge(requester.party, ((H100, devices),), seconds=seconds, group=group)
        for quota in QUOTAS:
            if not places.isdisjoint({*quota.spec.jurisdictions, scope_of(quota)}):
                scope = scope_of(quota)
                state = self.cluster.ledgers[scope]
                entry = Entry(uid, where, uid, charge, int(self.cluster.now.timestamp()), "")
                self.cluster.ledgers[scope] = dataclasses.replace(state, inflight={**state.inflight, uid: entry})
        self.owners[uid] = requester.tenant_name
        self.reserved[uid] = {scope for scope in SCOPES if uid in self.cluster.ledgers[scope].inflight}
        pod = self._pod(uid, where, devices, seconds=charge.seconds, node="n" if bound else "")
        self.cluster.pods[uid] = pod
        self.cluster.note("pod", pod)

    def lasts(self) -> int:
        """Return for how many seconds the next pod may run; 0 where nothing bounds it."""
        return 0

    def _pod(self, uid: str, where: str, devices: int, *, seconds: int, node: str) -> Pod:
        resources = {"limits": {"nvidia.com/gpu": str(devices)}}
        spec: dict[str, Any] = {"containers": [{"name": "c", "resources": resources}]}
        spec |= {"activeDeadlineSeconds": seconds} if seconds else {}
        given = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.cluster.now.isoformat()}
        status: dict[str, Any] = {"phase": "Pending"}
        if node:
            spec, status = {**spec, "nodeName": node}, {**status, "conditions": [given]}
        metadata = {"uid": uid, "namespace": where, "name": uid, "resourceVersion": str(self.cluster.revision + 1)}
        return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Pod)

    @rule(data=st.data())
    @precondition(lambda self: self.cluster.pods)
    def end(self, data: st.DataObject) -> None:
        self.finish(data.draw(st.sampled_from(sorted(self.cluster.pods))))

    def finish(self, uid: str) -> None:
        """Let a pod be gone."""
        del self.cluster.pods[uid], self.owners[uid]
        self.cluster.note("gone", uid)

    @rule(where=st.sampled_from(NAMESPACES), name=st.sampled_from(["", *TENANTS]))
    def relabel(self, where: str, name: str) -> None:
        self.registry.put_namespace(where, {"computegate.io/tenant": name} if name else {})

    @rule(
        name=st.sampled_from(TENANTS),
        country=st.sampled_from(COUNTRIES),
        supplier=st.none() | st.sampled_from(SUPPLIERS),
    )
    def govern(self, name: str, country: str, supplier: str | None) -> None:
        self.registry.put(_tenant(name, country, self.cluster.tenants.get(name), suppliedBy=supplier))

    @rule(leader=st.sampled_from(LEADERS), events=st.integers(1, 40))
    def follow(self, leader: int, events: int) -> None:
        self.leaders[leader].follow(events)

    @rule(leader=st.sampled_from(LEADERS), scope=st.sampled_from(SCOPES))
    def fold(self, leader: int, scope: str) -> None:
        self.leaders[leader].fold(scope)

    @rule(leader=st.sampled_from(LEADERS))
    def write(self, leader: int) -> None:
        self.leaders[leader].write()
        self._show()

    @rule(leader=st.sampled_from(LEADERS))
    def turn(self, leader: int) -> None:
        """Do all that a leader does in one round, with all that there is to see."""
        self.leaders[leader].follow(1000)
        self.write(leader)
        self.leaders[leader].follow(1000)
        for scope in SCOPES:
            self.leaders[leader].fold(scope)

    @rule(leader=st.sampled_from(LEADERS))
    def fail_over(self, leader: int) -> None:
        self.leaders[leader] = Leader(self.cluster, self.registry)

    @invariant()
    def what_lives_is_counted(self) -> None:
        missing = {uid: owner for uid, owner in self.owners.items() if not self.scopes_of(uid, owner)}
        assert missing == {}

    def teardown(self) -> None:
        self._settle()
        for uid, owner in self.owners.items():
            assert self.scopes_of(uid, owner) in self._homes(uid, owner)
        for name, tenant in self.cluster.tenants.items():
            holds = any(
                owner == name and any(_sum(state, name) >> int(uid[1:]) & 1 for state in self.cluster.ledgers.values())
                for uid, owner in self.owners.items()
            )
            told = [each["name"] for each in tenant["status"].get("namespaces", ())]
            assert told if holds else all(self.recorded(where) != [name] for where in told)
            assert tenant["metadata"]["finalizers"] == ["other", *([FINALIZER] if told else [])]

    def _settle(self) -> None:
        """One leader goes on alone; nothing else happens."""
        leader, quiet = Leader(self.cluster, self.registry), 0
        for _ in range(30):
            before = len(self.cluster.log), dict(self.cluster.ledgers)
            leader.write()
            self._show()
            leader.follow(1000)
            for scope in SCOPES:
                leader.fold(scope)
            quiet = quiet + 1 if before == (len(self.cluster.log), self.cluster.ledgers) else 0
            if quiet == QUIET:
                return
        raise AssertionError("it never comes to rest")

    def charged_to(self, name: str) -> set[str]:
        """Return where a Tenant's record says that it is charged."""
        record = self.cluster.tenants[name]["status"].get("chargedTo", [])
        return {place for each in record for place in each["jurisdictions"]}

    def recorded(self, where: str) -> list[str]:
        """Return the Tenants whose records name a namespace."""
        records = {name: tenant["status"].get("namespaces", []) for name, tenant in self.cluster.tenants.items()}
        return sorted(name for name, each in records.items() if where in [namespace["name"] for namespace in each])

    def _show(self) -> None:
        """Let the replicas see the records."""
        for name in TENANTS:
            spec = self.registry.standings[name].tenant.spec
            self.govern(name, str(spec.headquarters), spec.supplied_by)

    def scopes_of(self, uid: str, owner: str) -> set[str]:
        """The ledgers in which a pod is counted on an account of its owner."""
        devices = 1 << int(uid[1:])
        return {
            scope
            for scope in SCOPES
            if uid in self.cluster.ledgers[scope].inflight or devices & _sum(self.cluster.ledgers[scope], owner)
        }

    def _homes(self, uid: str, owner: str) -> list[set[str]]:
        """The ledgers that may count a pod: of where its tenant is governed today, if its namespace still says so.

        In a namespace that is recorded for another alone, those in which it was reserved.
        """
        where = self.cluster.pods[uid].metadata.namespace
        if owner not in self.recorded(where):
            return [self.reserved[uid]]
        countries: Collection[str] = COUNTRIES
        if self.registry.namespaces[where].get("computegate.io/tenant") == owner:
            countries = {self.registry.rules(NOW).strictest(_places(self.registry.requester(where)))}
        return [{scope_of(quota) for quota in QUOTAS if each in quota.spec.jurisdictions} for each in countries]


def _sum(state: State, owner: str) -> int:
    found = 0
    for (party, _), count in state.used.items():
        found |= count if computes(party) == owner else 0
    return found


def _places(requester: Any) -> set[str]:
    return {place for standing in requester.standings for place in standing.jurisdictions()}


def _tenant(name: str, country: str, stored: dict[str, Any] | None = None, **spec: Any) -> Tenant:
    facts = {"legalName": name, "kind": "Company", "headquarters": country, "independent": True, **spec}
    status = (stored or {}).get("status", {})
    return Tenant.model_validate({"metadata": {"name": name}, "spec": facts, "status": status})
