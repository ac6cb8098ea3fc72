"""From one request to one judgement: demand, requester, decide, ledger, mode.

The webhook and ``computegate check`` use this same class; what differs is only who asks and which ledger stands
behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from admission.api.policy import Mode
from admission.decide.both import both
from admission.decide.compute import charge_of
from admission.decide.decide import governing_of
from admission.decide.duration import HOUR
from admission.decide.levels import exceeded, scopes_of
from admission.decide.limits import ENDLESS, Scope
from admission.decide.question import Check, Verdict
from admission.decide.shards import Shard, account_of
from admission.demand.pod import Demand
from admission.demand.request import DemandError
from admission.ledger.limits import Differs, Exceeded, Granted, Level, Outcome, Shortfall, Unavailable
from admission.review import fitting, messages
from admission.review.answer import status_code
from admission.review.finding import Finding
from admission.review.reasons import Reason
from admission.review.reference import reference_of
from admission.review.wire import FORBIDDEN
from admission.server import lasting, stopped
from admission.server.case import Ask, Case, case_of, request_of
from admission.server.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.decide.lastgood import LastGood
    from admission.decide.question import Question
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger


L = TypeVar("L", bound=Level)


class Judgement(msgspec.Struct, frozen=True):
    """What came out, with everything that the answer, the record and the metrics need."""

    mode: Mode
    demand: Demand
    findings: tuple[Finding, ...]
    """The findings that deny, or would."""
    verdict: Verdict
    levels: tuple[Level, ...] = ()
    tenant: str = ""
    party: str = ""
    reference: str = ""
    message: str = ""
    rules_version: str = ""
    advisory: tuple[Finding, ...] = ()
    """What would deny besides, if every policy enforced."""
    warned: bool = False
    """Whether a policy that warns is behind one of them."""

    @property
    def decision(self) -> str:
        """``allowed``, ``denied``, or ``would_deny`` where the mode lets pass what is found."""
        if not self.findings:
            return "would_deny" if self.advisory else "allowed"
        return "denied" if self.mode is Mode.Enforce else "would_deny"

    @property
    def exemptions(self) -> tuple[str, ...]:
        """The exemptions that let something of it pass, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.verdict.exempted))

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides that let a clearance stand, each once."""
        return tuple(dict.fromkeys(self.verdict.overrides))

    @property
    def is_passing(self) -> bool:
        """Whether nothing but time stands in the way."""
        return bool(self.findings) and status_code(self.findings) != FORBIDDEN


class Judge:
    """Judges requests against a registry and a ledger."""

    def __init__(
        self,
        registry: Registry,
        ledger: Ledger,
        *,
        reference_key: bytes,
        contact: str,
        unready: Callable[[], str] = lambda: "",
        unrecorded: Callable[[], str] = lambda: "",
        last_good: LastGood | None = None,
        endings: Callable[[], Mapping[Reason, int]] = dict,
    ) -> None:
        self.registry = registry
        self._last_good = last_good
        self._ledger = ledger
        self._key = reference_key
        self._contact = contact
        self._unready, self._unrecorded = unready, unrecorded
        self._verdicts = Verdicts(registry, endings)

    async def judge(self, ask: Ask, now: datetime, deadline: float) -> Judgement:
        """Return the judgement.  ``deadline`` is monotonic; past it the ledger answers that it is busy.

        Reserves when, and only when, the request is enforced, real and found free of objections.
        """
        mode = Mode.Enforce if ask.enforced else self.registry.mode(ask.namespace)
        try:
            case = case_of(ask, now, mode, self.registry)
        except DemandError as error:
            subject = "claim" if ask.claim else "pod"
            finding = Finding(Reason.ClassUnknown, messages.malformed(str(error), subject), str(error))
            return self._judgement(Case(ask, now, mode, Demand()), Verdict((finding,), ()))
        if case.demand.is_empty and not (ask.node and ask.unknown):
            return Judgement(mode, case.demand, (), Verdict((), ()))
        if waiting := self._unready() or ask.unknown:
            finding = Finding(Reason.NotSynced, messages.not_synced(), waiting)
            return self._judgement(case, Verdict((finding,), ()))
        broken = self.registry.held_back_at(now)
        good = self._last_good.registry(now) if broken and self._last_good else None
        if broken and good is None:
            return self._judgement(case, _unusable(broken))
        unrecorded = self._unrecorded() if mode is Mode.Enforce else ""
        if unrecorded:  # before the ledger is asked: nobody would take back what it reserves
            finding = Finding(Reason.RecordUnwritten, messages.record_unwritten(), unrecorded)
            return self._judgement(case, Verdict((finding,), ()))
        return await self._decide(case, deadline, broken, good)

    async def _decide(self, case: Case, deadline: float, broken: str, good: Registry | None) -> Judgement:
        ask, (question, verdict, advisory) = case.ask, self._verdicts.of(case)
        if good is not None:
            verdict = _both(case, verdict, broken, good)
        if ask.running:
            return self._judgement(case, lasting.without_admission(verdict), self._lasting(case, question, verdict))
        verdict = stopped.added(question, verdict, self.registry)
        scopes = verdict.scopes if case.charged else _holds(verdict.scopes) if ask.node else ()
        if not scopes or verdict.charge is None:
            return self._judgement(case, verdict, advisory=advisory)
        request = request_of(ask, verdict.charge, scopes, question.shards)
        own = self._own_use(question, scopes)
        reserving = case.mode is Mode.Enforce and case.charged and not (ask.dry_run or ask.early)
        outcome = await self._ledger.reserve(request, deadline) if reserving else self._ledger.evaluate(request)
        found, levels = _of_outcome(question, outcome, own)
        return self._judgement(case, verdict, found, levels, advisory)

    def _lasting(self, case: Case, question: Question, verdict: Verdict) -> tuple[Finding, ...]:
        """What a pod that runs has used up: its hold, or the hours from which its next one would be paid."""
        found: tuple[Finding, ...] = ()
        for request in lasting.requests_of(case, question, verdict, self._ledger.tranche):
            outcome = self._ledger.evaluate(request)
            found += _of_outcome(question, outcome, {})[0]
        return found

    def weigh(self, ask: Ask, now: datetime) -> Judgement:
        """Return whether ``ask.demand``, that of all pods of a workload, fits the limits; reserves nothing.

        Only the limits are asked: the checks are of each pod, and were run on them.
        """
        mode, demand = self.registry.mode(ask.namespace), ask.demand or Demand()
        case = Case(ask, now, mode, demand)
        question = self._verdicts.question(case).now_known()
        governing = governing_of(question)
        scopes, charge = scopes_of(question, governing), charge_of(question, governing)
        outcome = self._ledger.evaluate(request_of(ask, charge, scopes, question.shards))
        found, levels = _of_outcome(question, outcome, self._own_use(question, scopes))
        return self._judgement(case, Verdict((), (), governing, charge, scopes), found, levels)

    def _own_use(self, question: Question, scopes: Iterable[Scope]) -> Mapping[tuple[str, str], int]:
        """What the tenant holds, by quota and unit, where the limit's own ledger keeps only what all hold together."""
        found: dict[tuple[str, str], int] = {}
        shards, party = question.shards, question.requester.party
        for scope in scopes if shards else ():
            view = self._ledger.view(Shard.of(scope.name, "tenants", party, shards).name)
            if view is not None and not account_of(scope.name, party, shards):
                limits = (limit for limit in scope.limits if limit.unit in {"devices", "tpp"})
                found |= {(limit.key, limit.unit): view.own(limit) for limit in limits}
        return found

    def _judgement(
        self,
        case: Case,
        verdict: Verdict,
        found: tuple[Finding, ...] = (),
        levels: tuple[Level, ...] = (),
        advisory: tuple[Finding, ...] = (),
    ) -> Judgement:
        requester = self.registry.requester(case.ask.namespace)
        findings = (*verdict.findings, *found)
        reference = message = ""
        shown = findings or advisory
        if shown:
            reasons = [finding.reason for finding in shown]
            reference = reference_of(self._key, requester.tenant_name, case.ask.namespace, reasons, case.now)
            message = fitting.denial(shown, reference, self._contact)
        rules = self.registry.rules(case.now)
        return Judgement(
            mode=case.mode,
            demand=case.demand,
            findings=findings,
            verdict=verdict,
            levels=levels,
            tenant=requester.tenant_name,
            party=requester.party,
            reference=reference,
            message=message,
            rules_version=rules.version,
            advisory=advisory,
            warned=any(finding.rule.partition("/")[0] in rules.warning for finding in advisory),
        )


