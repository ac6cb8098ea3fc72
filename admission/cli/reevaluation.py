"""Re-evaluation as part of the upkeep: the sweep of ``enforce``, judging by the same Judge as admission."""

from __future__ import annotations

import functools
import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from admission.api.enforcement import Enforcement
from admission.cli.followed import Followed
from admission.enforce.reports.writer import Facts as Reported
from admission.enforce.reports.writer import Reports
from admission.enforce.sweep.acts import Acts
from admission.enforce.sweep.claims import Unadmitted
from admission.enforce.sweep.engine import Facts, Sweep
from admission.enforce.sweep.evictor import Evictor, Outcome
from admission.enforce.sweep.found import reason_of
from admission.enforce.sweep.reader import Reader, Reviewed
from admission.enforce.sweep.record import Steps
from admission.enforce.sweep.shown import Shown, by_action
from admission.enforce.sweep.statuses import Statuses
from admission.enforce.sweep.steps import Granted
from admission.enforce.sweep.suspender import Suspender
from admission.enforce.sweep.told import Told
from admission.ledger.given import instant
from admission.review.pod import MIRROR
from admission.review.reasons import PublicCode, Reason
from admission.review.reference import references_of
from admission.server.asking import completed
from admission.server.case import Ask
from admission.server.metrics import counter, counters, gauge

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import msgspec
    from prometheus_client.metrics_core import Metric

    from admission.api.allowance import Allowance
    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.enforce.sweep.found import Refer
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod
    from admission.review.reference import Keys
    from admission.server.claims import Lookup
    from admission.server.figures import Samples
    from admission.server.judge import Judge, Judgement
    from admission.server.settings import Settings

MOST_APART = 30.0
"""Seconds that our clock and the API server's may differ while anything is done by it."""

SILENCE = 90.0
"""Seconds for which the API server may have answered nothing: its last answer tells the time as of then."""


def granted_by(settings: Settings) -> Granted:
    """Return what the installation was granted to do."""
    return Granted(settings.enforcement.evict, settings.enforcement.suspend)


class Judging(NamedTuple):
    """What judges, and what it looks up."""

    judge: Judge
    lookup: Lookup
    keys: Keys
    """Of references."""
    unready: Callable[[], str]


class Reviewer:
    """Judges a pod that runs as if it were created now, reserving nothing; ``since`` is when use was first recorded.

    ``unadmitted`` says whether a pod uses a claim that nobody was asked about; ``followed`` has the claims that were
    seen, and what it lacks is asked for.
    """

    def __init__(
        self,
        judging: Judging,
        now: Callable[[], dt.datetime],
        since: Callable[[], float],
        unadmitted: Callable[[Pod], bool],
        followed: Lookup,
    ) -> None:
        self._judging, self._now, self._since, self._unadmitted = judging, now, since, unadmitted
        self._followed = followed

    async def __call__(self, pod: Pod) -> Reviewed | None:
        """Return what it would be told; None where nobody can tell now."""
        return self.reviewed(pod, await self.judged(pod))

    async def judged(self, pod: Pod) -> Judgement:
        """Judge it."""
        meta = pod.metadata
        ask = Ask(meta.uid, meta.namespace, meta.name, pod, dry_run=True, running=True)
        ask = await self._with_claims(ask)
        return await self._judging.judge.judge(ask, self._now(), math.inf)

    def reviewed(self, pod: Pod, judgement: Judgement) -> Reviewed | None:
        """Return what a judgement of it says, and what no admission could have refused."""
        now = self._now()
        if judgement.demand.is_empty:
            return Reviewed()
        reasons = {finding.reason for finding in judgement.findings}
        if any(reason.code is PublicCode.TryAgain for reason in reasons):
            return None
        rules = self._judging.judge.registry.rules(now)
        controlled = bool(judgement.demand.access) or any(map(rules.controlled, judgement.demand.every_class()))
        return Reviewed(frozenset(reasons | self._ungranted(pod, now)), controlled)

    async def _with_claims(self, ask: Ask) -> Ask:
        """Return the ask with the claims of its pod: as they were seen last, or all as they are where one was not."""
        seen = await completed(ask, "", self._followed, ())
        if all(each.spec is not None for each in seen.claims.values()):
            return seen
        return await completed(ask, "", self._judging.lookup, ())

    def _ungranted(self, pod: Pod, now: dt.datetime) -> set[Reason]:
        """Why no admission could have refused it."""
        found = set()
        if MIRROR in (pod.metadata.annotations or {}):
            found.add(Reason.StaticPod)
        if instant(pod.metadata.creation_timestamp, now) < self._since() or self._unadmitted(pod):
            found.add(Reason.BeforeInstall)
        return found


