"""Moves of tenants and namespaces, leaders that change and lag: what lives is counted, in the end once and at home.

Each pod holds a power of two of devices, so that a sum tells which pods are in it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
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
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, State
from admission.ledger.store import Snapshot
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Collection

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

    def cached(self, scope: str) -> Snapshot | None:
        return Snapshot(1, self.ledgers[scope])


class Leader:
    """A census up to some point of the log, and the writer of records beside it."""

    def __init__(self, cluster: Cluster, registry: Registry) -> None:
        self._cluster = cluster
        self._census = PodCensus(registry, lambda: NOW)
        self._at = len(cluster.log)
        for tenant in cluster.tenants.values():
            self._census.charging.homes.take(msgspec.convert(tenant, ChargedTenant))
        for pod in cluster.pods.values():
            self._census.take(pod)
        self._seen(cluster.revision)
        self._clock = 0.0
        self._writer = ChargedWriter(cluster, self.census, cluster, lambda: self._clock)  # type: ignore[arg-type]

    def census(self) -> PodCensus:
        for scope, state in self._cluster.ledgers.items():
            self._census.learn(scope, state.inflight)
        return self._census

    def follow(self, events: int) -> None:
        for revision, what, found in self._cluster.log[self._at :][:events]:
            self._at += 1
            match what:
                case "pod":
                    self._census.take(found)
                case "gone":
                    self._census.lose(found)
                case "tenant":
                    self._census.charging.homes.take(found)
            self._seen(revision)

    def _seen(self, revision: int) -> None:
        self._census.resource_version = self._census.claims_version = self._census.charging.homes.version = revision

    def fold(self, scope: str) -> bool:
        state = fold(self._cluster.ledgers[scope], scope, self.census(), ())
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
        charge = Charge(requester.party, ((H100, devices),))
        for quota in QUOTAS:
            if not places.isdisjoint({*quota.spec.jurisdictions, scope_of(quota)}):
                scope = scope_of(quota)
                state = self.cluster.ledgers[scope]
                entry = Entry(uid, where, uid, charge, 0, "")
                self.cluster.ledgers[scope] = dataclasses.replace(state, inflight={**state.inflight, uid: entry})
        self.owners[uid] = requester.tenant_name
        pod = _pod(uid, where, devices, self.cluster.revision + 1, node="n" if bound else "")
        self.cluster.pods[uid] = pod
        self.cluster.note("pod", pod)

    @rule(data=st.data())
    @precondition(lambda self: self.cluster.pods)
    def end(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.cluster.pods)))
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
        missing = {uid: owner for uid, owner in self.owners.items() if not self._scopes_of(uid, owner)}
        assert missing == {}

    def teardown(self) -> None:
        self._settle()
        for uid, owner in self.owners.items():
            assert self._scopes_of(uid, owner) in self._homes(uid, owner)
        for name, tenant in self.cluster.tenants.items():
            holds = any(
                owner == name and any(_sum(state, name) >> int(uid[1:]) & 1 for state in self.cluster.ledgers.values())
                for uid, owner in self.owners.items()
            )
            assert bool(tenant["status"].get("namespaces")) is holds
            assert tenant["metadata"]["finalizers"] == ["other", *([FINALIZER] if holds else [])]

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

    def _show(self) -> None:
        """Let the replicas see the records."""
        for name in TENANTS:
            spec = self.registry.standings[name].tenant.spec
            self.govern(name, str(spec.headquarters), spec.supplied_by)

    def _scopes_of(self, uid: str, owner: str) -> set[str]:
        """The ledgers in which a pod is counted on an account of its owner."""
        devices = 1 << int(uid[1:])
        return {
            scope
            for scope in SCOPES
            if uid in self.cluster.ledgers[scope].inflight or devices & _sum(self.cluster.ledgers[scope], owner)
        }

    def _homes(self, uid: str, owner: str) -> list[set[str]]:
        """The ledgers that may count a pod: of where its tenant is governed today, if its namespace still says so."""
        where = self.cluster.pods[uid].metadata.namespace
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
    return {place for standing in requester.standings() for place in standing.jurisdictions()}


def _tenant(name: str, country: str, stored: dict[str, Any] | None = None, **spec: Any) -> Tenant:
    facts = {"legalName": name, "kind": "Company", "headquarters": country, "independent": True, **spec}
    status = (stored or {}).get("status", {})
    return Tenant.model_validate({"metadata": {"name": name}, "spec": facts, "status": status})


def _pod(uid: str, where: str, devices: int, version: int, *, node: str) -> Pod:
    spec: dict[str, Any] = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": str(devices)}}}]}
    spec |= {"nodeName": node} if node else {}
    metadata = {"uid": uid, "namespace": where, "name": uid, "resourceVersion": str(version)}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}, Pod)


TestMoves = Moves.TestCase
TestMoves.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def moves() -> Moves:
    """A cluster with one pod of acme, governed by DE, in the namespace ``team``, that nobody has folded."""
    found = Moves()
    found.begin()
    found.create(where="team", bound=True)
    for leader in LEADERS:
        found.follow(leader, 100)
    return found


def test_a_reservation_stays_until_a_record_that_cannot_vanish_says_the_same(moves: Moves) -> None:
    for _ in range(2):
        moves.fold(0, "DE")
        assert "u0" in moves.cluster.ledgers["DE"].inflight
        moves.write(0)  # seen by nobody yet
    for tenant in moves.cluster.tenants.values():
        moves.cluster.store({**tenant, "metadata": {**tenant["metadata"], "finalizers": []}})
    moves.follow(0, 100)
    moves.fold(0, "DE")
    assert "u0" in moves.cluster.ledgers["DE"].inflight
    moves.turn(0)
    assert moves.cluster.ledgers["DE"].inflight == {}


def test_a_record_names_the_new_home_alone_when_its_ledgers_have_all(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "SG", None)
    moves.write(0)
    for _ in range(3):
        assert moves.charged_to("acme") == {"DE", "SG"}
        moves.follow(0, 100)
        moves.write(0)
    moves.turn(0)
    moves.turn(0)
    assert moves.charged_to("acme") == {"SG"}
    moves.turn(0)
    assert (moves.cluster.ledgers["DE"].used, moves.cluster.ledgers["SG"].used) == ({}, {("acme", H100): 1})


def test_a_ledger_that_a_move_concerns_notes_its_record_though_the_count_stays_the_same(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "SG", None)
    moves.write(0)
    moves.follow(0, 100)
    moves.fold(0, "SG")
    counted = moves.cluster.ledgers["SG"]
    moves.cluster.ledgers["SG"] = dataclasses.replace(counted, observed_tenants=0)
    assert moves.leaders[0].fold("SG")
    assert moves.cluster.ledgers["SG"] == counted
    assert not moves.leaders[0].fold("SG")


def test_what_a_tenant_holds_under_two_names_comes_under_the_one_of_today_where_no_label_tells(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "DE", "kumo")
    moves.create(where="team", bound=True)
    moves.relabel("team", "")
    for _ in range(4):
        moves.turn(0)
    assert moves.cluster.ledgers["DE"].used == {("kumo/acme", H100): 3}


def test_a_leader_with_an_older_record_folds_nothing_that_was_folded_by_a_newer_one(moves: Moves) -> None:
    moves.turn(0)
    moves.follow(1, 100)
    moves.govern("acme", "SG", None)
    for _ in range(4):
        moves.turn(0)
    moved = dict(moves.cluster.ledgers)
    for scope in SCOPES:
        moves.fold(1, scope)
    assert moves.cluster.ledgers == moved
    assert moved["SG"].used == {("acme", H100): 1}


def test_what_two_tenants_started_in_a_namespace_is_told_apart_by_whoever_leads(moves: Moves) -> None:
    moves.turn(0)
    moves.relabel("team", "")
    moves.relabel("team", "rival")
    moves.create(where="team", bound=True)
    for leader in (0, 1, 0):
        moves.fail_over(leader)
        moves.turn(leader)
        state = moves.cluster.ledgers["DE"]
        assert (state.used, {entry.charge.party for entry in state.inflight.values()}) == (
            {("acme", H100): 1},
            {"rival"},
        )
