"""Evicts pods whose deadline has passed: the oldest deadline first, as fast and as many as every Enforcement allows.

What a budget refused comes after what was never tried: whoever makes budgets holds up nobody else's evictions.

Nothing is kept of single pods.  The pods of a namespace are read again when one is to be evicted, and each is judged
again then, and once more when it was recorded: what is cleared meanwhile is left alone.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from admission.api.enforcement import Action
from admission.enforce.sweep import bounds
from admission.enforce.sweep.acted import CLEARED, Acted
from admission.enforce.sweep.counting import Counting, Overdue
from admission.enforce.sweep.evictor import NEVER, Outcome, Victim
from admission.enforce.sweep.found import due
from admission.enforce.sweep.reader import created, of_namespace
from admission.enforce.sweep.steps import EVERYTHING, Granted, Policy, acting, evicting
from admission.enforce.sweep.termination import allowed_by, takes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
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

BATCH_SECONDS = 10.0
"""For which attempts are begun in one step, however long each takes."""

REST_SECONDS = 5.0
"""Until the pods of a namespace are read again in which no other than a refused one could be tried."""

Entries = dict[str, dict["Reason", "OwnFinding"]]
"""What stands in the Allowances, by namespace and reason."""


class _Again(NamedTuple):
    """A pod that was tried, or others beside it, and since when it may be tried again."""

    since: float
    pod: Pod
    overdue: Overdue


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
        granted: Granted = EVERYTHING,
    ) -> None:
        self._registry, self._statuses, self._reader = registry, statuses, reader
        self._evictor, self._suspender, self._shown = evictor, suspender, shown
        self._stale, self._holds, self._now, self._clock = stale, holds, now, clock
        self._granted = granted
        self._rests: dict[str, float] = {}
        self._acted = Acted(steps)
        self._counting = Counting(statuses, events, self._acted, now, clock)
        self.changed: set[str] = set()
        """Namespaces where pods were told to end since they were judged; whoever judges them clears it."""

    async def step(self, found: Mapping[str, Found], entries: Entries, waiting: str) -> None:
        """Evict what may be evicted now, and show what there is; raises ``ClusterError``."""
        await self._wait(found, entries, waiting)
        if not waiting:
            await self._evict(found, entries, None)
            self._note_ending(found, entries)
            await self._suspender.step(self._evicts if self._suspends() else None)
        await self._shown.show(found, entries, waiting)

    async def go_on(self, found: Mapping[str, Found], entries: Entries, elsewhere: int) -> None:
        """Evict what was due before this term, while not all pods were judged in it; raises ``ClusterError``.

        ``elsewhere`` are the pods that are due by the Allowances of namespaces that were not judged yet.
        """
        await self._evict(found, entries, elsewhere)

    async def unswept(self, waiting: str) -> None:
        """Show that not all pods could be judged in this term; raises ``ClusterError``."""
        await self._shown.show_unswept(waiting)

    def judged(self, namespace: str, found: Found) -> None:
        """Take note of what is left in a namespace."""
        self._suspender.judged(namespace, found)

    def _suspends(self) -> bool:
        return self._granted.suspend and any(each.spec.suspend_controllers for each in acting(self._statuses.every()))

    def _note_ending(self, found: Mapping[str, Found], entries: Entries) -> None:
        """Take note of what made the pods that end, whoever told them to: a leader before us may have."""
        policy, now = self._policy(), self._now()
        for name, these in found.items():
            late = self._due_in(name, entries, policy, now) if these.ends else {}
            for pod, reasons in these.ends.values():
                if reasons & late.keys():
                    self._suspender.note(pod, reasons & late.keys())

    async def _evict(self, found: Mapping[str, Found], entries: Entries, elsewhere: int | None) -> None:
        if not await self._counting.is_remembered():
            return
        overdue = self._overdue(found, entries)
        bounding = await self._counting.bounding(found, overdue, elsewhere)
        allowed = min((bounds.free(each, self._counting.paced_at) for each in bounding), default=0)
        if not overdue or allowed <= 0 or not self._evictor.room:
            return
        victims = await self._victims(overdue, bounding, min(allowed, AT_ONCE, self._evictor.room))
        if victims and await self._counting.is_announced(bounding, len(victims)):
            await self._end_all(victims, bounding)
            await self._counting.is_remembered()

    async def _end_all(self, victims: list[Victim], bounding: tuple[Enforcement, ...]) -> None:
        """End them one after the other, while there is time."""
        until = self._clock() + BATCH_SECONDS
        confirmed_by = await self._acted.confirmed(bounding)
        confirmed = any(map(bounds.is_confirmed, bounding))
        for victim in victims:
            if self._clock() >= until or not await self._end(victim, confirmed_by, confirmed=confirmed):
                return

    async def _end(self, victim: Victim, confirmed_by: tuple[str, ...], *, confirmed: bool) -> bool:
        """Record that a pod is about to end, end it, and record what came of it; False where no other may be now."""
        late = self._evictor.is_late(victim)
        await self._acted.ending(victim, confirmed_by, late=late)
        why = self._stale() or await self._spared(victim)
        if why:
            await self._acted.left(victim, why)
            return False
        self._counting.begun += 1
        outcome = await self._evictor.end(victim, late=late)
        if outcome in {Outcome.Evicted, Outcome.Deleted}:
            self.changed.add(victim.pod.metadata.namespace)
            told_before = victim.pod.metadata.deletion_timestamp is not None
            self._counting.ended += not (confirmed or told_before)
        self._suspender.note(victim.pod, victim.reasons)
        await self._acted.ended(victim, confirmed_by, outcome)
        return not self._evictor.not_granted

    async def _spared(self, victim: Victim) -> str:
        """Judge a pod by what is known now, as it was before others were ended; say why it is not, or ""."""
        namespace = victim.pod.metadata.namespace
        reviewed = await self._reader.review(victim.pod)
        left = reviewed.reasons & victim.reasons if reviewed and not self._holds(namespace) else ()
        return "" if any(self._evicts(namespace, reason) for reason in left) else CLEARED

    async def _wait(self, found: Mapping[str, Found], entries: Entries, waiting: str) -> None:
        """Note where deadlines have passed and nothing is evicted."""
        now, acts = self._now(), bool(evicting(self._statuses.every()))
        policy = self._policy()
        late = {name: self._due_in(name, entries, policy, now) for name, these in found.items() if acts and these.pods}
        held = {name: reasons for name, reasons in late.items() if reasons and (waiting or self._holds(name))}
        await self._acted.waits(held, found, waiting)

    def _overdue(self, found: Mapping[str, Found], entries: Entries) -> list[Overdue]:
        """What is due, the oldest deadline first."""
        now, policy = self._now(), self._policy()
        late = {name: self._due_in(name, entries, policy, now) for name, these in found.items() if these.pods}
        each = (
            Overdue(name, reasons, {reason: entries[name][reason].reference for reason in reasons})
            for name, reasons in late.items()
            if reasons and not self._holds(name)
        )
        return sorted(each, key=lambda one: one.oldest)

    def _evicts(self, namespace: str, reason: Reason) -> bool:
        return self._policy().of(reason, self._registry.mode(namespace)).action is Action.Evict

    def _policy(self) -> Policy:
        return Policy(acting(self._statuses.every()), self._granted.most)

    def _due_in(self, namespace: str, entries: Entries, policy: Policy, now: datetime) -> dict[Reason, datetime]:
        """What is due in a namespace and still to be evicted: its Allowance says for a while what was withdrawn."""
        mode = self._registry.mode(namespace)
        late = due(entries.get(namespace, {}), now)
        return {reason: at for reason, at in late.items() if policy.of(reason, mode).action is Action.Evict}

    # -- pods ------------------------------------------------------------------------------------

    async def _victims(self, overdue: Iterable[Overdue], bounding: Iterable[Enforcement], most: int) -> list[Victim]:
        """Return who is next: whoever was never tried, then whoever waits longest, so that budgets hold up no other."""
        breakers = [each.status.breaker for each in bounding]
        counted = min((each.at for each in breakers if each), default=None)
        victims: list[Victim] = []
        again: list[_Again] = []
        for one in overdue:
            reasons = {
                reason: at
                for reason, at in one.reasons.items()
                if all(bounds.covers(breaker, at) for breaker in breakers)
            }
            if reasons and self._rests.get(one.namespace, 0) <= self._clock():
                known = one._replace(reasons=reasons)
                new = [each async for each in self._in_namespace(known, counted, most, again)]
                if not new:
                    self._rest(one.namespace)
                victims += new
            if len(victims) >= most:
                return victims[:most]
        for each in again:
            victim = await self._victim(each.pod, each.overdue)
            victims += [victim] if victim and len(victims) < most else []
        return victims

    def _rest(self, namespace: str) -> None:
        now = self._clock()
        self._rests = {name: until for name, until in self._rests.items() if until > now}
        self._rests[namespace] = now + REST_SECONDS

    async def _in_namespace(
        self, overdue: Overdue, counted: datetime | None, most: int, again: list[_Again]
    ) -> AsyncIterator[Victim]:
        """Yield pods of a namespace that are to be tried first; keep others that may be tried now, so many at most."""
        found = 0
        async for pods in self._reader.live(of_namespace(overdue.namespace)):
            for pod in pods:
                since = self._ready_since(pod, counted)
                if since is not None and since > NEVER:
                    again.append(_Again(since, pod, overdue))
                victim = await self._victim(pod, overdue) if since == NEVER else None
                if victim is not None:
                    found += 1
                    yield victim
                if found >= most:
                    return
            again.sort(key=lambda each: each.since)
            del again[most:]

    def _ready_since(self, pod: Pod, counted: datetime | None) -> float | None:
        """Return since when a pod may be tried; None where it ends soon already, or came after what was counted."""
        if pod.metadata.deletion_timestamp is not None and takes(pod) <= self._allowed():
            return None
        if counted is not None:
            at = created(pod)
            if at is None or at > counted:
                return None
        return self._evictor.ready_since(pod)

    async def _victim(self, pod: Pod, overdue: Overdue) -> Victim | None:
        """Judge a pod once more; None where nothing that is due is found, or nothing is evicted for it any more."""
        reviewed = await self._reader.review(pod)
        if reviewed is None:
            return None
        policy, mode = self._policy(), self._registry.mode(overdue.namespace)
        taken = {reason: policy.of(reason, mode) for reason in reviewed.reasons & overdue.reasons.keys()}
        reasons = frozenset(reason for reason, each in taken.items() if each.action is Action.Evict)
        if not reasons:
            return None
        respect = {reason: taken[reason].respect for reason in reasons}
        until = max(overdue.reasons[reason] + timedelta(seconds=respect[reason]) for reason in reasons)
        if pod.metadata.deletion_timestamp is not None and self._now() < until:
            return None
        first = min(sorted(reasons), key=overdue.reasons.__getitem__)
        deadline, reference = overdue.reasons[first], overdue.references[first]
        return Victim(pod, reasons, deadline, reference, max(respect.values()), self._allowed())

    def _allowed(self) -> int:
        return allowed_by(evicting(self._statuses.every()))