class Reevaluation:
    """The sweep with all its parts, for one term of leadership."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        judging: Judging,
        events: Events,
        *,
        allowances: Mapping[str, Allowance],
        claims: Mapping[str, ResourceClaim],
        settings: Settings,
        occupied: Callable[[], Iterable[str]],
        behind: Callable[[], bool],
        since: Callable[[], float],
        record: Callable[[Sequence[msgspec.Struct]], asyncio.Future[None]],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._client, self._registry, self._judging, self._behind, self._now = client, registry, judging, behind, now
        excluded = settings.excluded_namespaces
        self.unadmitted = Unadmitted(excluded, since, now)
        followed = Followed(claims, judging.lookup, keep=settings.enforcement.sweep_seconds)
        review = Reviewer(judging, now, since, self.unadmitted.used_by, followed)
        strict = settings.record.on_failure == "Deny"
        self.steps = Steps(record, strict=strict, tenant=lambda name: registry.requester(name).tenant_name, now=now)
        told = Told(
            client, registry, events, allowances, self._refer, steps=self.steps, contact=settings.contact, now=now
        )
        reader = Reader(client, review, excluded, lambda _: None)
        self.evictor, self.suspender = Evictor(client), Suspender(client, self.steps, reader)
        self.statuses = Statuses(client, registry)
        granted = granted_by(settings)
        self.shown = Shown(self.statuses, registry.mode, self.evictor, now=now, granted=granted)
        acts = Acts(
            registry,
            self.statuses,
            reader,
            evictor=self.evictor,
            suspender=self.suspender,
            shown=self.shown,
            events=events,
            steps=self.steps,
            stale=self.stale,
            holds=told.holds,
            now=now,
            granted=granted,
        )
        facts = Facts(self.stale, occupied, now, settings.enforcement.sweep_seconds, granted=granted)
        self.sweep = Sweep(client, registry, review, told=told, acts=acts, facts=facts, excluded=excluded)
        self._told = told
        self.reports = Reports(client, self._reported)

    def _reported(self) -> Reported | None:
        """What OpenReports are made of; None before all pods were judged, when nobody knows what is over."""
        if not self.sweep.is_whole:
            return None
        return Reported(self.sweep.found, self._told.entries, self.sweep.policy)

    def stale(self) -> str:
        """Return why nothing is concluded from what we know, or ""."""
        registry = self._registry
        unread = sorted(name for kind, name in registry.unreadable if kind == "Enforcement")
        if unread:
            return f"Enforcement {unread[0]} cannot be read"
        if self._behind():
            return "the pods are being listed"
        return self._judging.unready() or registry.held_back_at(self._now()) or self._apart()

    def _apart(self) -> str:
        """Why the clock is not to be trusted: the API server's own is another."""
        if not self._client.date:
            return ""
        try:
            apart = (self._now() - parsedate_to_datetime(self._client.date)).total_seconds()
        except ValueError:
            return ""
        # The last answer began a while ago: a watch is heard of every minute.
        return "" if -MOST_APART < apart < MOST_APART + SILENCE else f"the clock is {apart:.0f} s off the API server's"

    def figures(self) -> Iterable[Metric]:
        """Return what was found and done in this term."""
        found = by_action(self.sweep.policy, self.shown.totals)
        pods: Samples = {(str(reason), str(action)): float(count) for (reason, action), count in found.items()}
        open_: Samples = {(): float(any(each.status.breaker for each in self._registry.every(Enforcement)))}
        stale: Samples = {(): float(bool(self.stale()))}
        outcomes: Samples = {(str(outcome),): float(self.evictor.outcomes[outcome]) for outcome in Outcome}
        lingering: Samples = {(): float(self.shown.lingering)}
        took = self.sweep.took
        ages: Samples = {(): self.sweep.age}
        expected: Samples = {(): float(self.shown.breaker_expected)}
        times: Samples = {} if took is None else {(): took}
        judged: Samples = {(outcome,): float(count) for outcome, count in self.sweep.judged.items()}
        untold: Samples = {(): float(len(self.sweep.untold))}
        claims: Samples = {(): float(len(self.unadmitted.names()))}
        return (
            gauge("computegate_found_pods", "Pods that run and would be denied now.", pods, ("reason", "action")),
            gauge("computegate_unadmitted_claims", "Claims with devices that nobody was asked about.", claims, ()),
            counters("computegate_evictions", "Attempts to evict, by outcome.", outcomes, ("outcome",)),
            gauge("computegate_eviction_breaker", "Whether evictions wait for a person.", open_, ()),
            gauge("computegate_eviction_breaker_expected", "Whether they will, as it is found.", expected, ()),
            gauge("computegate_lingering_pods", "Found pods that should have ended by now.", lingering, ()),
            gauge("computegate_sweep_age_seconds", "Time since all pods were judged, or since it leads.", ages, ()),
            gauge("computegate_sweep_seconds", "How long the last judging of all pods took.", times, ()),
            gauge("computegate_sweep_stale", "Whether nothing is concluded now.", stale, ()),
            gauge("computegate_untold_namespaces", "Namespaces of whose pods nobody can tell all.", untold, ()),
            counters("computegate_running_pods_judged", "Running pods judged again.", judged, ("outcome",)),
            counter("computegate_sweep_pages", "Pages of pods that were read.", self.sweep.pages),
            counter("computegate_suspended_controllers", "Controllers that were suspended.", self.suspender.suspended),
            counter("computegate_forgotten_controllers", "Too many to be suspended.", self.suspender.forgotten),
            gauge("computegate_reports_waiting", "OpenReports to be written.", {(): float(self.reports.waiting)}, ()),
            counter("computegate_report_writes", "OpenReports that were written.", self.reports.writes),
            counter("computegate_enforcement_lines", "Lines of the enforcement record.", self.steps.lines),
            counter("computegate_enforcement_unrecorded", "Lines of it that may be missing.", self.steps.unrecorded),
        )

    def _refer(self, namespace: str) -> Refer:
        tenant = self._registry.requester(namespace).tenant_name
        return functools.partial(_references, self._judging.keys, tenant, namespace)


def stops_of(allowance: Allowance, namespace: str, keys: Keys) -> tuple[str, frozenset[Reason]]:
    """Return the tenant of which an Allowance says that nothing new is admitted, and why."""
    tenant = allowance.status.tenant
    refer = functools.partial(_references, keys, tenant, namespace)
    reasons = (reason_of(each, refer) for each in allowance.status.findings if each.stops)
    return tenant, frozenset(reason for reason in reasons if reason is not None)


def _references(keys: Keys, tenant: str, namespace: str, reason: Reason, since: dt.datetime) -> tuple[str, ...]:
    return references_of(keys, tenant, namespace, (reason,), since)
