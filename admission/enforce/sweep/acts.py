"""Evicts pods whose deadline has passed: the oldest deadline first, as fast and as many as every Enforcement allows.

Nothing is kept of single pods.  The pods of a namespace are read again when one is to be evicted, and each is judged
again then: what is cleared meanwhile is left alone.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from admission.api import API_VERSION
from admission.cluster.events import Regarding
from admission.enforce.sweep import bounds
from admission.enforce.sweep.acted import Acted
from admission.enforce.sweep.evictor import Victim
from admission.enforce.sweep.found import due
from admission.enforce.sweep.reader import of_namespace
from admission.enforce.sweep.steps import Policy, acting, evicting
from admission.review import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.api.allowance import OwnFinding
    from admission.api.enforcement import Enforcement
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.enforce.sweep.evictor import Evictor
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.reader import Reader
    from admission.enforce.sweep.record import Steps
    from admission.enforce.sweep.shown import Shown
    from admission.enforce.sweep.statuses import Statuses
    from admission.enforce.sweep.suspender import Suspender
    from admission.review.pod import Pod
    from admission.review.reasons import Reason

AT_ONCE = 20
"""Attempts in one step: between two steps it is looked again whether anything has changed."""

REST_SECONDS = 5.0
"""Until the pods of a namespace are read again in which none could be tried."""

Entries = dict[str, dict["Reason", "OwnFinding"]]
"""What stands in the Allowances, by namespace and reason."""


class Overdue(NamedTuple):
    """What is due in one namespace: deadlines by reason."""

    namespace: str
    reasons: dict[Reason, datetime]

    @property
    def oldest(self) -> datetime:
        """The first deadline."""
        return min(self.reasons.values())


class Acts:
    """What is done; ``stale`` says why nothing must be, ``holds`` in which namespaces."""

    def __init__(
        self,
        registry: Registry,
        statuses: Statuses,
        reader: Reader,
        *,
        evictor: Evictor,
        suspender: Suspender,
        shown: Shown,
        events: Events,
        steps: Steps,
        stale: Callable[[], str],
        holds: Callable[[str], bool],
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._statuses, self._reader = registry, statuses, reader
        self._evictor, self._suspender, self._shown, self._events = evictor, suspender, shown, events
        self._stale, self._holds, self._now, self._clock = stale, holds, now, clock
        self._rests: dict[str, float] = {}
        self._acted = Acted(steps)

    async def step(self, found: Mapping[str, Found], entries: Entries, waiting: str) -> None:
        """Evict what may be evicted now, and show what there is; raises ``ClusterError``."""
        await self._wait(found, entries, waiting)
        if not waiting:
            await self._evict(found, entries)
            await self._suspender.step(self._suspends())
        await self._shown.show(found, entries, waiting)

    def judged(self, namespace: str, found: Found) -> None:
        """Take note of what is left in a namespace."""
        self._suspender.judged(namespace, found)

    def _suspends(self) -> bool:
        return any(each.spec.suspend_controllers for each in acting(self._statuses.every()))

    async def _evict(self, found: Mapping[str, Found], entries: Entries) -> None:
        overdue = self._overdue(found, entries)
        bounding = await self._counted(found, overdue)
        allowed = min((bounds.free(each, self._now()) for each in bounding), default=0)
        if not overdue or allowed <= 0:
            return
        victims = await self._victims(overdue, bounding, min(allowed, AT_ONCE))
        if victims and await self._announced(bounding, len(victims)):
            confirmed_by = await self._acted.confirmed(bounding)
            for victim in victims:
                if not await self._end(victim, confirmed_by):
                    return

    async def _end(self, victim: Victim, confirmed_by: tuple[str, ...]) -> bool:
        """Record that a pod is about to end, end it, and record what came of it; False where it must not be now."""
        late = self._evictor.is_late(victim)
        await self._acted.ending(victim, confirmed_by, late=late)
        stale = self._stale()
        if stale:
            await self._acted.left(victim, stale)
            return False
        outcome = await self._evictor.end(victim, late=late)
        self._suspender.note(victim.pod)
        await self._acted.ended(victim, confirmed_by, outcome)
        return True

    async def _wait(self, found: Mapping[str, Found], entries: Entries, waiting: str) -> None:
        """Note where deadlines have passed and nothing is evicted."""
        now, acts = self._now(), bool(evicting(self._statuses.every()))
        late = {name: due(entries.get(name, {}), now) for name, these in found.items() if acts and these.pods}
        held = {name: reasons for name, reasons in late.items() if reasons and (waiting or self._holds(name))}
        await self._acted.waits(held, found, waiting)

    def _overdue(self, found: Mapping[str, Found], entries: Entries) -> list[Overdue]:
        """What is due, the oldest deadline first."""
        now = self._now()
        each = (Overdue(name, due(entries.get(name, {}), now)) for name, these in found.items() if these.pods)
        return sorted(
            (one for one in each if one.reasons and not self._holds(one.namespace)), key=lambda one: one.oldest
        )

    # -- bounds ----------------------------------------------------------------------------------

    async def _counted(self, found: Mapping[str, Found], overdue: list[Overdue]) -> tuple[Enforcement, ...]:
        """Return the Enforcements whose bounds hold, with their breakers after a count; none where one is not known."""
        total = sum(each.controlled for each in found.values())
        pods = sum(found[one.namespace].count(one.reasons) for one in overdue)
        bounding = []
        for each in evicting(self._statuses.every()):
            covered = _covered(each, found, overdue)
            counted = await self._broken(each, pods, covered, max(total, pods))
            if counted is None:
                return ()
            bounding.append(counted)
        return tuple(bounding)

    async def _broken(self, enforcement: Enforcement, pods: int, covered: int, of: int) -> Enforcement | None:
        before = enforcement.status.breaker
        after = bounds.breaker_after(enforcement, pods, covered, of, self._now())
        if after == before:
            return enforcement
        if after is not None:
            await self._acted.opened(enforcement, after)
        written = await self._statuses.write(enforcement, breaker=after)
        if written is not None and after is not None:
            about = Regarding(API_VERSION, "Enforcement", enforcement.name, enforcement.metadata.uid)
            note = notices.breaker_open(after.pods, after.of, enforcement.spec.most_share, after.token)
            self._events.record(about, "BreakerOpen", note, action="Evict", warning=True, transition=after.token)
        return written

    async def _announced(self, bounding: Iterable[Enforcement], pods: int) -> bool:
        """Write how many attempts there will be, everywhere, before the first of them."""
        now = self._now()
        for each in bounding:
            status = each.status
            breaker = status.breaker and status.breaker.model_copy(update={"evicted": status.breaker.evicted + pods})
            attempts = bounds.announced(status.attempts, pods, now)
            fields = {"attempts": attempts, "attempted": status.attempted + pods, "breaker": breaker}
            if await self._statuses.write(each, **fields) is None:
                return False
        return True

    # -- pods ------------------------------------------------------------------------------------

    async def _victims(self, overdue: Iterable[Overdue], bounding: Iterable[Enforcement], most: int) -> list[Victim]:
        breakers = [each.status.breaker for each in bounding]
        victims: list[Victim] = []
        for one in overdue:
            reasons = {
                reason: at
                for reason, at in one.reasons.items()
                if all(bounds.covers(breaker, at) for breaker in breakers)
            }
            if reasons and self._rests.get(one.namespace, 0) <= self._clock():
                found = await self._in_namespace(Overdue(one.namespace, reasons), most - len(victims))
                if not found:
                    self._rest(one.namespace)
                victims += found
            if len(victims) >= most:
                break
        return victims

    def _rest(self, namespace: str) -> None:
        now = self._clock()
        self._rests = {name: until for name, until in self._rests.items() if until > now}
        self._rests[namespace] = now + REST_SECONDS

    async def _in_namespace(self, overdue: Overdue, most: int) -> list[Victim]:
        victims: list[Victim] = []
        policy, mode = Policy(acting(self._statuses.every())), self._registry.mode(overdue.namespace)
        async for pods in self._reader.live(of_namespace(overdue.namespace)):
            for pod in pods:
                if len(victims) >= most:
                    return victims
                reasons = await self._due(pod, overdue)
                if reasons:
                    respect = max(
                        overdue.reasons[reason] + timedelta(seconds=policy.of(reason, mode).respect)
                        for reason in reasons
                    )
                    deadline = min(overdue.reasons[reason] for reason in reasons)
                    victims.append(Victim(pod, reasons, deadline, respect))
        return victims

    async def _due(self, pod: Pod, overdue: Overdue) -> frozenset[Reason]:
        """Return why a pod is to be evicted now, as it is judged now; nothing where it is on its way already."""
        if pod.metadata.deletion_timestamp is not None or self._evictor.waits(pod.metadata.uid):
            return frozenset()
        reviewed = await self._reader.review(pod)
        return reviewed.reasons & overdue.reasons.keys() if reviewed else frozenset()


def _covered(enforcement: Enforcement, found: Mapping[str, Found], overdue: Iterable[Overdue]) -> int:
    """Pods of those that are due that the breaker of an Enforcement has counted."""
    breaker = enforcement.status.breaker
    return sum(
        found[one.namespace].count(reason for reason, at in one.reasons.items() if bounds.covers(breaker, at))
        for one in overdue
    )
