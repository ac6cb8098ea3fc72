"""Device-hours in the simulated cluster where everything goes wrong: none is lost, none is refunded too early.

An hour lasts ten seconds here and the window a minute, so that a run sees many of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.decide import limits
from admission.decide.limits import Limit
from admission.ledger import archive, hours
from admission.ledger.hours import Terms
from admission.ledger.reconciler import Reconciler, Waits
from tests.ledger.invariants import size
from tests.ledger.simulation import ApiServer, Faults, Pod, QuorumReads, Watch, now, run
from tests.ledger.world import LIMITS, World

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from admission.ledger.limits import Request
    from admission.ledger.objects import ObjectStore
    from admission.ledger.state import State

HOUR, ENDING, WINDOW = 10, 2, 60
BUDGETS = {"CN": 300, "group": 150}
"""Device-seconds in the window."""


class PaidServer(ApiServer):
    """Knows for how long each pod has really held its devices, and holds every ledger against it."""

    def __init__(self, rng: random.Random, faults: Faults, limits: Mapping[str, int]) -> None:
        super().__init__(rng, faults, limits)
        self.ended: list[tuple[Pod, float, float]] = []
        self.every_end_is_seen = False

    def promise(self, pod: Pod) -> None:
        super().promise(pod)
        for scope in pod.scopes:
            total = self.used(scope) + self.paid_for(scope)
            if total > BUDGETS[scope]:
                self.note(f"{scope}: {total:.1f} device-seconds used and paid for, {BUDGETS[scope]} allowed")

    def delete(self, pod: Pod) -> None:
        self.ended.append((pod, self.begun[pod.uid], now()))
        super().delete(pod)
        self.check()

    def check(self) -> None:
        super().check()
        for scope, state in self.counted():
            self._check_hours(scope, state)

    def _check_hours(self, scope: str, state: State) -> None:
        counted, true = over_time(state), self.used(scope) + self.paid_for(scope)
        if counted is not None and counted < true - 0.01:
            self.note(f"{scope}: {true:.2f} device-seconds used and paid for, and {counted} counted")
        used = sum(seconds for _, seconds in state.hours.used(WINDOW) or ())
        if self.every_end_is_seen and used > self.at_most(scope):
            self.note(f"{scope}: {used} device-seconds counted as used, {self.at_most(scope):.2f} were")

    def used(self, scope: str) -> float:
        """Device-seconds of the window that pods have used that are gone."""
        gone = (each for each in self.ended if scope in each[0].scopes)
        return sum(size(pod) * max(0.0, until - max(since, now() - WINDOW)) for pod, since, until in gone)

    def at_most(self, scope: str) -> float:
        """Device-seconds of whole hours in the window, with each end told some seconds late and rounded up."""
        gone = (each for each in self.ended if scope in each[0].scopes and each[2] > now() - WINDOW - 2 * HOUR)
        return sum(size(pod) * (until - since + 6) for pod, since, until in gone)

    def paid_for(self, scope: str) -> int:
        """Device-seconds that pods can use that are there or may still come."""
        there = (pod for pod in (*self.live.values(), *self.promised.values()) if scope in pod.scopes)
        return sum(size(pod) * (pod.charge.seconds + ENDING) for pod in there)


def over_time(state: State) -> int | None:
    """Return what a ledger counts against the window."""
    used = state.hours.used(WINDOW)
    return None if used is None else sum(n for _, n in used) + sum(state.reserved_hours().values())


@dataclasses.dataclass
class PaidWorld(World):
    """The same pods, each with a deadline that it keeps."""

    waits: Waits = dataclasses.field(default_factory=lambda: Waits(audit=15.0))
    calm_start: float = 2.0
    """Second 0 would mean that a pod has no node."""

    async def begin(self) -> None:
        await super().begin()
        self.quiet = now() + self.calm_start

    def _server(self) -> ApiServer:
        return PaidServer(self.rng, self.faults, LIMITS)

    def _keeper(self, store: ObjectStore, watch: Watch) -> Reconciler:
        return Reconciler(
            store,
            functools.partial(_same, watch),
            QuorumReads(self.server),
            clock=now,
            waits=self.waits,
            now=now,
            terms=lambda _: Terms(frozenset({WINDOW})),
        )

    def pod(self, number: int) -> Pod:
        pod = super().pod(number)
        charge = dataclasses.replace(pod.charge, parts=(), seconds=self.rng.choice((3, 10, 25)))
        return dataclasses.replace(pod, charge=charge)

    def holding(self, pod: Pod) -> float:
        return self.rng.uniform(0, pod.charge.seconds + ENDING - 1)

    def request(self, pod: Pod) -> Request:
        wanted = super().request(pod)
        scopes = tuple((scope, (*bounds, _budget(scope, pod))) for scope, bounds in wanted.scopes)
        return dataclasses.replace(wanted, scopes=scopes)

    async def _settle(self) -> None:
        """All have ended, and what they used has left the window: nothing counts any more."""
        assert isinstance(self.server, PaidServer)
        for pod in tuple(self.server.live.values()):
            self.server.delete(pod)
        await super()._settle()
        last = asyncio.create_task(self.reconcile(shortest=WINDOW + 2 * HOUR))
        await asyncio.sleep(WINDOW + 2 * HOUR)
        last.cancel()
        await asyncio.gather(last, return_exceptions=True)
        self._assert_accounts(lambda total, _: total == 0)

    def _assert_accounts(self, holds: Callable[[int, str], bool]) -> None:
        for scope in BUDGETS:
            state = self.server.state(scope)
            assert state is not None
            total = over_time(state)
            assert total is not None
            assert holds(total, scope), (scope, total)


@dataclasses.dataclass
class WatchedWorld(PaidWorld):
    """Both reconcilers go on from the first second to the last, and miss nothing: what was used is known exactly."""

    def _server(self) -> ApiServer:
        server = PaidServer(self.rng, self.faults, LIMITS)
        server.every_end_is_seen = True
        return server

    def pod(self, number: int) -> Pod:
        return dataclasses.replace(super().pod(number), twice=False)  # a review after the pod is there pays again

    async def reconcile(self, shortest: float = 20.0) -> None:
        await super().reconcile(shortest + 10_000)

    calm_start: float = 15.0
    """Until both have looked once."""


def _same(watch: Watch) -> Watch:
    return watch


def _budget(scope: str, pod: Pod) -> Limit:
    return Limit(scope, "deviceHours", BUDGETS[scope], {"h100": 1}, None, lambda p: p == pod.charge.party, WINDOW)


@pytest.fixture
def short_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hours, archive):
        monkeypatch.setattr(module, "HOUR", HOUR)
    for module in (hours, limits):
        monkeypatch.setattr(module, "ENDING", ENDING)


@pytest.mark.usefixtures("short_hours")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_goes_wrong_no_more_hours_are_used_than_allowed(seed: int) -> None:
    run(PaidWorld(seed, happens=()).play())


@pytest.mark.usefixtures("short_hours")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_where_every_end_is_seen_what_was_not_used_is_given_back(seed: int) -> None:
    run(WatchedWorld(seed, happens=(), faults=Faults(unanswered=0.15, refused=0.05, delay=0.02)).play())