def _both(case: Case, verdict: Verdict, broken: str, good: Registry) -> Verdict:
    """A verdict that the last good version of what is broken must share."""
    then = Verdicts(good).of(case_of(case.ask, case.now, case.mode, good)).verdict
    found = both(verdict, then) or _unusable(f"counted differently by the last good version: {broken}")
    check = Check("lastGood", "", "fail" if then.findings else "pass", {"broken": broken})
    return msgspec.structs.replace(found, checks=(*found.checks, check))


def _unusable(broken: str) -> Verdict:
    return Verdict((Finding(Reason.RulesUnusable, messages.rules_broken(), broken),), ())


def _holds(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The limits that a pod must still fit when it is given its node: it may have waited for long."""
    holds = ((scope, tuple(limit for limit in scope.limits if limit.unit == "hold")) for scope in scopes)
    return tuple(Scope(scope.name, limits) for scope, limits in holds if limits)


def _of_outcome(
    question: Question, outcome: Outcome, own: Mapping[tuple[str, str], int]
) -> tuple[tuple[Finding, ...], tuple[Level, ...]]:
    match outcome:
        case Granted(levels):
            return (), tuple(_with_own(level, own) for level in levels if level.limit.amount < ENDLESS)
        case Exceeded(shortfalls):
            shortfalls = tuple(_with_own(short, own) for short in shortfalls)
            shortages = dict.fromkeys(_shortage(question, short) for short in shortfalls)
            return exceeded(question, shortages), shortfalls
        case Differs(part):
            detail = f"digest {part.digest} was charged"
            return (Finding(Reason.DeviceBypass, messages.claim_differs(part.name), detail),), ()
        case Unavailable(reason):
            say = messages.not_synced if reason is Reason.NotSynced else messages.ledger_busy
            return (Finding(reason, say(), "ledger"),), ()


def _with_own(level: L, own: Mapping[tuple[str, str], int]) -> L:
    """A level of a limit of all together, with the tenant's own use from where it is kept."""
    if level.limit.parties is not None:
        return level
    return msgspec.structs.replace(level, used_own=own.get((level.limit.key, level.limit.unit), level.used_own))


def _shortage(question: Question, short: Shortfall) -> messages.Shortage:
    """A shortfall in the tenant's own figures: what others hold only shows as what is left."""
    resources = {devices.resource for devices in question.demand.devices}
    unit, left = short.limit.unit, max(0, short.limit.amount - short.used_all)
    hours = unit == "deviceHours"  # kept in seconds, and shown in hours that never promise too much
    return messages.Shortage(
        quota=short.limit.key,
        resource=resources.pop() if unit == "devices" and len(resources) == 1 else unit,
        requested=-(-short.requested // HOUR) if hours else short.requested,
        used=-(-short.used_own // HOUR) if hours else short.used_own,
        left=left // HOUR if hours else left,
    )
