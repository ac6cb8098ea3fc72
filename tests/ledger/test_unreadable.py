"""What exists and cannot be read: the rest is counted, and nothing is released for which it may stand."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.cli.upkeep import Upkeep
from admission.cluster.change import Added, Deleted, Event, Malformed
from admission.cluster.events import Events
from admission.decide.limits import Charge
from admission.demand.inventory import Node
from admission.ledger.fold import fold, follows
from admission.ledger.homes import ChargedTenant
from admission.ledger.hours import Terms
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.ledger.objects import ObjectStore
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, Hold, Hours, State
from admission.ledger.store import Failed
from admission.ledger.witness import ClusterWitness
from admission.server.settings import Settings
from tests.enforce.judging import judging_of
from tests.ledger.simulation import Watch
from tests.ledger.test_pods import H100, registry
from tests.ledger.test_pods import pod as readable
from tests.ledger.test_reconciler import ACCOUNT, Scene, entry, pod, stage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from admission.decide.registry import Registry
    from admission.review.pod import Pod

__all__ = ["registry"]

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PODS, TENANTS = "/api/v1/pods", "/apis/computegate.io/v1alpha1/tenants"
BAD = {"containers": "none that a list could hold"}
HELD = ("acme", "h100-sxm")


class Listed:
    """An API server with these objects, whatever they look like."""

    def __init__(self, **objects: list[Any]) -> None:
        self._objects = objects

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        found = self._objects.get(path.rpartition("/")[2], [])
        name = (query or {}).get("fieldSelector", "").partition("=")[2]
        items = [each for each in found if name in ("", each["metadata"]["name"])]
        return msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": items})


def raw(uid: str, namespace: str = "team", spec: Any = BAD) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "namespace": namespace, "name": uid}, "spec": spec, "status": {}}


def good(uid: str) -> dict[str, Any]:
    limits = {"limits": {"nvidia.com/gpu": "4"}}
    return raw(uid, spec={"nodeName": H100, "containers": [{"name": "c", "resources": limits}]})


def counted(census: PodCensus, **objects: list[Any]) -> PodCensus:
    return asyncio.run(ClusterWitness(Listed(**objects), census).recount())  # type: ignore[arg-type]  # what is used of it


def test_a_recount_goes_on_past_what_it_cannot_read_which_holds_what_it_was_known_to_hold(registry: Registry) -> None:
    watch = PodCensus(registry, lambda: NOW)
    for uid, gpus in (("known", 4), ("idle", 0)):
        watch.take(readable(uid, node=H100, gpus=gpus))
    found = counted(watch, pods=[raw("known"), raw("idle"), good("other")])
    assert (found.charges("DE"), found.unreadable("DE"), found.unread()) == ({HELD: 8}, [], 0)


@pytest.mark.parametrize("resource", ["pods", "resourceclaims"])
def test_what_nobody_knows_is_told_of_where_it_may_be_charged_and_nowhere_else(
    registry: Registry, resource: str
) -> None:
    objects = {"pods": [good("other")]}
    objects[resource] = [*objects.get(resource, []), raw("bad", spec="unheard of"), raw("stray", "nobodys", "likewise")]
    found = counted(PodCensus(registry, lambda: NOW), **objects)
    assert found.charges("DE") == {HELD: 4}
    assert (list(found.unreadable("DE")), list(found.unreadable("SG"))) == ([f"{resource} team/bad"], [])
    assert found.unread() == 2


def test_a_claim_that_is_nested_deeply_keeps_nothing_from_being_counted(registry: Registry) -> None:
    deep = {"devices": {"config": [{"opaque": {"parameters": msgspec.Raw(b"[" * 5_000 + b"]" * 5_000)}}]}}
    found = counted(PodCensus(registry, lambda: NOW), pods=[good("other")], resourceclaims=[raw("deep", spec=deep)])
    assert (found.charges("DE"), found.unread()) == ({HELD: 4}, 0)


def test_it_may_be_charged_where_the_record_of_its_namespace_says_and_where_todays_label_does(
    registry: Registry,
) -> None:
    record = {
        "chargedTo": [{"party": "acme", "jurisdictions": ["SG"]}],
        "namespaces": [{"name": "team", "parties": ["acme"]}],
    }
    census = PodCensus(registry, lambda: NOW)
    census.charging.homes.take(msgspec.convert({"metadata": {"name": "acme"}, "status": record}, ChargedTenant))
    census.doubt("pods", "team/bad")
    assert [list(census.unreadable(scope)) for scope in ("DE", "SG")] == [["pods team/bad"]] * 2
    census.clear("pods", "team/bad")
    assert [list(census.unreadable(scope)) for scope in ("DE", "SG")] == [[], []]


def test_a_record_that_cannot_be_read_stands_as_it_was_known_and_without_that_there_is_no_count(
    registry: Registry,
) -> None:
    told = {"metadata": {"name": "acme", "resourceVersion": "5"}, "status": {"chargedTo": "nobody knows where"}}
    watch = PodCensus(registry, lambda: NOW)
    with pytest.raises(KeyError):
        counted(watch, tenants=[told])
    record = {
        "chargedTo": [{"party": "acme", "jurisdictions": ["SG"]}],
        "namespaces": [{"name": "team", "parties": ["acme"]}],
    }
    watch.charging.homes.take(msgspec.convert({**told, "status": record}, ChargedTenant))
    found = counted(watch, pods=[good("u1")], tenants=[told])
    assert (found.charges("SG"), found.charges("DE")) == ({HELD: 4}, {})


@pytest.mark.parametrize(("uid", "there"), [("u1", True), ("u2", False)])
def test_the_pod_of_an_entry_is_there_though_it_cannot_be_read(registry: Registry, uid: str, there: bool) -> None:
    reads = ClusterWitness(Listed(pods=[raw("u1")]), PodCensus(registry, lambda: NOW))  # type: ignore[arg-type]  # likewise
    assert asyncio.run(reads.probe(Entry(uid, "team", "u1", Charge("acme", ()), 0, ""))) is there


class Blind(Watch):
    """A census that cannot read all that there is in one scope."""

    blind = "CN"

    def unreadable(self, scope: str) -> Collection[str]:
        return ["pods ns/bad"] if scope == self.blind else []


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param(9, 9, id="not lowered: what cannot be read may be in it"),
        pytest.param(1, 4, id="raised: what can be read is there besides"),
    ],
)
def test_a_fold_that_cannot_read_all_only_raises_and_keeps_what_was_promised(used: int, expected: int) -> None:
    async def play(scene: Scene) -> None:
        for uid in ("u1", "u2", "u3"):
            scene.exist(pod(uid))
        census = Blind(scene.server)
        state = State(0, True, 0, {ACCOUNT: used}, {each: entry(each) for each in ("u1", "absent")})
        after = fold(state, "CN", census, {"absent"})
        assert after is not None
        assert (after.used, set(after.inflight)) == ({ACCOUNT: expected}, {"u1"})
        assert not follows(after, "CN", census)
        census.blind = ""
        seen = fold(after, "CN", census, ())
        assert seen is not None
        assert (seen.used, seen.inflight) == ({ACCOUNT: 6}, {})

    stage(play)


def test_a_hold_that_goes_on_does_not_end_while_its_pod_may_be_one_that_nobody_can_read() -> None:
    terms = Terms(gap=60)

    async def play(scene: Scene) -> None:
        holds = {("acme", "h100"): Hold(5), ("rival", "h100"): Hold(5, until=1_000)}
        state = State(0, True, 9, {ACCOUNT: 2}, hours=Hours(holds=holds))
        census = Blind(scene.server)
        census.resource_version = 9
        blind = fold(state, "CN", census, (), terms=terms, now=2_000)
        assert blind is not None
        assert (blind.used, blind.hours.holds) == ({ACCOUNT: 2}, {("acme", "h100"): Hold(5)})
        census.blind = ""
        seen = fold(blind, "CN", census, (), terms=terms, now=2_000)
        assert seen is not None
        assert (seen.used, seen.hours.holds) == ({}, {("acme", "h100"): Hold(5, until=2_000)})

    stage(play)


def test_nothing_moves_on_the_word_of_a_ledger_that_may_lack_what_nobody_can_read() -> None:
    async def play(scene: Scene) -> None:
        census = Blind(scene.server)
        assert [follows(State(initialized=True), scope, census) for scope in ("CN", "SG")] == [False, True]

    stage(play)


def test_the_watch_tells_of_what_it_never_could_read_until_it_can_or_is_gone(registry: Registry) -> None:
    async def play() -> None:
        client: Any = Listed()
        upkeep = Upkeep(
            client,
            registry,
            Ledger(MemoryStore(initialized=True)),
            ObjectStore(client),
            allowances={},
            settings=Settings(),
            events=Events(client, "test", now=lambda: NOW),
            now=lambda: NOW,
            record=lambda _: asyncio.get_running_loop().create_future(),
            judging=judging_of(client, registry, Ledger(MemoryStore(initialized=True))),
        )
        known = readable("known", node=H100)
        happenings: list[tuple[Event[Pod], int]] = [
            (Malformed("team/bad", "unheard of", None), 1),
            (Added("team/known", known), 1),
            (Malformed("team/known", "unheard of", known), 1),
            (Malformed("team/known", "still", None), 1),
            (Added("team/bad", readable("bad")), 0),
            (Malformed("team/stray", "unheard of", None), 1),
            (Deleted("team/stray", None, 7), 0),
            (Deleted("team/known", None, 8), 0),
            (Malformed("team/known", "another of that name", None), 1),
        ]
        for event, unread in happenings:
            upkeep._watch._on_pod(event)
            assert upkeep.unread() == unread, event

    asyncio.run(play())


def test_a_ledger_is_not_counted_from_nothing_while_it_may_have_to_count_what_nobody_can_read() -> None:
    async def play(scene: Scene) -> None:
        reads = Blind(scene.server)

        async def recount() -> Watch:
            reads.__init__(scene.server)  # type: ignore[misc]  # as a list begun now
            return reads

        scene.reads.recount = recount  # type: ignore[method-assign]  # what cannot be read is no part of the simulation
        await scene.put(initialized=False)
        await scene.store.read("SG", 1)
        scene.exist(pod("u1"))
        await scene.go_on(100)
        assert not scene.state.initialized
        other = scene.server.state("SG")
        assert other is not None
        assert other.initialized
        reads.blind = ""
        await scene.go_on(100)
        assert (scene.state.initialized, scene.state.used) == (True, {ACCOUNT: 2})

    stage(play)


def test_a_ledger_that_fails_keeps_no_other_from_its_recount(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(scene: Scene) -> None:
        read = scene.store.read

        async def failing(scope: str, timeout: float) -> Any:  # noqa: ASYNC109 (the store's)
            if scope == "AA":
                raise Failed("AA: refused")
            return await read(scope, timeout)

        for scope in ("AA", "CN"):
            await scene.store.read(scope, 1)
        await scene.put()
        scene.exist(pod("u1"))
        monkeypatch.setattr(scene.store, "read", failing)
        await scene.keeper.audit()
        assert list(scene.store.scopes()) == ["AA", "CN"]
        assert scene.state.used == {ACCOUNT: 2}
        assert (scene.keeper.work.failures, scene.keeper.work.uncounted) == (1, {"CN": {"acme": 2}})

    stage(play)


def misread(uid: str = "bad", *, node: str = H100) -> Pod:
    """Return a pod that asks for four GPUs, and a share of a number of others that is none."""
    made = readable(uid, node=node)
    annotations = {"gpu-fraction-num-devices": "abc"}
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, annotations=annotations))


@pytest.mark.parametrize("bound", ["", H100])
def test_a_pod_whose_request_cannot_be_read_any_more_holds_what_it_held(registry: Registry, bound: str) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(readable("bad", node=bound))
    held = census.charges("DE")
    census.take(misread())
    assert (census.charges("DE"), census.unread()) == (held, 0)
    heir = census.heir()
    heir.take(misread())
    assert (heir.charges("DE"), heir.unread()) == (held, 0)


def test_a_pod_whose_request_cannot_be_read_holds_what_was_promised_for_it(registry: Registry) -> None:
    promised = {"bad": Entry("bad", "team", "bad", Charge("acme", (("h100-sxm", 4),)), 0, "")}
    early, late = PodCensus(registry, lambda: NOW), PodCensus(registry, lambda: NOW)
    early.learn("DE", promised)
    early.take(misread())
    late.take(misread())
    late.learn("DE", promised)
    for census in (early, late):
        assert (census.charges("DE"), census.unread()) == ({HELD: 4}, 0)


def test_a_pod_whose_request_never_could_be_read_holds_nobody_knows_what_until_it_can_or_is_gone(
    registry: Registry,
) -> None:
    census = PodCensus(registry, lambda: NOW)
    for _ in range(2):
        census.clear("pods", "team/bad")
        census.take(misread())
        assert (census.charges("DE"), list(census.unreadable("DE"))) == ({}, ["pods team/bad"])
    census.clear("pods", "team/bad")
    census.take(readable("bad", node=H100))
    assert (census.charges("DE"), census.unread()) == ({HELD: 4}, 0)


def test_a_pod_that_was_known_to_hold_nothing_holds_nothing_when_it_cannot_be_read(registry: Registry) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(readable("bad", node=H100, gpus=0))
    census.take(misread())
    assert (census.charges("DE"), census.unread()) == ({}, 0)


def test_a_pod_of_a_class_that_nobody_knew_keeps_its_devices_when_the_class_is_declared(registry: Registry) -> None:
    gpus = frozenset({"nvidia.com/gpu"})
    registry.put_node(Node("new", {}, resources=gpus))
    census = PodCensus(registry, lambda: NOW)
    census.take(readable("bad"))
    census.take(misread(node="new"))
    assert census.charges("DE") == {("acme", "a100-80gb|h100-sxm|unknown"): 4}
    registry.put_node(Node("new", {"nvidia.com/gpu.product": H100}, resources=gpus))
    assert census.charges("DE") == {("acme", "a100-80gb|h100-sxm"): 4}
