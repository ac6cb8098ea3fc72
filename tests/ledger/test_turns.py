"""One process that reserves and folds: it does not stand in its own way, and its ledgers do not fill up."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from admission.decide.limits import Charge, Limit, Parties, whole
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Granted, Outcome, Request
from admission.ledger.objects import LedgerObject, ObjectStore
from admission.ledger.reconciler import Reconciler
from admission.ledger.state import State
from tests.ledger.simulation import ApiServer, Faults, Pod, QuorumReads, Watch, now, run, watched

CHARGE = Charge("acme", (("h100", 1),))
RATE = 500
"""Creates in a second, of one tenant in one namespace: what one API server can do."""


class Scene:
    """A replica that answers reviews on an API server 5 ms away, and the leader: the same replica, or another one."""

    def __init__(self, *, apart: bool) -> None:
        self.server = ApiServer(random.Random(1), Faults(delay=0.005), {"CN": 10_000})  # noqa: S311 (to repeat)
        self.store = ObjectStore(self.server)
        self.ledger = Ledger(self.store, identity="r", clock=now, wall=now)
        self.watch = Watch(self.server)
        leads = watched(self.server) if apart else self.store
        turn = Ledger(leads).turn if apart else self.ledger.turn
        self.keeper = Reconciler(leads, lambda: self.watch, QuorumReads(self.server), clock=now, turn=turn)

    async def create(self, number: int) -> Outcome:
        """Admit a pod and commit it a moment later."""
        await asyncio.sleep(number / RATE)
        pod = Pod(f"u{number}", f"pod-{number}", CHARGE, ("CN",))
        limit = Limit("CN", "devices", 10_000, {"h100": 1}, None, Parties.of(whole, "acme"))
        asked = Request(pod.uid, "ns", pod.name, CHARGE, (("CN", (limit,)),))
        outcome = await self.ledger.reserve(asked, now() + 5)
        if isinstance(outcome, Granted):
            self.server.promise(pod)
            await asyncio.sleep(0.005)
            self.server.commit(pod)
        return outcome

    async def look(self) -> None:
        """Keep the watch a tenth of a second behind."""
        while True:
            await asyncio.sleep(0.1)
            self.watch.catch_up()
            self.keeper.wake()


@pytest.mark.parametrize("apart", [False, True], ids=["one replica", "another replica leads"])
def test_a_burst_of_one_tenant_is_folded_before_its_ledger_is_full(apart: bool) -> None:
    async def main() -> None:
        scene = Scene(apart=apart)
        await scene.store.write("CN", State(initialized=True), (await scene.store.read("CN", 1)).version, 1)
        running = [asyncio.create_task(each) for each in (scene.keeper.run(), scene.look())]
        outcomes = await asyncio.gather(*map(scene.create, range(2 * RATE)))
        await asyncio.sleep(1)
        for each in running:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each
        assert [each for each in outcomes if not isinstance(each, Granted)] == []
        assert apart or scene.ledger.counters()["CN"].conflicts == 0, "a fold beat a reservation of its own process"
        assert scene.server.violations == []
        found = scene.server.state("CN")
        assert found is not None
        assert (found.used, found.inflight) == ({("acme", "h100"): 2 * RATE}, {})

    run(main())


def test_a_store_knows_the_versions_that_it_wrote() -> None:
    async def main() -> None:
        server = ApiServer(random.Random(1), Faults(delay=0.0), {})  # noqa: S311 (to repeat)
        seen: list[LedgerObject] = []
        server.watchers.append(seen.append)
        ours, other = ObjectStore(server), ObjectStore(server)
        await ours.read("CN", 1)
        await ours.write("CN", State(initialized=True), (await ours.read("CN", 1)).version, 1)
        await other.write("CN", State(epoch=1, initialized=True), (await other.read("CN", 1)).version, 1)
        assert [(ours.wrote(each), other.wrote(each)) for each in seen[1:]] == [(True, False), (False, True)]
        assert seen[-1].snapshot.state == State(epoch=1, initialized=True)

    run(main())
