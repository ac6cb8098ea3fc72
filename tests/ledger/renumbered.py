"""A simulated cluster in which the number of shards changes while replicas of both settings run."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from admission.decide.limits import Charge, Parties, whole
from admission.decide.shards import Shard
from admission.ledger.limits import Request
from admission.ledger.reconciler import Reconciler
from tests.ledger.simulation import Pod, QuorumReads, Watch, now, watched
from tests.ledger.world import World, patiently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.ledger.objects import ObjectStore

LIMITS = {"DE": 7, "DE.tenants.0": 4, "DE.tenants.1": 5}
"""Of all together, and of the one tenant of each shard."""
ONE, OTHER = (
    next(name for name in map("tenant-{}".format, range(99)) if Shard.of("DE", "tenants", name, 2).name == shard)
    for shard in ("DE.tenants.0", "DE.tenants.1")
)


@dataclasses.dataclass
class Renumbered(World):
    """A world in which two tenants share a limit and have one each, while the number goes from 2 to 0 and back.

    With the number 0 all limits stand in one ledger.  The old and the new settings run side by side for a while.
    """

    pods: int = 140
    span: float = 520.0
    allowed: Mapping[str, int] = dataclasses.field(default_factory=lambda: LIMITS)
    shards: int = 2
    counted_midway: bool = False

    def numbers(self) -> tuple[int, ...]:
        changes = ((120, (2,)), (150, (2, 0)), (300, (0,)), (330, (0, 2)))
        return next((numbers for until, numbers in changes if now() < until), (2,))

    def pod(self, number: int) -> Pod:
        tenant = self.rng.choice((ONE, OTHER))
        charge = Charge(tenant, (("h100", self.rng.choice((1, 1, 2, 3))),))
        return Pod(f"uid-{number}", f"pod-{number}", charge, ("DE", Shard.of("DE", "tenants", tenant, 2).name))

    def request(self, pod: Pod) -> Request:
        number = self.rng.choice(self.numbers())
        total, own = pod.scopes
        for scope in pod.scopes:
            self.server.asked[scope, pod.uid] = LIMITS[scope]
        all_of_it = self._limit(total, pod)
        its_own = self._limit(own, pod)._replace(parties=Parties.of(whole, pod.charge.party))
        scopes = ((total, (all_of_it,)), (own, (its_own,))) if number else ((total, (all_of_it, its_own)),)
        return Request(pod.uid, "ns", pod.name, pod.charge, scopes, shards=number)

    async def reconcile(self, shortest: float = 20.0) -> None:
        while True:
            number = self.rng.choice(self.numbers())
            watch, store = Watch(self.server, stalls=0.03, shards=number), watched(self.server)
            for scope in LIMITS:
                await patiently(store, scope)
            keeper = self._keeper(store, watch, number)
            try:
                async with asyncio.timeout(shortest + self.rng.uniform(0, 60)), asyncio.TaskGroup() as group:
                    group.create_task(watch.follow())
                    group.create_task(keeper.run())
            except TimeoutError:
                continue

    def _keeper(self, store: ObjectStore, watch: Watch, number: int) -> Reconciler:
        return Reconciler(
            store,
            lambda: watch,
            QuorumReads(self.server, number),
            clock=now,
            waits=self.waits,
            restored=watch.relist,
            shards=number,
        )
