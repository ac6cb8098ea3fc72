"""What is done to pods, as lines of the record: each attempt, each breaker and who confirmed it, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.enforce.sweep import bounds
from admission.enforce.sweep.evictor import Outcome
from admission.enforce.sweep.record import Step, WorkloadOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from admission.api.enforcement import Breaker, Enforcement
    from admission.enforce.sweep.evictor import Victim
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.record import Line, Steps
    from admission.review.reasons import Reason

CLEARED = "it would be admitted now, or nothing is evicted for it any more"
OWN_LISTS = "the screening lists are older than screening.maxAge"

_STEPS = {
    Outcome.Evicted: Step.Evicted,
    Outcome.Deleted: Step.Deleted,
    Outcome.Refused: Step.Refused,
    Outcome.Gone: Step.Gone,
    Outcome.Failed: Step.Failed,
}


class Acted:
    """Remembers, for the term of a leader, what need not be said again."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._waits: frozenset[str] = frozenset()
        self._confirmed: dict[str, str] = {}

    async def ending(self, victim: Victim, confirmed_by: tuple[str, ...], *, late: bool) -> None:
        """Record that a pod is about to end; raises ``NotRecordedError``."""
        await self._steps.before(self._of_pod(Step.Deleting if late else Step.Evicting, victim, confirmed_by))

    async def left(self, victim: Victim, why: str) -> None:
        """Record that it is not ended after all."""
        await self._steps.after(self._of_pod(Step.NotEvicted, victim, detail=why))

    async def ended(self, victim: Victim, confirmed_by: tuple[str, ...], outcome: Outcome) -> None:
        """Record what came of it."""
        await self._steps.after(self._of_pod(_STEPS[outcome], victim, confirmed_by))

    async def opened(self, enforcement: Enforcement, breaker: Breaker) -> None:
        """Record a breaker before it opens; raises ``NotRecordedError``."""
        await self._steps.before(self._of_breaker(Step.BreakerOpened, enforcement, breaker))

    async def confirmed(self, bounding: Iterable[Enforcement]) -> tuple[str, ...]:
        """Return who confirmed what is evicted now, recorded once; raises ``NotRecordedError``."""
        confirmed = [each for each in bounding if bounds.is_confirmed(each)]
        for each in confirmed:
            breaker = each.status.breaker
            if breaker is not None and self._confirmed.get(each.name) != breaker.token:
                await self._steps.before(self._of_breaker(Step.Confirmed, each, breaker))
                self._confirmed[each.name] = breaker.token
        return tuple(sorted({each.spec.confirmed_by for each in confirmed} - {""}))

    async def waits(self, late: Mapping[str, Mapping[Reason, datetime]], found: Mapping[str, Found], why: str) -> None:
        """Record, once, the namespaces in which deadlines have passed and nothing is evicted."""
        before, self._waits = self._waits, frozenset(late)
        line = self._steps.line
        lines = [
            line(
                Step.NotEvicted,
                namespace=name,
                reasons=late[name],
                pods=found[name].count(late[name]),
                deadline=min(late[name].values()),
                detail=why or OWN_LISTS,
            )
            for name in sorted(late.keys() - before)
        ]
        await self._steps.after(*lines)

    def _of_pod(self, step: Step, victim: Victim, confirmed_by: tuple[str, ...] = (), detail: str = "") -> Line:
        meta = victim.pod.metadata
        return self._steps.line(
            step,
            namespace=meta.namespace,
            workload=WorkloadOf("Pod", meta.namespace, meta.name, meta.uid),
            reasons=victim.reasons,
            reference=victim.reference,
            deadline=victim.deadline,
            confirmed_by=confirmed_by,
            detail=detail,
        )

    def _of_breaker(self, step: Step, enforcement: Enforcement, breaker: Breaker) -> Line:
        return self._steps.line(
            step,
            pods=breaker.pods,
            enforcement=enforcement.name,
            token=breaker.token,
            confirmed_by=(enforcement.spec.confirmed_by,) if step is Step.Confirmed else (),
            detail=f"of {breaker.of} pods",
        )
