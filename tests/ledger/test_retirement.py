"""Ledgers of quotas that were deleted, as objects of a real API server: left alone, kept, and exact once asked."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

from admission.cluster.client import Client
from admission.ledger.archive import archive_of
from admission.ledger.objects import COLLECTION, ObjectStore
from admission.ledger.reconciler import Reconciler
from admission.ledger.state import Hours, State
from admission.ledger.work import Waits
from tests.ledger.simulation import ApiServer, Faults, QuorumReads, Watch
from tests.ledger.test_reconciler import ACCOUNT, entry, pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from tools.controlplane import ControlPlane

SPENT = Hours(spent={("acme", "h100", 494_000): 7200})
PATIENCE = 20.0


class Cluster:
    """Ledgers on the API server, and pods beside it."""

    def __init__(self, client: Client) -> None:
        self.store = ObjectStore(client)
        self.pods = ApiServer(random.Random(1), Faults(delay=0.0), {})  # noqa: S311 (a trace to repeat)
        self.watch = Watch(self.pods)
        self.named = {"CN"}

    def reconciler(self, retire: float) -> Reconciler:
        return Reconciler(
            self.store,
            lambda: self.watch,
            QuorumReads(self.pods),
            clock=asyncio.get_running_loop().time,
            waits=Waits(retire=retire, rebuild=0.2, heartbeat=0.1, between=0.01),
            named=lambda scope: scope in self.named,
        )

    async def put(self, scope: str, state: State) -> None:
        found = await self.store.read(scope, 5)
        await self.store.write(scope, state, found.version, 5)

    async def state(self, scope: str = "CN") -> State:
        return (await self.store.read(scope, 5)).state

    async def until(self, keeper: Reconciler, holds: Callable[[State], bool]) -> State:
        async with asyncio.timeout(PATIENCE):
            while not holds(state := await self.state()):
                await keeper.reconcile()
                await asyncio.sleep(0.02)
        return state


@contextlib.asynccontextmanager
async def cluster(plane: ControlPlane) -> AsyncIterator[Cluster]:
    client = await Client.connect(plane.kubeconfig)
    try:
        await client.request("DELETE", COLLECTION)
        yield Cluster(client)
    finally:
        await client.close()


def staged(plane: ControlPlane, play: Callable[[Cluster], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with cluster(plane) as found:
            await play(found)

    asyncio.run(main())


def test_a_ledger_without_limits_is_left_alone_with_all_that_it_has(ledger_plane: ControlPlane) -> None:
    async def play(cluster: Cluster) -> None:
        keeper = cluster.reconciler(retire=0.0)
        await cluster.put("CN", State(initialized=True, used={ACCOUNT: 2}, hours=SPENT))
        await cluster.put(archive_of("CN"), State(initialized=True, hours=SPENT))
        archive = await cluster.state(archive_of("CN"))
        cluster.pods.promised["u1"] = pod("u1")
        cluster.pods.commit(pod("u1"))
        cluster.watch.catch_up()
        cluster.named.clear()
        left = await cluster.until(keeper, lambda state: not state.initialized)
        assert (left.used, left.hours, keeper.is_followed("CN")) == ({ACCOUNT: 2}, SPENT, False)
        version = (await cluster.store.read("CN", 5)).version
        cluster.pods.delete(pod("u1"))
        cluster.watch.catch_up()
        for _ in range(20):
            await keeper.reconcile()
        await keeper.audit()
        assert (await cluster.store.read("CN", 5)).version == version
        assert await cluster.state(archive_of("CN")) == archive

    staged(ledger_plane, play)


def test_a_quota_that_is_made_again_grants_nothing_before_all_that_came_meanwhile_is_counted(
    ledger_plane: ControlPlane,
) -> None:
    async def play(cluster: Cluster) -> None:
        keeper = cluster.reconciler(retire=0.0)
        await cluster.put("CN", State(initialized=True, hours=SPENT))
        cluster.named.clear()
        await cluster.until(keeper, lambda state: not state.initialized)
        cluster.pods.promised["u1"] = pod("u1")
        cluster.pods.commit(pod("u1"))
        cluster.watch.catch_up()
        cluster.named.add("CN")
        counted = await cluster.until(keeper, lambda state: state.initialized)
        assert counted.used == {ACCOUNT: 2}

    staged(ledger_plane, play)


def test_a_quota_that_is_replaced_finds_its_ledger_as_it_was(ledger_plane: ControlPlane) -> None:
    async def play(cluster: Cluster) -> None:
        keeper = cluster.reconciler(retire=3600.0)
        await cluster.put("CN", State(initialized=True))
        cluster.named.clear()
        cluster.pods.promised["u1"] = pod("u1")
        cluster.pods.commit(pod("u1"))
        cluster.watch.catch_up()
        await cluster.until(keeper, lambda state: state.used == {ACCOUNT: 2})
        cluster.named.add("CN")
        await keeper.reconcile()
        assert (await cluster.state()).initialized

    staged(ledger_plane, play)


def test_a_promise_is_followed_to_its_end_though_its_quota_is_gone(ledger_plane: ControlPlane) -> None:
    async def play(cluster: Cluster) -> None:
        keeper = cluster.reconciler(retire=0.0)
        await cluster.put("CN", State(initialized=True, inflight={"u1": entry("u1")}))
        cluster.named.clear()
        for _ in range(5):
            await keeper.reconcile()
        assert (await cluster.state()).initialized
        cluster.pods.promised["u1"] = pod("u1")
        cluster.pods.commit(pod("u1"))
        cluster.watch.catch_up()
        left = await cluster.until(keeper, lambda state: not state.initialized)
        assert (left.used, left.inflight) == ({ACCOUNT: 2}, {})

    staged(ledger_plane, play)
