"""The webhook's work on one workload: what its pods would be told, told before there are any.

A warning, or a denial where the operator wants one.  Nothing is reserved, and nothing relies on it: the pods are
judged when they are created.  So whatever goes wrong here lets the object pass.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api.policy import Mode
from admission.cluster.clock import machines
from admission.demand.pod import Demand
from admission.demand.request import DemandError
from admission.demand.workloads.count import CountError
from admission.demand.workloads.pods import ONLY
from admission.review import messages, wire
from admission.review.answer import answer
from admission.review.pod import Pod
from admission.review.reasons import Reason
from admission.server import log
from admission.server.asking import LONGEST_NAME
from admission.server.case import Ask
from admission.server.deadline import ended
from admission.server.line import annotations_of, line_of
from admission.server.reader import Reader
from admission.server.told import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from admission.demand.workloads.table import Table
    from admission.review.wire import Request
    from admission.server.claims import Lookup
    from admission.server.judge import Judge, Judgement
    from admission.server.metrics import Metrics
    from admission.server.reader import Read
    from admission.server.record import Record

WORKLOADS = "workloads"
"""The entry."""

MOST_WARNINGS = 8
_GRAVEST = ("denied", "would_deny", "allowed")


class _Foreseen(NamedTuple):
    """The judgement on a pod of some roles; on all pods together where there is no role."""

    roles: tuple[str, ...]
    judgement: Judgement
    ask: Ask
    denies: bool
    """Whether the workload is refused for it."""

    @property
    def decision(self) -> str:
        """What is decided about the workload, which passes where its pods would not."""
        if self.denies:
            return "denied"
        return "would_deny" if self.judgement.decision != "allowed" else "allowed"

    @property
    def is_told(self) -> bool:
        """Whether the caller is warned of it: it lasts, and the mode, or the policy, tells tenants of it."""
        judgement = self.judgement
        told = judgement.mode is not Mode.Observe and (judgement.findings or judgement.warned)
        return bool(told) and not judgement.is_passing


class WorkloadGate:
    """Answers AdmissionReviews of objects that make pods."""

    def __init__(
        self,
        judge: Judge,
        kinds: Callable[[], Table],
        *,
        metrics: Metrics,
        record: Callable[[Record], Awaitable[None] | None],
        contact: str,
        excluded: Collection[str] = (),
        find_namespace: Callable[[str], Awaitable[bool]],
        lookup: Lookup,
        deny: bool = False,
        deadline_seconds: int | None = None,
        now: Callable[[], datetime] = machines,
    ) -> None:
        self._judge, self._metrics, self._record = judge, metrics, record
        self._contact, self._excluded, self._find_namespace = contact, frozenset(excluded), find_namespace
        self._deny, self._deadline_seconds, self._now = deny, deadline_seconds, now
        self._told = Told()
        self._reader = Reader(judge.registry, kinds, lookup)
        self.on_denial: Callable[[str, Judgement, datetime], None] = lambda *_: None

    async def review(self, entry: str, budget: float, body: bytes) -> bytes:
        """Answer a review within ``budget`` seconds.  Raises ``BadReview`` for what is none."""
        begun = time.monotonic()
        request = wire.parse_review(body)
        _check(request)
        if request.namespace in self._excluded:
            return wire.encode(wire.allowed(request.uid))
        known = request.namespace in self._judge.registry.namespaces or await self._find_namespace(request.namespace)
        try:
            read = await self._reader.read(request)
        except (CountError, DemandError, wire.BadReview) as error:
            return wire.encode(self._untold(entry, request, str(error), time.monotonic() - begun))
        log.REVIEWED.set(read.uid)
        unknown = "" if known else f"namespace {request.namespace} is not known here yet"
        foreseen = [each async for each in self._foresee(request, read, begun + budget, unknown)]
        written = self._account(entry, request, foreseen, time.monotonic() - begun)
        if written and any(await asyncio.gather(*written, return_exceptions=True)):
            # Nothing is told that is not recorded; the pods are judged when they come.
            return wire.encode(wire.allowed(request.uid))
        return wire.encode(self._answered(request, foreseen))

    async def _foresee(self, request: Request, read: Read, deadline: float, unknown: str) -> AsyncIterator[_Foreseen]:
        """Judge a pod of each part, then all pods together where each of them alone would be admitted."""
        now, clean, registry = self._now(), True, self._judge.registry
        labels = registry.namespaces.get(request.namespace, {})
        default = self._deadline_seconds if registry.mode(request.namespace) is Mode.Enforce else None
        ask = Ask(
            uid=read.uid,
            namespace=request.namespace,
            name=request.name,
            pod=Pod(),
            dry_run=bool(request.dry_run),
            early=True,
            unknown=unknown or read.unknown,
        )
        for part in read.change.parts:
            demand = ended(part.demand, labels, default)
            own = msgspec.structs.replace(ask, pod=part.pod, demand=demand, role=part.names[0])
            judgement = await self._judge.judge(own, now, deadline)
            await asyncio.sleep(0)  # the other entries' turn
            if request.operation == "UPDATE" and judgement.findings and not judgement.verdict.findings:
                continue  # no room for one pod more; but one goes for each that comes
            clean = clean and not judgement.findings
            yield _Foreseen(part.names, judgement, own, self._denies(judgement, read, raised=part.raised))
        if clean and read.change.added:
            own = msgspec.structs.replace(ask, demand=Demand(read.change.added))
            judgement = self._judge.weigh(own, now)
            if judgement.findings and not judgement.is_passing:
                yield _Foreseen((), judgement, own, self._denies(judgement, read, raised=True))

    def _denies(self, judgement: Judgement, read: Read, *, raised: bool) -> bool:
        """Whether the workload is refused: not for what may be there when its pods come, a claim, or room later."""
        if not (self._deny and raised) or judgement.decision != "denied" or judgement.is_passing:
            return False
        if judgement.verdict.findings:
            return any(finding.reason is not Reason.ClaimMissing for finding in judgement.verdict.findings)
        return not read.waits

    def _account(
        self, entry: str, request: Request, foreseen: Iterable[_Foreseen], seconds: float
    ) -> list[Awaitable[None]]:
        """Count one decision and record each judgement; returns what tells when the lines stand.

        Devices, and the reasons of what is let pass, are counted when the pods come.
        """
        registry, now = self._judge.registry, self._now()
        mode = registry.mode(request.namespace)
        decision = min((each.decision for each in foreseen), key=_GRAVEST.index, default="allowed")
        self._metrics.decided(entry, mode, decision, seconds)
        reasons = (finding.reason for each in foreseen if each.denies for finding in each.judgement.findings)
        self._metrics.refused(dict.fromkeys(reasons), mode)
        standings = registry.requester(request.namespace).standings
        written = [
            self._record(
                line_of(
                    entry,
                    request,
                    each.ask,
                    each.judgement,
                    standings=standings,
                    now=now,
                    seconds=seconds,
                    decision=each.decision,
                )
            )
            for each in foreseen
        ]
        return [each for each in written if each is not None]

    def _answered(self, request: Request, foreseen: Sequence[_Foreseen]) -> wire.Response:
        if not foreseen:
            return wire.allowed(request.uid)
        shown = min(foreseen, key=lambda each: _GRAVEST.index(each.decision))
        judgement, annotations = shown.judgement, annotations_of(shown.judgement, shown.decision)
        if not shown.denies:
            return wire.allowed(request.uid, self._warnings(request, foreseen), annotations)
        self.on_denial(request.namespace, judgement, self._now())
        return answer(
            request,
            judgement.findings,
            mode=judgement.mode,
            reference=judgement.reference,
            contact=self._contact,
            annotations=annotations,
        )

    def _warnings(self, request: Request, foreseen: Iterable[_Foreseen]) -> tuple[str, ...]:
        """Tell the caller what its pods would be told, once an hour of each object; roles of one case together."""
        cases: dict[tuple[str, bool], list[_Foreseen]] = {}
        for each in foreseen:
            if each.is_told:
                cases.setdefault((each.judgement.reference, bool(each.roles)), []).append(each)
        what = f"{request.resource.resource}/{request.namespace}/{request.name}"
        found = [(f"{reference} {what}", _sentence(case)) for (reference, _), case in cases.items()]
        tenant = self._judge.registry.requester(request.namespace).tenant_name
        return self._told.fresh(tenant, request.user_info.username, found[:MOST_WARNINGS])

    def _untold(self, entry: str, request: Request, problem: str, seconds: float) -> wire.Response:
        mode = self._judge.registry.mode(request.namespace)
        self._metrics.decided(entry, mode, "allowed", seconds)
        warnings = () if mode is Mode.Observe else (messages.workload_unread(problem),)
        return wire.allowed(request.uid, warnings)


def _check(request: Request) -> None:
    resource = request.resource
    if request.operation not in {"CREATE", "UPDATE"} or (resource.group, resource.resource) == ("", "pods"):
        what = f"{request.operation[:20]} of {resource.resource[:40]}"
        raise wire.BadReview(f"{what} is not foreseen here; remove it from the rules of the webhook configuration")
    if max(len(request.name), len(request.namespace), len(resource.resource)) > LONGEST_NAME:
        raise wire.BadReview(f"the name, the namespace or the resource is longer than {LONGEST_NAME} characters")


def _sentence(case: Sequence[_Foreseen]) -> str:
    judgement = case[0].judgement
    enforced = judgement.mode is Mode.Enforce and bool(judgement.findings)
    roles = [role for each in case for role in each.roles]
    if not roles:
        return messages.workload_would_not_fit(judgement.message, judgement.reference, enforced=enforced)
    named = [] if ONLY.issuperset(roles) else roles
    return messages.pods_would_be_denied(named, judgement.message, judgement.reference, enforced=enforced)
