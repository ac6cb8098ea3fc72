"""Shows operators what was found: the status of each Enforcement, written where it says something else."""

from __future__ import annotations

import enum
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from admission.api.enforcement import Action, DoneMode, Findings
from admission.api.policy import Mode
from admission.enforce.conditions import condition
from admission.enforce.sweep import bounds
from admission.enforce.sweep.found import due
from admission.enforce.sweep.steps import EVERYTHING, Granted, Policy, evicting
from admission.enforce.sweep.termination import allowed_by, lingers
from admission.review import notices
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.api.allowance import OwnFinding
    from admission.api.enforcement import Enforcement
    from admission.api.object import Condition
    from admission.enforce.sweep.evictor import Evictor
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.statuses import Statuses

SECONDS = 1.0
"""Between two looks at what is shown."""


class Acting(enum.StrEnum):
    """Why the condition ``Acting`` of an Enforcement is as it is."""

    Enforcing = "Enforcing"
    BreakerExpected = "BreakerExpected"
    """It acts, and evictions would wait for somebody if all that is found was due."""
    DryRun = "DryRun"
    NotGranted = "NotGranted"
    """The server has no right to do what it asks for."""
    NotSynced = str(Reason.NotSynced)
    BreakerOpen = "BreakerOpen"
    NotSwept = "NotSwept"
    """Not all pods could be judged since this replica leads."""


