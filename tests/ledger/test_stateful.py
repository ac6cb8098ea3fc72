"""The real ledger code, step by step: Hypothesis chooses each thing that happens, and shrinks what goes wrong.

Unlike the worlds of ``test_world``, where a seed draws everything, nothing here happens by itself but what the
code under test does: watches advance, creates end and time passes when a rule says so.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from admission.decide.limits import Charge, Part
from admission.ledger.limits import Granted, Kind
from admission.ledger.objects import object_name
from tests.ledger import happenings, lives
from tests.ledger.invariants import not_exact
from tests.ledger.simulation import BOUND, Faults, Pod, VirtualLoop, Watch, now, watched
from tests.ledger.world import BAD, LIMITS, World, patiently

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from admission.ledger.limits import Outcome
    from tests.ledger.simulation import Backup

WHICH = st.integers(0, 99)
INSTANT = 1e-6
"""Seconds that an event loop tells from none."""

CALM = Faults(delay=0.01)
AWFUL = Faults(lost=0.2, unanswered=0.2, late=0.2, refused=0.1, delay=0.1)


class Review(NamedTuple):
    """A create under way: it is reviewed, then it may be committed, until the API server's bound."""

    pod: Pod
    end: float
    answer: asyncio.Task[Outcome]


class Cluster(RuleBasedStateMachine):
    """Three replicas, two reconcilers, one API server, all under the hand of Hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.asked: list[Review] = []
        self.promised: list[Review] = []
        self.backup: Backup | None = None
        self.number = 0

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.world = World(seed, faults=CALM)
        self._do(self.world.begin())
        self.watches = [Watch(self.world.server) for _ in range(2)]
        self.leaders: list[asyncio.Task[None] | None] = [None, None]
        for which in range(2):
            self.change_leader(which)

    # -- creates -------------------------------------------------------------------------------

    @rule(count=st.sampled_from((1, 1, 2, 4)), group=st.booleans(), claimed=st.integers(0, 2), generated=st.booleans())
    def create(self, count: int, *, group: bool, claimed: int, generated: bool) -> None:
        """Begin to create a pod, of which a part may be had by a claim."""
        self.number += 1
        parts = (Part("gpus", "digest", (("h100", claimed),)),) if 0 < claimed <= count else ()
        name = f"generated-{self.number % 2}" if generated else f"pod-{self.number}"
        charge = Charge("acme", (("h100", count),), parts)
        self._ask(Pod(f"uid-{self.number}", name, charge, tuple(LIMITS) if group else ("CN",)))

    @rule(which=WHICH)
    def create_a_claim(self, which: int) -> None:
        """Begin to create a claim for a pod that is there; there may be one already."""
        pods = [pod for pod in self.world.server.live.values() if pod.charge.parts]
        if pods:
            self.number += 1
            pod = pods[which % len(pods)]
            self._ask(lives.claim_of(self.world, pod, pod.charge.parts[0], str(self.number)))

    @precondition(lambda self: self.asked)
    @rule(which=WHICH)
    def review_again(self, which: int) -> None:
        """Call the webhook once more for a create whose review is under way; that answer is not heard."""
        review = self.asked[which % len(self.asked)]
        again = dataclasses.replace(review.pod, twice=True)
        self.asked[self.asked.index(review)] = review._replace(pod=again)
        self._do(self._begin(again))

    @precondition(lambda self: self.promised)
    @rule(which=WHICH, fails=st.booleans())
    def end_a_create(self, which: int, *, fails: bool) -> None:
        """Commit what was allowed, unless its name is taken or something else refuses it."""
        pod = self.promised.pop(which % len(self.promised)).pod
        if fails or self.world.server.bears(pod.name):
            self._do(self._call(self.world.server.refuse, pod))
        else:
            self._do(self._call(self.world.server.commit, pod))

    @rule(which=WHICH, kind=st.sampled_from(tuple(Kind)))
    def delete(self, which: int, kind: Kind) -> None:
        there = [pod for pod in self.world.server.live.values() if pod.kind is kind]
        if there:
            self._do(self._call(self.world.server.delete, there[which % len(there)]))

    # -- what befalls --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.01, 0.3, 3.0, 20.0, 50.0)))
    def wait(self, seconds: float) -> None:
        """Let time pass; creates that reach the API server's bound end without an object."""
        loop = self.runner.get_loop()
        until = loop.time() + seconds
        while loop.time() < until - INSTANT:
            self._do(asyncio.sleep(max(INSTANT, min([until, *(each.end for each in self.promised)]) - loop.time())))
            for review in [each for each in self.promised if each.end <= loop.time() + INSTANT]:
                self.promised.remove(review)
                self._do(self._call(self.world.server.refuse, review.pod))

    @rule(which=st.integers(0, 1))
    def see(self, which: int) -> None:
        """Let a watch catch up; the reconciler's next pass folds it."""
        self.watches[which].catch_up()

    @rule(which=st.integers(0, 1))
    def change_leader(self, which: int) -> None:
        """End a reconciler's term; the next begins with a list, and knows nothing else."""

        async def lead() -> None:
            if (before := self.leaders[which]) is not None:
                before.cancel()
            store = watched(self.world.server)
            self.watches[which].relist()
            for scope in LIMITS:
                await patiently(store, scope)
            self.leaders[which] = asyncio.create_task(self.world.keeper(store, self.watches[which]).run())

        self._do(lead())

    @rule(scope=st.sampled_from(tuple(LIMITS)))
    def lose_a_ledger(self, scope: str) -> None:
        """Delete its object: whoever reads it next makes it again, not counted."""
        self.world.server.ledgers.pop(object_name(scope), None)
        self.world.server.revision += 1

    @rule(slot=st.integers(0, 2))
    def crash(self, slot: int) -> None:
        self._do(self._call(happenings.replace, self.world, slot))

    @rule(faults=st.sampled_from((CALM, BAD, AWFUL)))
    def network(self, faults: Faults) -> None:
        self.world.server.faults = faults

    @rule(scope=st.sampled_from(tuple(LIMITS)), part=st.floats(0, 1))
    def change_a_limit(self, scope: str, part: float) -> None:
        self.world.limits[scope] = round(LIMITS[scope] * part)

    @rule(seconds=st.integers(20, 200))
    def leap(self, seconds: int) -> None:
        self.world.skew += seconds

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def every_revision_was_right(self) -> None:
        if hasattr(self, "leaders"):
            assert self.world.server.violations == []

    def teardown(self) -> None:
        """The last fault is over: within 90 s nothing is leaked."""
        try:
            if hasattr(self, "leaders"):
                self._settle()
        finally:
            self.runner.close()

    def _settle(self) -> None:
        self.world.server.faults = CALM
        self.wait(BOUND + 9)
        self.change_leader(0)
        self.wait(90)
        assert list(not_exact(self.world.server)) == []
        assert self.world.server.violations == []

    def _ask(self, pod: Pod) -> None:
        self._do(self._begin(pod, self.asked))

    async def _begin(self, pod: Pod, heard: list[Review] | None = None) -> None:
        answer = asyncio.create_task(lives.review(self.world, pod))
        if heard is not None:
            heard.append(Review(pod, now() + BOUND, answer))

    async def _call(self, act: Any, *given: Any) -> None:
        """Act where there is a running loop, as all that looks at the clock must."""
        act(*given)

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        """Do one step in virtual time, and hear the reviews that were answered by then."""
        self.runner.run(step)
        for review in [each for each in self.asked if each.answer.done()]:
            self.asked.remove(review)
            if isinstance(review.answer.result(), Granted) and review.end > self.runner.get_loop().time():
                self.promised.append(review)
                self.runner.run(self._call(self.world.server.promise, review.pod))


logging.getLogger("admission.ledger.reconciler").setLevel(logging.ERROR)
TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
