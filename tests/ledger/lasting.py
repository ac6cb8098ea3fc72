"""Pods without an end under more than a budget: under a longest hold, and of tenants that are spread over shards."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.decide.shards import Shard
from tests.ledger.holding import GROUP, KEY, HeldServer, HeldWorld
from tests.ledger.paying import ENDING
from tests.ledger.renewing import RenewedServer, RenewedWorld
from tests.ledger.renumbered import LIMITS, ONE, OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.decide.limits import Limit
    from admission.ledger.state import State
    from tests.ledger.simulation import ApiServer, Pod

SHORT = 60
"""The longest hold: ends come often."""


class LastingServer(RenewedServer, HeldServer):
    """Knows that nobody is paid for beyond the end of the longest hold."""

    longest = SHORT

    def _check_renewal(self, scope: str, state: State) -> None:
        super()._check_renewal(scope, state)
        hold = state.hours.holds.get((GROUP, KEY))
        for (uid, _), each in state.hours.tranches.items():
            if hold is not None and each.until > hold.since + self.longest + ENDING:
                self.note(f"{scope}: {uid} has paid for {each.until - hold.since} s of a hold")


@dataclasses.dataclass
class LastingWorld(HeldWorld, RenewedWorld):
    """Pods without an end of one ownership group, renewed until its longest hold is over."""

    pods: int = 90
    span: float = 300.0
    longest: int = SHORT
    payable: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"CN": 1500, "group": 900})

    def _server(self) -> ApiServer:
        return LastingServer(self.rng, self.faults, self.allowed, self.payable)

    def limits_of(self, scope: str, party: str, counts: object) -> tuple[Limit, ...]:
        return (*super().limits_of(scope, party, counts), self.hold_of(scope, party))


@dataclasses.dataclass
class SpreadWorld(RenewedWorld):
    """The same for two tenants in shards of their own, which pay in the ledger of both: time is not spread."""

    allowed: Mapping[str, int] = dataclasses.field(default_factory=lambda: LIMITS)
    payable: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"DE": 400})
    shards: int = 2

    def pod(self, number: int) -> Pod:
        pod, tenant = super().pod(number), self.rng.choice((ONE, OTHER))
        scopes = "DE", Shard.of("DE", "tenants", tenant, self.shards).name
        return dataclasses.replace(pod, charge=dataclasses.replace(pod.charge, party=tenant), scopes=scopes)