class Shown:
    """Keeps the statuses current; ``totals`` are pods by reason, and by the mode of their namespace."""

    def __init__(
        self,
        statuses: Statuses,
        mode: Callable[[str], Mode],
        evictor: Evictor,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        granted: Granted = EVERYTHING,
    ) -> None:
        self._statuses, self._mode, self._evictor, self._granted = statuses, mode, evictor, granted
        self._now, self._clock = now, clock
        self._at = float("-inf")
        self._found: Mapping[str, Found] = {}
        self.totals: Counter[tuple[Reason, Mode]] = Counter()
        self.lingering = 0
        """Pods that were told to end, and should have."""
        self.breaker_expected = False
        """Whether evictions will wait for somebody, if all that is found comes to be due."""

    async def show(
        self, found: Mapping[str, Found], entries: Mapping[str, Mapping[Reason, OwnFinding]], waiting: str
    ) -> None:
        """Write the statuses that say something else, once a second at most; raises ``ClusterError``."""
        if self._clock() - self._at < SECONDS:
            return
        self._at, now = self._clock(), self._now()
        self._found, places = found, self._count(found)
        overdue = sum(each.count(due(entries.get(name, {}), now)) for name, each in found.items())
        summary = f"{sum(sum(each.pods.values()) for each in found.values())}/{overdue}"
        allowed = allowed_by(evicting(self._statuses.every()))
        self.lingering = sum(lingers(told, allowed, now) for each in found.values() for told in each.told)
        self.breaker_expected = False
        for enforcement in self._statuses.every():
            fields = {
                "findings": self._rows(enforcement, places, entries),
                "summary": summary,
                "lingering": self.lingering,
                "conditions": [self._acting(enforcement, waiting, now)],
            }
            if any(getattr(enforcement.status, name) != value for name, value in fields.items()):
                await self._statuses.write(enforcement, **fields)

    def _count(self, found: Mapping[str, Found]) -> Counter[tuple[Reason, Mode]]:
        """Count the pods, and return in how many namespaces they are."""
        totals: Counter[tuple[Reason, Mode]] = Counter()
        places: Counter[tuple[Reason, Mode]] = Counter()
        for name, each in found.items():
            for reason, pods in each.by_reason().items():
                totals[reason, self._mode(name)] += pods
                places[reason, self._mode(name)] += 1
        self.totals = totals
        return places

    def _rows(
        self,
        enforcement: Enforcement,
        places: Counter[tuple[Reason, Mode]],
        entries: Mapping[str, Mapping[Reason, OwnFinding]],
    ) -> list[Findings]:
        """Return what is done about each reason, or would be: in namespaces of another mode something else."""
        done = enforcement.spec.mode is DoneMode.Enforce
        policy = Policy([enforcement], self._granted.most if done else Action.Evict)
        pods, namespaces = by_action(policy, self.totals), by_action(policy, places)
        return [
            Findings(
                reason=str(reason),
                action=action,
                pods=pods[reason, action],
                namespaces=namespaces[reason, action],
                deadline=self._deadline(policy, reason, entries) if action is Action.Evict else None,
            )
            for reason, action in sorted(pods)
        ]

    def _deadline(
        self, policy: Policy, reason: Reason, entries: Mapping[str, Mapping[Reason, OwnFinding]]
    ) -> datetime | None:
        grace = timedelta(seconds=policy.of(reason).grace)
        told = (each[reason] for name, each in entries.items() if reason in each and self._evicts(policy, reason, name))
        return min((each.deadline or each.since + grace for each in told), default=None)

    def _evicts(self, policy: Policy, reason: Reason, namespace: str) -> bool:
        return policy.of(reason, self._mode(namespace)).action is Action.Evict

    def _obstacle(self, enforcement: Enforcement, waiting: str) -> tuple[Acting | None, str]:
        """Return what keeps it from acting, None where nothing does, and a sentence."""
        breaker, spec = enforcement.status.breaker, enforcement.spec
        if spec.mode is DoneMode.DryRun:
            return Acting.DryRun, self._would_open(enforcement)
        if any(step.action is Action.Evict for step in spec.steps) and not self._granted.evict:
            return Acting.NotGranted, notices.not_granted("evict")
        if waiting:
            return Acting.NotSynced, waiting
        if breaker is not None and spec.confirmed != breaker.token:
            return Acting.BreakerOpen, notices.breaker_waits(breaker.pods, breaker.token)
        if self._evictor.not_granted:
            return Acting.NotGranted, self._evictor.not_granted
        return None, notices.not_granted("suspend") if spec.suspend_controllers and not self._granted.suspend else ""

    def _would_open(self, enforcement: Enforcement) -> str:
        """Say that evictions would wait for somebody, if all that is found was due; "" where they would not."""
        policy = Policy([enforcement])
        evicted = {mode: frozenset(r for r in Reason if policy.of(r, mode).action is Action.Evict) for mode in Mode}
        due = sum(each.count(evicted[self._mode(name)]) for name, each in self._found.items())
        of = max(due, sum(each.controlled for each in self._found.values()))
        share = enforcement.spec.most_share
        return notices.breaker_would_open(share) if bounds.is_beyond(due, of, share) else ""

    async def show_unswept(self, waiting: str) -> None:
        """Write that not all pods could be judged in this term, and nothing new is done; raises ``ClusterError``."""
        for enforcement in self._statuses.every():
            said = _condition(enforcement, Acting.NotSwept, notices.not_swept(waiting), holds=False, now=self._now())
            if enforcement.status.conditions != [said]:
                await self._statuses.write(enforcement, conditions=[said])

    def _acting(self, enforcement: Enforcement, waiting: str, now: datetime) -> Condition:
        obstacle, message = self._obstacle(enforcement, waiting)
        expected = "" if obstacle or enforcement.status.breaker else self._would_open(enforcement)
        self.breaker_expected |= bool(expected)
        reason = obstacle or (Acting.BreakerExpected if expected else Acting.Enforcing)
        return _condition(enforcement, reason, " ".join(filter(None, [expected, message])), holds=not obstacle, now=now)


def _condition(enforcement: Enforcement, reason: Acting, message: str, *, holds: bool, now: datetime) -> Condition:
    return condition(
        "Acting",
        reason,
        holds=holds,
        current=enforcement.status.conditions,
        now=now,
        generation=enforcement.metadata.generation,
        message=message[:1024],
    )


def by_action(policy: Policy, counts: Mapping[tuple[Reason, Mode], int]) -> Counter[tuple[Reason, Action]]:
    """Return counts by what is done in a namespace of that mode."""
    found: Counter[tuple[Reason, Action]] = Counter()
    for (reason, mode), count in counts.items():
        found[reason, policy.of(reason, mode).action] += count
    return found
