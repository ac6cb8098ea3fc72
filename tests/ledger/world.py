"""A simulated cluster around the real ledger, commit and reconciler code, in which everything goes wrong.

A world is played from one seed: replicas that crash, reconcilers that take turns or run at once, objects that
come and go (``lives``), and what befalls the cluster (``happenings``).  The same seed is the same trace.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
from typing import TYPE_CHECKING, Any

from admission.decide.limits import Limit, Parties, whole
from admission.ledger.commit import Tuning
from admission.ledger.draft import Caps
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Request
from admission.ledger.reconciler import Reconciler
from admission.ledger.state import State
from admission.ledger.work import Waits
from tests.ledger import happenings, lives
from tests.ledger.invariants import not_exact
from tests.ledger.simulation import BOUND, ApiServer, Faults, Pod, QuorumReads, Watch, now, watched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.ledger.limits import Outcome
    from admission.ledger.objects import ObjectStore

LIMITS = {"CN": 12, "group": 7}
BAD = Faults(lost=0.04, unanswered=0.05, late=0.04, refused=0.03, delay=0.02)


@dataclasses.dataclass
class World:
    """One run.  ``happens`` names what befalls the cluster; the seed draws from it where it is None."""

    seed: int
    pods: int = 60
    span: float = 150.0
    waits: Waits = dataclasses.field(default_factory=Waits)
    faults: Faults = BAD
    caps: Caps = dataclasses.field(default_factory=Caps)
    happens: tuple[happenings.Happening, ...] | None = None
    rare: tuple[happenings.Happening, ...] = happenings.RARE
    allowed: Mapping[str, int] = dataclasses.field(default_factory=lambda: LIMITS)
    """By scope: the largest limit of devices."""
    shards: int = 0

    async def play(self) -> ApiServer:
        """Run to the end, or to what does not hold."""
        await self.begin()
        reconcilers = [asyncio.create_task(self.reconcile()) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for number in range(self.pods):
                group.create_task(lives.of_a_pod(self, number))
            for happening in (*[happenings.crash] * 4, *self._happenings()):
                group.create_task(happening(self))
            group.create_task(_watch_over(reconcilers, self.span + 2 * BOUND))
        assert not self.server.violations, self.server.violations[:3]
        await _end(reconcilers)
        await self._settle()
        assert not self.server.violations, self.server.violations[:3]
        return self.server

    async def begin(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 (a trace to repeat, no secret)
        random.seed(self.seed)  # committers draw their pauses from the module's own generator
        self.limits = dict(self.allowed)
        self.server = self._server()
        self.server.most = self.caps.ledger
        self.outcomes: list[Outcome] = []
        self.started = 0
        self.skew = self.quiet = 0.0
        self.replicas = [self.replica() for _ in range(3)]
        for scope in self.allowed:
            await self._count_anew(scope)

    def _server(self) -> ApiServer:
        return ApiServer(self.rng, self.faults, self.allowed)

    def pod(self, number: int) -> Pod:
        """Return the pod of a number."""
        return lives.any_pod(self, number)

    def holding(self, pod: Pod) -> float:  # noqa: ARG002 (a pod with a deadline keeps it)
        """Return for how long an object stays."""
        return self.rng.choice((0.05, 3, self.rng.uniform(0, 60)))

    def _happenings(self) -> tuple[happenings.Happening, ...]:
        if self.happens is not None:
            return self.happens
        return tuple(self.rng.sample(self.rare, self.rng.choice((0, 1, 1, 2))))

    def replica(self) -> Ledger:
        """Return a replica that begins with nothing, and whose clock on the wall is wrong."""
        self.started += 1
        wrong = self.wrong()
        return Ledger(
            watched(self.server),
            identity=f"r{self.started}",
            clock=now,
            wall=lambda: max(0.0, now() + wrong),
            caps=self.caps,
            tuning=Tuning(timeout=1.0),
        )

    def wrong(self) -> float:
        """Return by how many seconds a replica's clock is wrong."""
        return self.rng.choice((0.0, self.rng.uniform(-100, 100)))

    async def _count_anew(self, scope: str) -> None:
        """Begin with a counted ledger: a world that waits 44 s for it first shows less."""
        calm, self.server.faults = self.server.faults, Faults()
        store = watched(self.server)
        found = await store.read(scope, 1.0)
        counted = State(initialized=True, observed_pods=self.server.revision, shards=self.shards)
        await store.write(scope, counted, found.version, 1.0)
        self.server.faults = calm

    async def reconcile(self, shortest: float = 20.0) -> None:
        """One replica's reconciler after another: each begins with a list and follows a watch that lags."""
        while True:
            watch, store = self.watch(stalls=0.03), watched(self.server)
            for scope in self.allowed:
                await patiently(store, scope)
            keeper = self.keeper(store, watch)
            async with asyncio.timeout(shortest + self.rng.uniform(0, 100)) as term:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(watch.follow())
                        group.create_task(keeper.run())
                except asyncio.CancelledError:
                    if not term.expired():
                        raise
                    continue

    def watch(self, stalls: float = 0.0) -> Watch:
        return Watch(self.server, stalls=stalls, shards=self.shards)

    def keeper(self, store: ObjectStore, watch: Watch) -> Reconciler:
        return Reconciler(
            store,
            functools.partial(_same, watch),
            self.witness(),
            clock=lambda: now() + self.skew,
            waits=self.waits,
            restored=watch.relist,
            shards=self.shards,
            **self.over_time(),
        )

    def witness(self) -> QuorumReads:
        return QuorumReads(self.server, self.shards)

    def over_time(self) -> dict[str, Any]:
        """Return what a reconciler is told of limits over time; here there are none."""
        return {}

    async def _settle(self) -> None:
        """The last fault is over, the last reconciler begins: within 90 s nothing is leaked."""
        self.server.faults = Faults()
        last = asyncio.create_task(self.reconcile(shortest=90.0))
        await asyncio.sleep(90)
        await _end([last])
        assert list(not_exact(self.server)) == []

    def request(self, pod: Pod) -> Request:
        """Return what a review of the object asks for, under the limits that hold now."""
        scopes = tuple((scope, (self._limit(scope, pod),)) for scope in pod.scopes)
        for scope in pod.scopes:
            asked = self.server.asked
            asked[scope, pod.uid] = max(asked.get((scope, pod.uid), 0), self.limits[scope])
        return Request(pod.uid, "ns", pod.name, pod.charge, scopes, pod.kind, pod.origin, self.shards)

    def change_terms(self, scope: str) -> None:
        """Change what other limits a scope has; here it has none."""

    def _limit(self, scope: str, pod: Pod) -> Limit:
        return Limit(scope, "devices", self.limits[scope], {"h100": 1}, None, Parties.of(whole, pod.charge.party))


def _same(watch: Watch) -> Watch:
    return watch


async def _watch_over(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Let a reconciler's failure be the run's failure, at once."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def patiently(store: ObjectStore, scope: str) -> None:
    """Read a ledger, however often it takes."""
    while True:
        try:
            await store.read(scope, 1.0)
        except Exception:  # noqa: BLE001 (the network is bad; the next try may do)
            await asyncio.sleep(0.1)
        else:
            return
