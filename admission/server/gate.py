"""The webhook's work on one review: parse, judge once, answer, count, record.

``Gate.review`` is what the HTTP layer calls.  One pod can be reviewed several times (two entries, retries of a
lost connection): the uid of the pod, never that of the review, tells repeats apart, and a repeat gets the first
one's judgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from cachetools import TTLCache

from admission.api.policy import Mode
from admission.cluster.clock import machines
from admission.decide.levels import is_level
from admission.review import messages, wire
from admission.review.answer import answer
from admission.review.finding import Finding
from admission.review.reasons import Reason
from admission.server import log
from admission.server.asking import JUDGED, ask_of, completed
from admission.server.claims import MAKERS
from admission.server.line import annotations_of, line_of
from admission.server.told import Told
from admission.server.unjudged import Unjudged
from admission.tenants.kyc import due_state, end_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from datetime import datetime

    from admission.ledger.ledger import Ledger
    from admission.ledger.limits import Level
    from admission.review.wire import Request
    from admission.server.case import Ask
    from admission.server.claims import Lookup
    from admission.server.judge import Judge, Judgement
    from admission.server.metrics import Metrics
    from admission.server.record import Record
    from admission.server.unjudged import Line as UnjudgedLine

ENFORCED = "enforced"
"""The entry of enforced namespaces.  Any other only lets pass what it has no room or time to judge."""

REPEAT_SECONDS = 60
"""A judgement answers repeats of the same object for so long: longer than any retry of one create (34 s)."""

WARN_FROM_PERCENT = 80
WARN_DAYS = 14


class Gate:
    """Answers AdmissionReviews of pods and of resource claims."""

    def __init__(
        self,
        judge: Judge,
        ledger: Ledger,
        *,
        metrics: Metrics,
        record: Callable[[Record], Awaitable[None] | None],
        count: Callable[[UnjudgedLine], object] = lambda _: None,
        contact: str,
        excluded: Collection[str] = (),
        find_namespace: Callable[[str], Awaitable[bool]],
        lookup: Lookup,
        claim_makers: Collection[str] = MAKERS,
        release_on_delete: bool = False,
        now: Callable[[], datetime] = machines,
    ) -> None:
        self._judge, self._ledger, self._metrics, self._record = judge, ledger, metrics, record
        self._contact, self._excluded, self._find_namespace = contact, frozenset(excluded), find_namespace
        self._lookup, self._makers = lookup, frozenset(claim_makers)
        self._release_on_delete, self._now = release_on_delete, now
        self._repeats: TTLCache[tuple[object, ...], asyncio.Future[Judgement]] = TTLCache(8192, REPEAT_SECONDS)
        self._told, self._unjudged = Told(), Unjudged(count, now)
        self.on_denial: Callable[[str, Judgement, datetime], None] = lambda *_: None
        self.draining = False

    async def review(self, entry: str, budget: float, body: bytes) -> bytes:
        """Answer a review within ``budget`` seconds.  Raises ``BadReview`` for what is none."""
        begun = time.monotonic()
        request = wire.parse_review(body)
        if request.operation == "DELETE" and self._release_on_delete:
            return await self._release(entry, request)
        if request.operation not in JUDGED.get(request.resource.resource, ()):
            what = f"{request.operation[:20]} of {request.resource.resource[:40]}"
            raise wire.BadReview(f"{what} is not judged here; remove it from the rules of the webhook configuration")
        if request.namespace in self._excluded:
            return wire.encode(wire.allowed(request.uid))
        judgement = await self._judged(entry, request, begun + budget, begun)
        if entry != ENFORCED and judgement.is_passing:
            return wire.encode(wire.allowed(request.uid))
        return wire.encode(self._answered(request, judgement))

    def busy(self, entry: str, body: bytes) -> bytes:
        """Answer at once that there is no room: the HTTP layer's bound, or its deadline, was reached.

        Runs on the event loop, as the record is told of it a moment later.
        Only the enforced entry refuses for want of room or time: what comes through another one is not enforced yet.
        """
        request = wire.parse_review(body)
        if entry != ENFORCED:
            self._unjudged.add(entry, "allowed")
            return wire.encode(wire.allowed(request.uid))
        return self._refused(request)

    def close(self) -> None:
        """Tell the record of what was only counted so far."""
        self._unjudged.flush()

    def _refused(self, request: Request) -> bytes:
        reason = Reason.Draining if self.draining else Reason.LedgerBusy
        say = messages.draining if self.draining else messages.ledger_busy
        self._metrics.refused((reason,), Mode.Enforce)
        self._unjudged.add(ENFORCED, "denied", str(reason))
        finding = Finding(reason, say())
        return wire.encode(answer(request, (finding,), mode=Mode.Enforce, reference="", contact=self._contact))

    async def _judged(self, entry: str, request: Request, deadline: float, begun: float) -> Judgement:
        """Judge, or join the judgement of the same object that is under way or was made a moment ago."""
        registry = self._judge.registry
        known = request.namespace in registry.namespaces or await self._find_namespace(request.namespace)
        unknown = "" if known else f"namespace {request.namespace} is not known here yet"
        ask = ask_of(request, enforced=entry == ENFORCED, unknown=unknown)
        log.REVIEWED.set(ask.uid)
        mode = Mode.Enforce if ask.enforced else registry.mode(ask.namespace)
        key = (ask.uid, request.operation, ask.dry_run, mode, hash(bytes(request.object)))
        joined = self._repeats.get(key) if ask.uid and not ask.node else None
        if joined is not None:
            judgement = await asyncio.shield(joined)
            if not judgement.is_passing or time.monotonic() >= deadline:
                return judgement
        task = asyncio.ensure_future(self._first(entry, request, ask, deadline, begun))
        if ask.uid and not ask.node:  # a scheduler asks again, with the same words, when its node has changed
            self._repeats[key] = task
            task.add_done_callback(lambda ended: self._keep_final(key, ended))
        # Shielded: a caller that gives up takes neither the others' answer nor the reservation's.
        return await asyncio.shield(task)

    async def _first(self, entry: str, request: Request, ask: Ask, deadline: float, begun: float) -> Judgement:
        """Judge and account for it, whether or not the caller still waits."""
        ask = await completed(ask, request.user_info.username, self._lookup, self._makers)
        judgement = await self._judge.judge(ask, self._now(), deadline)
        written = self._account(entry, request, ask, judgement, time.monotonic() - begun)
        if written is not None and judgement.mode is Mode.Enforce:
            try:
                await written
            except OSError as error:
                return self._unrecorded(judgement, str(error))
        elif written is not None:  # whatever fails, what is only observed passes
            with contextlib.suppress(OSError):
                await written
        return judgement

    def _unrecorded(self, judgement: Judgement, problem: str) -> Judgement:
        """What is answered where the line of a judgement does not stand; a reservation expires, as of a lost answer."""
        if not judgement.is_passing:
            self._metrics.refused((Reason.RecordUnwritten,), Mode.Enforce)
        finding = Finding(Reason.RecordUnwritten, messages.record_unwritten(), problem)
        nothing = {"levels": (), "advisory": (), "warned": False, "reference": "", "message": ""}
        return msgspec.structs.replace(judgement, findings=(finding,), **nothing)

    def _keep_final(self, key: tuple[object, ...], ended: asyncio.Future[Judgement]) -> None:
        """Forget what a repeat should be judged anew for: failures, and denials that time may lift."""
        passing = ended.cancelled() or ended.exception() is not None or ended.result().is_passing
        if passing and self._repeats.get(key) is ended:
            del self._repeats[key]

    def _account(
        self, entry: str, request: Request, ask: Ask, judgement: Judgement, seconds: float
    ) -> Awaitable[None] | None:
        """Count and record; returns what tells when the line stands, where somebody is to wait for it."""
        decision = judgement.decision
        self._metrics.decided(entry, judgement.mode, decision, seconds)
        if judgement.demand.is_empty and not judgement.findings:
            return None
        self._metrics.refused(dict.fromkeys(finding.reason for finding in judgement.findings), judgement.mode)
        advised = dict.fromkeys(finding.reason for finding in judgement.advisory)
        self._metrics.refused(advised, Mode.Warn if judgement.warned else Mode.Observe)
        if not ask.made_for:  # else they were counted with the pod
            self._metrics.asked(
                ((name, each.count) for each in judgement.demand.devices for name in each.classes), decision
            )
        if decision != "denied":
            self._metrics.exempted(judgement.exemptions)
            self._metrics.overridden(judgement.overrides)
        now = self._now()
        if decision == "denied":
            self.on_denial(ask.namespace, judgement, now)
        standings = self._judge.registry.requester(ask.namespace).standings
        return self._record(line_of(entry, request, ask, judgement, standings=standings, now=now, seconds=seconds))

    def _answered(self, request: Request, judgement: Judgement) -> wire.Response:
        return answer(
            request,
            judgement.findings,
            mode=judgement.mode,
            reference=judgement.reference,
            contact=self._contact,
            warnings=self._warnings(judgement, request.user_info.username),
            annotations=annotations_of(judgement),
        )

    def _warnings(self, judgement: Judgement, caller: str) -> tuple[str, ...]:
        """Tell a tenant what would be denied or is about to end, each caller each thing at most once an hour."""
        if judgement.mode is Mode.Observe or judgement.decision == "denied":
            return ()
        if judgement.findings or judgement.warned:
            found = [(judgement.reference, messages.would_be_denied(judgement.message, judgement.reference))]
        else:
            found = [(f"quota {level.limit.key}", _nearly(level)) for level in judgement.levels]
            found.append(("clearance", self._ending(judgement.tenant, self._now())))
        return self._told.fresh(judgement.tenant, caller, found)

    def _ending(self, tenant: str, now: datetime) -> str:
        standing = self._judge.registry.standings.get(tenant)
        kyc = standing.tenant.status.kyc if standing else None
        if kyc is None:
            return ""
        if (end := end_of(kyc)) is not None and end - now <= timedelta(days=WARN_DAYS):
            return messages.clearance_ends(tenant, end.date().isoformat())
        warn_before = self._judge.registry.rules(now).due.warn_before
        if kyc.reverify_by is not None and due_state(kyc, now, warn_before):
            return messages.verification_due(tenant, kyc.reverify_by.date().isoformat())
        return ""

    async def _release(self, entry: str, request: Request) -> bytes:
        """Without a cluster to watch, the deletion review is the proof that a pod is gone.

        It comes once: where the ledger cannot take it in, whoever deletes is told to come again.
        """
        released = request.dry_run or await self._ledger.release(wire.parse_pod(request.old_object).metadata.uid)
        if entry == ENFORCED and not released:
            return self._refused(request)
        return wire.encode(wire.allowed(request.uid))


def _nearly(level: Level) -> str:
    """A warning when the asking tenant's own request brings a limit of its own near its end."""
    if level.limit.parties is None or is_level(level.limit.key):
        return ""  # a limit shared with others would show how much they hold
    percent = (level.used_own + level.requested) * 100 // max(1, level.limit.amount)
    return messages.nearly_used_up(level.limit.key, percent) if percent >= WARN_FROM_PERCENT else ""
