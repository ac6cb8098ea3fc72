"""The simulated cluster with a budget of device-hours: the same pods, which pay for their ends (``paying``)."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from admission.decide import limits
from admission.decide.limits import Limit, Parties, whole
from admission.ledger import archive, hours, renewal, state, tranches
from admission.ledger.hours import UNTIMED, Terms
from admission.ledger.work import Waits
from tests.ledger import happenings
from tests.ledger.paying import BUDGETS, ENDING, HOUR, WINDOW, Lists, PaidServer, over_time
from tests.ledger.simulation import now
from tests.ledger.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from admission.ledger.limits import Request
    from tests.ledger.happenings import Happening
    from tests.ledger.simulation import ApiServer, Pod


@dataclasses.dataclass
class PaidWorld(World):
    """The same pods, each with a deadline that it keeps."""

    waits: Waits = dataclasses.field(default_factory=lambda: Waits(audit=15.0))
    calm_start: float = 2.0
    """Second 0 would mean that a pod has no node."""
    rare: tuple[Happening, ...] = happenings.OVER_TIME
    gap: int | None = None
    """The longest break of a hold, where holds are limited."""
    payable: Mapping[str, int] = dataclasses.field(default_factory=lambda: BUDGETS)
    """By scope: the largest budget of device-seconds."""

    async def begin(self) -> None:
        await super().begin()
        self.budgets = dict(self.payable)
        self.quiet = now() + self.calm_start

    def _server(self) -> ApiServer:
        return PaidServer(self.rng, self.faults, self.allowed, self.payable)

    def witness(self) -> Lists:
        return Lists(self.server, self.shards)

    def over_time(self) -> dict[str, Any]:
        return {"now": now, "terms": self._terms}

    def _terms(self, scope: str) -> Terms:
        return Terms(frozenset({WINDOW}), self.gap) if scope in self.payable else UNTIMED

    def pod(self, number: int) -> Pod:
        pod = super().pod(number)
        charge = dataclasses.replace(pod.charge, parts=(), seconds=self.rng.choice((3, 10, 25)))
        return dataclasses.replace(pod, charge=charge)

    def holding(self, pod: Pod) -> float:
        return self.rng.uniform(0, pod.charge.seconds + ENDING - 1)

    def request(self, pod: Pod) -> Request:
        wanted = super().request(pod)
        scopes = tuple((scope, (*bounds, *self._budgets(scope, pod))) for scope, bounds in wanted.scopes)
        return msgspec.structs.replace(wanted, scopes=scopes)

    def change_terms(self, scope: str) -> None:
        if scope in self.payable:
            self.budgets[scope] = self.rng.randint(0, self.payable[scope])

    def _budgets(self, scope: str, pod: Pod) -> tuple[Limit, ...]:
        assert isinstance(self.server, PaidServer)
        if scope not in self.budgets:
            return ()
        amount, asked = self.budgets[scope], self.server.budget
        asked[scope, pod.uid] = max(asked.get((scope, pod.uid), 0), amount)
        return (Limit(scope, "deviceHours", amount, {"h100": 1}, None, Parties.of(whole, pod.charge.party), WINDOW),)

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
        for scope in self.payable:
            state = self.server.state(scope)
            assert state is not None
            total = over_time(state)
            assert total is not None
            assert holds(total, scope), (scope, total)


@dataclasses.dataclass
class WatchedWorld(PaidWorld):
    """Both reconcilers go on from the first second to the last, and miss nothing: what was used is known exactly."""

    def _server(self) -> ApiServer:
        server = PaidServer(self.rng, self.faults, self.allowed, self.payable)
        server.every_end_is_seen = True
        return server

    def pod(self, number: int) -> Pod:
        return dataclasses.replace(super().pod(number), twice=False)  # a review after the pod is there pays again

    async def reconcile(self, shortest: float = 20.0) -> None:
        await super().reconcile(shortest + 10_000)

    calm_start: float = 40.0
    """Until both have looked once."""


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Have an hour last ten seconds."""
    for module in (hours, archive, state, tranches):
        patch.setattr(module, "HOUR", HOUR)
    for module in (hours, limits, renewal, state, tranches):
        patch.setattr(module, "ENDING", ENDING)
