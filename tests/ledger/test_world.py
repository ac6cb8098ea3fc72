"""The real ledger, commit and reconciler code in a simulated cluster where everything goes wrong.

Every seed is one deterministic interleaving.  The simulated API server checks after each of its revisions
that no more is live than allowed, that whatever exists or may still come to exist is counted, and that
nothing is counted twice.  The seeded bugs show that it would notice.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from admission.decide.limits import Charge, Limit
from admission.ledger.commit import Tuning
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Exceeded, Granted, Request, Unavailable
from admission.ledger.reconciler import Reconciler, Waits
from admission.ledger.state import State
from admission.review.reasons import Reason
from tests.ledger.simulation import BOUND, ApiServer, Faults, Pod, QuorumReads, Watch, now, run, size, watched

if TYPE_CHECKING:
    from admission.ledger.limits import Outcome
    from admission.ledger.objects import ObjectStore

LIMITS = {"CN": 12, "group": 7}
BAD = Faults(lost=0.04, unanswered=0.05, late=0.04, refused=0.03, delay=0.02)


@dataclasses.dataclass
class World:
    """One run: replicas that crash, reconcilers that take turns or run at once, creates and deletes."""

    seed: int
    pods: int = 60
    span: float = 150.0
    waits: Waits = dataclasses.field(default_factory=Waits)
    faults: Faults = BAD
    recreate: bool = True

    async def play(self) -> ApiServer:
        self.rng = random.Random(self.seed)  # noqa: S311 (a trace to repeat, no secret)
        random.seed(self.seed)  # what the code under test draws, too
        self.server = self._server()
        self.outcomes: list[Outcome] = []
        self.started = 0
        self.replicas = [self._replica() for _ in range(3)]
        for scope in LIMITS:
            await self._count_anew(scope)
        reconcilers = [asyncio.create_task(self._reconcile()) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for number in range(self.pods):
                group.create_task(self._live(number))
            for _ in range(4):
                group.create_task(self._crash())
            if self.recreate and self.seed % 3 == 0:
                group.create_task(self._lose_a_ledger())
            group.create_task(_watch_over(reconcilers, self.span + 2 * BOUND))
        assert self.server.violations == []
        await _end(reconcilers)
        await self._settle()
        assert self.server.violations == []
        return self.server

    def _server(self) -> ApiServer:
        return ApiServer(self.rng, self.faults, LIMITS)

    def _keeper(self, store: ObjectStore, watch: Watch) -> Reconciler:
        return Reconciler(
            store, functools.partial(_same, watch), QuorumReads(self.server), clock=now, waits=self.waits, now=now
        )

    def _request(self, pod: Pod) -> Request:
        return request(pod)

    def _replica(self) -> Ledger:
        self.started += 1
        tuning = Tuning(timeout=1.0)
        return Ledger(watched(self.server), identity=f"r{self.started}", clock=now, wall=now, tuning=tuning)

    async def _count_anew(self, scope: str) -> None:
        """Begin with a counted ledger: a world that waits 44 s for it first shows less."""
        calm, self.server.faults = self.server.faults, Faults()
        store = watched(self.server)
        found = await store.read(scope, 1.0)
        await store.write(scope, State(initialized=True, observed_pods=self.server.revision), found.version, 1.0)
        self.server.faults = calm

    async def _reconcile(self, shortest: float = 20.0) -> None:
        """One replica's reconciler after another: each begins with a list and follows a watch that lags."""
        while True:
            watch = Watch(self.server, stalls=0.03)
            store = watched(self.server)
            for scope in LIMITS:
                await _patiently(store, scope)
            keeper = self._keeper(store, watch)
            async with asyncio.timeout(shortest + self.rng.uniform(0, 100)) as term:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(watch.follow())
                        group.create_task(keeper.run())
                except asyncio.CancelledError:
                    if not term.expired():
                        raise
                    continue

    async def _live(self, number: int) -> None:
        """One pod from its review to its end."""
        rng = self.rng
        await asyncio.sleep(rng.uniform(0, self.span) if number % 2 else rng.choice((1, 50, 100)))
        pod = self._pod(number)
        begun = now()
        if not await self._admit(pod):
            return
        self.server.promise(pod)
        await asyncio.sleep(rng.choice((0.01, 0.2, rng.uniform(0, 1), BOUND - 0.5)) * (1 - (now() - begun) / BOUND))
        if rng.random() < 0.15:
            self.server.refuse(pod)
            return
        self.server.commit(pod)
        await asyncio.sleep(self._held_for(pod))
        if pod.charge.seconds or number % 10:  # every tenth stays, where it may
            self.server.delete(pod)

    def _held_for(self, pod: Pod) -> float:  # noqa: ARG002 (a pod with a deadline keeps it)
        return self.rng.choice((0.05, 3, self.rng.uniform(0, 60)))

    def _pod(self, number: int) -> Pod:
        party = self.rng.choice(("acme", "zeta"))
        scopes = ("CN", "group") if self.rng.random() < 0.6 else ("CN",)
        charge = Charge(party, (("h100", self.rng.choice((1, 1, 2, 4))),))
        return Pod(f"uid-{number}", f"pod-{number}", charge, scopes, twice=self.rng.random() < 0.2)

    async def _admit(self, pod: Pod) -> bool:
        """Ask one replica, or several about the same uid, of which only one's answer is heard."""
        reviews = [asyncio.create_task(self._review(pod)) for _ in range(3 if pod.twice else 1)]
        heard = self.rng.choice(reviews)
        outcome = await heard
        self.outcomes.append(outcome)
        return isinstance(outcome, Granted)

    async def _review(self, pod: Pod) -> Outcome:
        await asyncio.sleep(self.rng.choice((0.0, self.rng.expovariate(10))))
        slot = self.rng.randrange(3)
        wanted = self._request(pod)
        before = self.server.writes
        self.replicas[slot].evaluate(wanted)
        assert self.server.writes == before
        outcome = await self.replicas[slot].reserve(wanted, now() + self.rng.choice((0.05, 1.0, 8.0)))
        self._assert_truthful(outcome, pod)
        return outcome

    def _assert_truthful(self, outcome: Outcome, pod: Pod) -> None:
        if isinstance(outcome, Exceeded):
            assert all(s.used_all + s.requested > s.limit.amount for s in outcome.shortfalls)
            assert all(s.requested == size(pod) for s in outcome.shortfalls)

    async def _crash(self) -> None:
        """Kill one replica at any instant; its requests under way are never answered "allowed"."""
        await asyncio.sleep(self.rng.uniform(0, self.span))
        slot = self.rng.randrange(3)
        victim, self.replicas[slot] = self.replicas[slot], self._replica()
        for committer in victim._committers.values():
            if committer._worker:
                committer._worker.cancel()
            committer._start = lambda: None  # type: ignore[method-assign]  # the dead do not get up

    async def _lose_a_ledger(self) -> None:
        await asyncio.sleep(self.rng.uniform(5, 40))
        self.server.ledgers.pop(self.rng.choice(("country.cn", "group")), None)
        self.server.revision += 1

    async def _settle(self) -> None:
        """The last fault is over, the last reconciler begins: within 90 s nothing is leaked."""
        self.server.faults = Faults()
        last = asyncio.create_task(self._reconcile(shortest=90.0))
        await asyncio.sleep(90)
        await _end([last])
        for scope in LIMITS:
            state = self.server.state(scope)
            assert state is not None
            assert state.initialized
            assert state.inflight == {}
            held = sum(size(pod) for pod in self.server.live.values() if scope in pod.scopes)
            assert sum(state.used.values()) == held


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


async def _patiently(store: ObjectStore, scope: str) -> None:
    while True:
        try:
            await store.read(scope, 1.0)
        except Exception:  # noqa: BLE001 (the network is bad; the next try may do)
            await asyncio.sleep(0.1)
        else:
            return


def request(pod: Pod) -> Request:
    limits = {
        s: (Limit(s, "devices", n, {"h100": 1}, None, lambda p: p == pod.charge.party),) for s, n in LIMITS.items()
    }
    return Request(pod.uid, "ns", pod.name, pod.charge, tuple((scope, limits[scope]) for scope in pod.scopes))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_goes_wrong_the_count_is_exact(seed: int) -> None:
    run(World(seed).play())


def test_the_world_is_rough_enough_to_show_every_outcome() -> None:
    kinds: collections.Counter[object] = collections.Counter()
    for seed in range(10):
        world = World(seed)
        run(world.play())
        kinds += collections.Counter(o.reason if isinstance(o, Unavailable) else type(o) for o in world.outcomes)
    assert min(kinds[kind] for kind in (Granted, Exceeded, Reason.LedgerBusy, Reason.NotSynced)) >= 10
