"""The simulated cluster with a budget of device-hours, held at each revision against what pods really used.

An hour lasts ten seconds here and the window two minutes, so that a run sees many of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import TYPE_CHECKING

from admission.decide import limits
from admission.decide.limits import Limit
from admission.ledger import archive, hours
from admission.ledger.hours import Terms
from admission.ledger.reconciler import Reconciler
from admission.ledger.work import Waits
from tests.ledger.invariants import size
from tests.ledger.simulation import ApiServer, Faults, Pod, QuorumReads, Watch, now
from tests.ledger.world import LIMITS, World

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    import pytest

    from admission.ledger.limits import Request
    from admission.ledger.objects import ObjectStore
    from admission.ledger.state import State

HOUR, ENDING, WINDOW = 10, 2, 120
BUDGETS = {"CN": 500, "group": 250}
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
        gone = (each for each in self.ended if scope in each[0].scopes and each[2] > now() - WINDOW - 3 * HOUR)
        return sum(size(pod) * (until - since + 10) for pod, since, until in gone)

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

    def keeper(self, store: ObjectStore, watch: Watch) -> Reconciler:
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

    calm_start: float = 40.0
    """Until both have looked once."""


def _same(watch: Watch) -> Watch:
    return watch


def _budget(scope: str, pod: Pod) -> Limit:
    return Limit(scope, "deviceHours", BUDGETS[scope], {"h100": 1}, None, lambda p: p == pod.charge.party, WINDOW)


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Have an hour last ten seconds."""
    for module in (hours, archive):
        patch.setattr(module, "HOUR", HOUR)
    for module in (hours, limits):
        patch.setattr(module, "ENDING", ENDING)
