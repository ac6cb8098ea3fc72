"""Confirming, releasing, expiring and rebuilding, one rule at a time, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from admission.decide.limits import Charge, Part
from admission.ledger.objects import ObjectStore, object_name
from admission.ledger.reconciler import Reconciler
from admission.ledger.state import Entry, State
from admission.ledger.work import Waits
from tests.ledger.simulation import ApiServer, Faults, Pod, QuorumReads, Watch, now, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

CHARGE = Charge("acme", (("h100", 2),))
ACCOUNT = ("acme", "h100")


def pod(uid: str, name: str = "pod") -> Pod:
    return Pod(uid, name, CHARGE, ("CN",))


def entry(uid: str, name: str = "pod") -> Entry:
    return Entry(uid, "ns", name, CHARGE, 0, "r.1")


class Scene:
    """One ledger, one reconciler and its watch, which follows only when told to."""

    def __init__(self) -> None:
        self.server = ApiServer(random.Random(1), Faults(delay=0.0), {})  # noqa: S311 (a trace to repeat)
        self.store = ObjectStore(self.server, self._went_back)
        self.watch = Watch(self.server)
        self.reads = QuorumReads(self.server)
        self.armed = True
        self.keeper = self.reconciler()

    def _went_back(self) -> None:
        self.keeper.distrust()

    def reconciler(self) -> Reconciler:
        return Reconciler(
            self.store, lambda: self.watch, self.reads, clock=now, waits=Waits(), armed=lambda: self.armed
        )

    async def put(self, *entries: Entry, used: int = 0, initialized: bool = True, observed: int = 0) -> None:
        found = await self.store.read("CN", 1)
        held = {one.uid: one for one in entries}
        accounts = {ACCOUNT: used} if used else {}
        state = State(0, initialized, observed or self.server.revision, accounts, held)
        await self.store.write("CN", state, found.version, 1)
        self.server.writes = 0

    def exist(self, one: Pod) -> None:
        self.server.promised[one.uid] = one
        self.server.commit(one)

    def see(self) -> None:
        self.watch.catch_up()

    async def go_on(self, seconds: float) -> None:
        running = asyncio.create_task(self.keeper.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    @property
    def state(self) -> State:
        found = self.server.state("CN")
        assert found is not None
        return found


def stage(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        await play(Scene())

    run(main())


def test_a_pod_that_is_seen_moves_from_promised_to_used_and_leaves_when_it_ends() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        scene.exist(pod("u1"))
        await scene.keeper.reconcile()
        assert set(scene.state.inflight) == {"u1"}
        scene.see()
        await scene.keeper.reconcile()
        assert (scene.state.used, scene.state.inflight) == ({ACCOUNT: 2}, {})
        scene.server.delete(pod("u1"))
        scene.see()
        await scene.keeper.reconcile()
        assert (scene.state.used, scene.state.observed_pods) == ({}, scene.server.log[-1].revision)

    stage(play)


def test_an_idle_cluster_is_never_written() -> None:
    async def play(scene: Scene) -> None:
        scene.exist(pod("u1"))
        scene.see()
        await scene.put(used=2)
        await scene.go_on(1000)
        assert scene.server.writes == 0

    stage(play)


def test_an_older_cache_is_not_folded() -> None:
    async def play(scene: Scene) -> None:
        behind = Watch(scene.server)
        scene.exist(pod("u1"))
        await scene.put(used=2)
        scene.watch = behind
        await scene.keeper.reconcile()
        assert (scene.state.used, scene.server.writes) == ({ACCOUNT: 2}, 0)

    stage(play)


@pytest.mark.parametrize(
    ("there", "leaves"),
    [
        pytest.param((), True, id="nothing of that name"),
        pytest.param((pod("u2"),), True, id="another object of that name"),
        pytest.param((pod("u1"),), False, id="the object itself, which the watch has not seen"),
    ],
)
def test_an_entry_leaves_on_proof_alone(there: tuple[Pod, ...], leaves: bool) -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        for one in there:
            scene.exist(one)
        await scene.go_on(43)
        assert set(scene.state.inflight) == {"u1"}
        await scene.go_on(7)
        assert ("u1" not in scene.state.inflight) is leaves

    stage(play)


def test_a_pod_whose_claims_were_never_seen_keeps_its_entry_and_the_wait_begins_when_it_is_gone() -> None:
    async def play(scene: Scene) -> None:
        charge = Charge("acme", (("h100", 2),), (Part("gpus", "digest", (("h100", 2),)),))
        await scene.put(dataclasses.replace(entry("u1"), charge=charge))
        scene.exist(pod("u1"))
        scene.see()
        await scene.go_on(200)
        assert (scene.state.used, set(scene.state.inflight)) == ({}, {"u1"})
        scene.server.delete(pod("u1"))
        scene.see()
        await scene.go_on(43)
        assert set(scene.state.inflight) == {"u1"}
        await scene.go_on(7)
        assert (scene.state.used, scene.state.inflight) == ({}, {})

    stage(play)


async def _fails() -> int:
    raise OSError("the API server is gone")


async def _dawdles() -> int:
    await asyncio.sleep(2.5)
    return 10**6


@pytest.mark.parametrize("trouble", [_fails, _dawdles], ids=["no answer", "a slow answer"])
@pytest.mark.parametrize("counted", [True, False], ids=["an entry's", "a rebuild's"])
def test_a_wait_starts_anew_after(
    trouble: Callable[[], Coroutine[Any, Any, int]], counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"), initialized=counted)
        await scene.go_on(20)
        with monkeypatch.context() as patch:
            patch.setattr(scene.reads, "revision", trouble)
            await scene.go_on(4)
        before = scene.state
        await scene.go_on(40)
        assert scene.state == before
        await scene.go_on(10)
        assert (scene.state.initialized, scene.state.inflight) == (True, {})

    stage(play)


def test_a_wait_starts_anew_after_a_stretch_nobody_heard_of() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        await scene.go_on(5)
        await asyncio.sleep(60)
        await scene.go_on(30)
        assert set(scene.state.inflight) == {"u1"}
        await asyncio.sleep(1)
        await scene.go_on(20)
        assert scene.state.inflight == {}

    stage(play)


def test_a_new_ledger_is_counted_after_the_wait_and_not_before() -> None:
    async def play(scene: Scene) -> None:
        scene.exist(pod("u1"))
        await scene.store.read("CN", 1)
        await scene.go_on(43)
        assert not scene.state.initialized
        scene.exist(pod("u2", "late"))
        await scene.go_on(5)
        assert (scene.state.initialized, scene.state.used, scene.state.epoch) == (True, {ACCOUNT: 4}, 1)

    stage(play)


def test_nothing_is_counted_before_admissions_are() -> None:
    async def play(scene: Scene) -> None:
        await scene.store.read("CN", 1)
        scene.armed = False
        await scene.go_on(100)
        scene.armed = True
        await scene.go_on(40)
        assert not scene.state.initialized
        await scene.go_on(10)
        assert scene.state.initialized

    stage(play)


def test_the_wait_for_a_rebuild_is_for_one_version_of_the_ledger() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(initialized=False)
        await scene.go_on(40)
        await scene.put(initialized=True)
        await scene.put(entry("u1"), initialized=False)
        await scene.go_on(40)
        assert not scene.state.initialized

    stage(play)


@pytest.mark.parametrize(
    ("status", "rebuilt"),
    [
        pytest.param(b'{"format":1,"initialized":true,"used":"nonsense"}', True, id="corrupt"),
        pytest.param(b'{"format":1,"initialized":true,"used":7}', True, id="of the wrong shape"),
        pytest.param(b'{"format":99,"initialized":true,"used":"as a newer version writes"}', False, id="newer"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_rebuilt_unless_a_newer_program_wrote_it(status: bytes, rebuilt: bool) -> None:
    async def play(scene: Scene) -> None:
        await scene.store.read("CN", 1)
        found = scene.server.ledgers["country.cn"]
        scene.server._store(msgspec.structs.replace(found, status=msgspec.Raw(status)))
        await scene.go_on(100)
        assert scene.state.initialized is rebuilt
        assert (scene.server.ledgers["country.cn"].status == msgspec.Raw(status)) is not rebuilt

    stage(play)


def test_a_store_that_went_back_in_time_is_counted_anew() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        scene.server.revision += 500
        scene.exist(pod("u1"))
        scene.see()
        scene.server.revision -= 400
        await scene.keeper.reconcile()
        assert (scene.state.initialized, scene.keeper.work.restored) == (False, 1)
        scene.watch.relist()
        await scene.go_on(60)
        assert (scene.state.initialized, scene.state.used, scene.state.inflight) == (True, {ACCOUNT: 2}, {})

    stage(play)


def test_a_ledger_that_is_older_than_it_was_tells_of_a_restore_that_the_revision_hides() -> None:
    """A bumped revision, or one that other writers have pushed past what was seen: the watch knows nothing of it."""

    async def play(scene: Scene) -> None:
        await scene.put(used=2)
        scene.exist(pod("u1"))
        backup = dict(scene.server.ledgers), dict(scene.server.live)
        await scene.put(used=2)
        scene.server.delete(pod("u1"))
        scene.see()
        scene.server.ledgers, scene.server.live = backup
        scene.server.revision += 1000
        await scene.keeper.reconcile()
        assert (scene.state.used, scene.keeper.work.restored) == ({ACCOUNT: 2}, 1)
        await scene.keeper.reconcile()
        assert not scene.state.initialized
        scene.watch.relist()
        await scene.go_on(60)
        assert (scene.state.initialized, scene.state.used) == (True, {ACCOUNT: 2})

    stage(play)


def test_nothing_read_before_the_api_server_was_away_is_a_basis_for_a_write() -> None:
    """A restored store gives the same version to another state, on which the swap would succeed."""

    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        assert scene.store.cached("CN") is not None
        scene.store.doubt()
        assert scene.store.cached("CN") is None
        assert set(scene.store.scopes()) == {"CN"}
        scene.store.observe(scene.server.ledgers[object_name("CN")])
        assert scene.store.cached("CN") == await scene.store.read("CN", 1)

    stage(play)


def test_a_recount_finds_what_came_in_past_the_ledger_and_counts_it_at_once() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"))
        scene.exist(pod("u1"))
        scene.exist(pod("u2", "uninvited"))
        await scene.keeper.audit()
        assert scene.keeper.work.uncounted == scene.keeper.work.missed == {"CN": {"acme": 2}}
        assert (scene.state.used, scene.state.inflight) == ({ACCOUNT: 4}, {})

    stage(play)


def test_a_fold_tells_of_what_no_reservation_announced_and_of_nothing_else() -> None:
    async def play(scene: Scene) -> None:
        told: list[tuple[str, int]] = []
        scene.keeper._drifted = lambda scope, devices: told.append((scope, devices))
        await scene.put(entry("u1"))
        scene.exist(pod("u1"))
        scene.see()
        await scene.keeper.reconcile()
        assert (scene.state.used, told) == ({ACCOUNT: 2}, [])
        scene.exist(pod("u2", "uninvited"))
        scene.see()
        await scene.keeper.reconcile()
        await scene.keeper.audit()
        assert (scene.state.used, told) == ({ACCOUNT: 4}, [("CN", 2)])
        assert scene.keeper.work.missed == {"CN": {"acme": 2}}

    stage(play)


def test_two_reconcilers_at_once_agree() -> None:
    async def play(scene: Scene) -> None:
        await scene.put(entry("u1"), entry("u2", "orphan"))
        scene.exist(pod("u1"))
        scene.see()
        scene.server.faults = Faults(delay=0.01)
        other = Reconciler(ObjectStore(scene.server), lambda: scene.watch, scene.reads, clock=now)
        await other._store.read("CN", 1)
        running = asyncio.create_task(other.run())
        await scene.go_on(60)
        running.cancel()
        assert (scene.state.used, scene.state.inflight) == ({ACCOUNT: 2}, {})
        assert scene.keeper.work.failures == other.work.failures == 0

    stage(play)
