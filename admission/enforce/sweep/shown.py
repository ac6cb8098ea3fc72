"""Shows operators what was found: the status of each Enforcement, written where it says something else."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from admission.api.enforcement import Action, DoneMode, Findings
from admission.enforce.conditions import condition
from admission.enforce.sweep.found import due
from admission.enforce.sweep.steps import Policy
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.api.allowance import OwnFinding
    from admission.api.enforcement import Enforcement
    from admission.api.object import Condition
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.statuses import Statuses

SECONDS = 1.0
"""Between two looks at what is shown."""


class Shown:
    """Keeps the statuses current; ``totals`` are pods by reason, of all namespaces."""

    def __init__(
        self, statuses: Statuses, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._statuses, self._now, self._clock = statuses, now, clock
        self._at = float("-inf")
        self.totals: Counter[Reason] = Counter()

    async def show(
        self, found: Mapping[str, Found], entries: Mapping[str, Mapping[Reason, OwnFinding]], waiting: str
    ) -> None:
        """Write the statuses that say something else, once a second at most; raises ``ClusterError``."""
        if self._clock() - self._at < SECONDS:
            return
        self._at = self._clock()
        by_namespace = {name: each.by_reason() for name, each in found.items() if each.pods}
        self.totals = sum(by_namespace.values(), Counter[Reason]())
        places = Counter(reason for each in by_namespace.values() for reason in each)
        now = self._now()
        overdue = sum(each.count(due(entries.get(name, {}), now)) for name, each in found.items())
        every = sum(sum(each.pods.values()) for each in found.values())
        for enforcement in self._statuses.every():
            policy = Policy([enforcement])
            rows = [
                _row(policy, reason, self.totals[reason], places[reason], entries) for reason in sorted(self.totals)
            ]
            fields = {
                "findings": rows,
                "summary": f"{every}/{overdue}",
                "conditions": [_acting(enforcement, waiting, now)],
            }
            if any(getattr(enforcement.status, name) != value for name, value in fields.items()):
                await self._statuses.write(enforcement, **fields)


def _row(
    policy: Policy, reason: Reason, pods: int, places: int, entries: Mapping[str, Mapping[Reason, OwnFinding]]
) -> Findings:
    taken, deadline = policy.of(reason), None
    if taken.action is Action.Evict:
        grace = timedelta(seconds=taken.grace)
        told = [each[reason] for each in entries.values() if reason in each]
        deadline = min((each.deadline or each.since + grace for each in told), default=None)
    return Findings(reason=str(reason), action=taken.action, pods=pods, namespaces=places, deadline=deadline)


def _acting(enforcement: Enforcement, waiting: str, now: datetime) -> Condition:
    breaker = enforcement.status.breaker
    if enforcement.spec.mode is DoneMode.DryRun:
        reason, message = "DryRun", ""
    elif waiting:
        reason, message = str(Reason.NotSynced), waiting
    elif breaker is not None and enforcement.spec.confirmed != breaker.token:
        reason, message = (
            "BreakerOpen",
            f"write {breaker.token} into spec.confirmed, your name into confirmedBy: {breaker.pods} pods are evicted",
        )
    else:
        reason, message = "Enforcing", ""
    return condition(
        "Acting",
        reason,
        holds=reason == "Enforcing",
        current=enforcement.status.conditions,
        now=now,
        generation=enforcement.metadata.generation,
        message=message[:1024],
    )
