"""The simulated cluster with pods that name no end: they pay by tranches, and what is refused one is told to end.

Clocks of replicas are right here, as what goes on beyond what it has paid for is told by them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

from admission.decide.limits import Limit, Parties, whole
from admission.ledger.renewal import Renewing
from tests.ledger.paid import PaidWorld
from tests.ledger.paying import ENDING, HOUR, WINDOW, PaidServer, over_time
from tests.ledger.simulation import now

if TYPE_CHECKING:
    from collections.abc import Collection

    from admission.ledger.hours import Terms
    from admission.ledger.state import State
    from tests.ledger.simulation import ApiServer, Pod

NOTICE = 4
"""Seconds between what a tenant is told and the end of its pod."""


class RenewedServer(PaidServer):
    """Knows that a pod without an end may use what it has used so far, and holds each renewal against the budget."""

    def __init__(self, *about: object) -> None:
        super().__init__(*about)  # type: ignore[arg-type]  # the same
        self.paid_until: dict[str, dict[str, int]] = {}
        self.renewals = 0

    def may_use(self, pod: Pod) -> float:
        if not pod.charge.endless or pod.uid in self.promised:
            return super().may_use(pod)
        return now() - self.begun[pod.uid]

    def counted_now(self, state: State) -> int | None:
        total, second = over_time(state), math.ceil(now())
        if total is None:
            return None
        late = [*state.hours.overrun(second), *state._overstayed(second)]
        return total + sum(seconds for _, seconds in late)

    def check(self) -> None:
        super().check()
        for scope, state in self.counted():
            before = self.paid_until.get(scope, {})
            self.paid_until[scope] = {uid: each.seconds for (uid, _), each in state.hours.tranches.items()}
            if any(uid in before and n > before[uid] for uid, n in self.paid_until[scope].items()):
                self.renewals += 1
                self._check_renewal(scope, state)

    def _check_renewal(self, scope: str, state: State) -> None:
        total = over_time(state)
        if total is not None and total > self.budgets[scope]:
            self.note(f"{scope}: {total} device-seconds counted after a renewal, {self.budgets[scope]} allowed")


@dataclasses.dataclass
class RenewedWorld(PaidWorld):
    """Half of the pods have no end; of those that are refused an hour, most are told to end, and do."""

    told: float = 0.8

    def _server(self) -> ApiServer:
        return RenewedServer(self.rng, self.faults, self.allowed, self.payable)

    def wrong(self) -> float:
        return 0.0

    def pod(self, number: int) -> Pod:
        pod = super().pod(number)
        if number % 2:
            return pod
        charge = dataclasses.replace(pod.charge, seconds=HOUR + NOTICE, endless=True)
        return dataclasses.replace(pod, charge=charge)

    def holding(self, pod: Pod) -> float:
        return self.rng.uniform(0, 60) if pod.charge.endless else super().holding(pod)

    def over_time(self) -> dict[str, Any]:
        return super().over_time() | {
            "renewing": self._renewing,
            "refused": self._tell,
        }

    def _terms(self, scope: str) -> Terms:
        return super()._terms(scope)._replace(tranches=True)

    def _renewing(self, scope: str) -> Renewing | None:
        return Renewing(functools.partial(self.limits_of, scope), lambda _: NOTICE) if scope in self.payable else None

    def limits_of(self, scope: str, party: str, counts: object) -> tuple[Limit, ...]:  # noqa: ARG002 (there is one class)
        """Return what a party's next hour must fit in a scope."""
        amount = self.budgets[scope]
        return (Limit(scope, "deviceHours", amount, {"h100": 1}, None, Parties.of(whole, party), WINDOW),)

    def _tell(self, uids: Collection[str]) -> None:
        for uid in sorted(uids):
            pod = self.server.live.get(uid)
            if pod is not None and self.rng.random() < self.told:
                asyncio.get_running_loop().call_later(self.rng.uniform(0, NOTICE + ENDING), self._evict, pod)

    def _evict(self, pod: Pod) -> None:
        if self.server.live.get(pod.uid) is pod:
            self.server.delete(pod)
