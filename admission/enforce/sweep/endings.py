"""How long the ending of a pod takes that is refused its next hour, as the Enforcements that act have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.enforcement import Action, Enforcement
from admission.enforce.sweep.steps import Policy, acting
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.decide.registry import Registry
    from admission.enforce.sweep.steps import Granted

OVER_TIME = (Reason.HoursExhausted, Reason.HoldTooLong)
"""Reasons for which a pod that has paid so far may not go on."""


class Endings:
    """Seconds by reason, found anew once an object changes; nothing for what no Enforcement evicts for."""

    def __init__(self, registry: Registry, granted: Granted) -> None:
        self._registry, self._granted = registry, granted
        self._basis: object = None
        self._known: Mapping[Reason, int] = {}

    def __call__(self) -> Mapping[Reason, int]:
        """Return for how many seconds a pod may run on from when its tenant is told: grace, then its budgets."""
        if self._registry.generation is not self._basis:
            policy = Policy(acting(self._registry.every(Enforcement)), self._granted.most)
            taken = {reason: policy.of(reason) for reason in OVER_TIME}
            ends = {reason: each.grace + each.respect for reason, each in taken.items() if each.action is Action.Evict}
            self._basis, self._known = self._registry.generation, ends
        return self._known
