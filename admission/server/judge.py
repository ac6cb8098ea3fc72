"""From one request to one judgement: demand, requester, decide, ledger, mode.

The webhook and ``computegate check`` use this same class; what differs is only who asks and which ledger stands
behind it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from admission.api.exemption import Exemption
from admission.api.policy import Mode
from admission.api.quota import Authorization, ComputeQuota
from admission.decide.compute import charge_of, exceeded, scopes_of
from admission.decide.decide import decide, governing_of
from admission.decide.question import Question, Verdict
from admission.demand.access import Access, find_access
from admission.demand.carrier import carrier_of, container_of
from admission.demand.claims import digest_of, wanted_of
from admission.demand.fraction import fraction_devices
from admission.demand.pod import Demand, demand_of, demand_of_claim
from admission.demand.request import DemandError, effective_request
from admission.ledger.claims import MADE_FOR
from admission.ledger.limits import Exceeded, Granted, Kind, Level, Outcome, Shortfall, Unavailable
from admission.ledger.limits import Request as LedgerRequest
from admission.review import messages
from admission.review.answer import status_code
from admission.review.finding import Finding
from admission.review.reasons import Reason
from admission.review.reference import reference_of
from admission.review.wire import FORBIDDEN
from admission.server.claims import fits_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.decide.limits import Charge, Scope
    from admission.decide.registry import Registry
    from admission.demand.claims import PodClaim
    from admission.ledger.ledger import Ledger
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod


@dataclass(frozen=True, slots=True)
class Ask:
    """One object that wants devices: a pod, or a claim where there is one.  ``before`` is the pod before an update."""

    uid: str
    namespace: str
    name: str
    pod: Pod
    before: Pod | None = None
    claims: Mapping[str, PodClaim] = field(default_factory=dict)
    """The claims that the pod refers to, as found, by their name in the pod."""
    claim: ResourceClaim | None = None
    made_for: bool = False
    """Whether ``claim`` is made for ``pod``, by one of the cluster's own: then it was charged with the pod."""
    node: str = ""
    """The node that a scheduler chose for the pod: it is judged for what that node has, and charged nothing more."""
    dry_run: bool = False
    enforced: bool = False
    """Whether it came through the entry of enforced namespaces, whatever our own watch says of the mode."""
    unknown: str = ""
    """What nobody could tell and the verdict needs: the labels of the namespace, or a claim that is referred to."""
    demand: Demand | None = None
    """What the pod obtains, where that was read already."""
    early: bool = False
    """Whether it is about pods of a workload that are not there yet: nothing is reserved for them."""
    role: str = ""
    """Of a workload: the role whose pods these are."""


@dataclass(frozen=True, slots=True)
class Judgement:
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
    ) -> None:
        self.registry = registry
        self._ledger = ledger
        self._key = reference_key
        self._contact = contact
        self._unready = unready

    async def judge(self, ask: Ask, now: datetime, deadline: float) -> Judgement:
        """Return the judgement.  ``deadline`` is monotonic; past it the ledger answers that it is busy.

        Reserves when, and only when, the request is enforced, real and found free of objections.
        """
        mode = Mode.Enforce if ask.enforced else self.registry.mode(ask.namespace)
        try:
            case = await self._case(ask, now, mode, deadline)
        except DemandError as error:
            subject = "claim" if ask.claim else "pod"
            finding = Finding(Reason.ClassUnknown, messages.malformed(str(error), subject), str(error))
            return self._judgement(_Case(ask, now, mode, Demand()), Verdict((finding,), ()))
        if case.finding is not None:
            return self._judgement(case, Verdict((case.finding,), ()))
        if case.demand.is_empty:
            return Judgement(mode, case.demand, (), Verdict((), ()))
        waiting, say = self._unready(), messages.not_synced
        if not waiting and self.registry.held_back:
            waiting, say = self.registry.held_back, messages.rules_broken
        waiting = waiting or ask.unknown
        if waiting:
            finding = Finding(Reason.NotSynced, say(), waiting)
            return self._judgement(case, Verdict((finding,), ()))
        return await self._decide(case, deadline)

    async def _case(self, ask: Ask, now: datetime, mode: Mode, deadline: float) -> _Case:
        """Find what is asked for."""
        inventory = self.registry.inventory
        if ask.node:
            return _Case(ask, now, mode, demand_of(ask.pod, inventory).requested(), charged=False)
        if ask.claim is None:
            return _Case(ask, now, mode, _demand(ask, self.registry))
        if ask.made_for:
            return await self._made(_Case(ask, now, mode, Demand()), ask.claim, deadline)
        return _Case(ask, now, mode, demand_of_claim(ask.claim, inventory))

    async def _made(self, case: _Case, claim: ResourceClaim, deadline: float) -> _Case:
        """Hold a claim that is made for a pod against what the pod was charged for it."""
        pod, inventory = case.ask.pod, self.registry.inventory
        name = (claim.metadata.annotations or {}).get(MADE_FOR)
        if name is None and fits_requests(claim, pod, inventory):
            return case._replace(demand=demand_of(pod, inventory).requested(), charged=False)
        charge = await self._ledger.promised(pod.metadata.uid, deadline) if case.mode is Mode.Enforce else None
        part = next((part for part in charge.parts if part.name == name), None) if charge else None
        if part is None:
            return case._replace(demand=demand_of_claim(claim, inventory))
        if part.digest == digest_of(wanted_of(claim.spec)):
            return case
        differs = Finding(Reason.DeviceBypass, messages.claim_differs(part.name), f"digest {part.digest} was charged")
        return case._replace(demand=demand_of_claim(claim, inventory), finding=differs)

    async def _decide(self, case: _Case, deadline: float) -> Judgement:
        ask, question = case.ask, self._question(case)
        verdict = decide(question)
        advisory = _advisory(question, verdict)
        if not verdict.scopes or verdict.charge is None or not case.charged:
            return self._judgement(case, verdict, advisory=advisory)
        request = _request(ask, verdict.charge, verdict.scopes)
        reserving = case.mode is Mode.Enforce and not (ask.dry_run or ask.early)
        outcome = await self._ledger.reserve(request, deadline) if reserving else self._ledger.evaluate(request)
        found, levels = _of_outcome(question, outcome)
        return self._judgement(case, verdict, found, levels, advisory)

    def weigh(self, ask: Ask, now: datetime) -> Judgement:
        """Return whether ``ask.demand``, that of all pods of a workload, fits the limits; reserves nothing.

        Only the limits are asked: the checks are of each pod, and were run on them.
        """
        mode, demand = self.registry.mode(ask.namespace), ask.demand or Demand()
        case = _Case(ask, now, mode, demand)
        question = self._question(case)
        governing = governing_of(question)
        scopes, charge = scopes_of(question, governing), charge_of(question)
        found, levels = _of_outcome(question, self._ledger.evaluate(_request(ask, charge, scopes)))
        return self._judgement(case, Verdict((), (), governing, charge, scopes), found, levels)

    def _question(self, case: _Case) -> Question:
        registry = self.registry
        return Question(
            demand=case.demand,
            requester=registry.requester(case.ask.namespace),
            rules=registry.rules(case.now),
            catalogue=registry.catalogue,
            quotas=registry.every(ComputeQuota),
            authorizations=registry.every(Authorization),
            now=case.now,
            exemptions=registry.every(Exemption),
        )

    def _judgement(
        self,
        case: _Case,
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
            message = messages.denial(shown, reference, self._contact)
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


class _Case(NamedTuple):
    """One request as it goes through: what was asked, when, in which mode, and its demand.

    ``charged`` is whether the demand is counted on this object; ``finding`` denies before anything else is asked.
    """

    ask: Ask
    now: datetime
    mode: Mode
    demand: Demand
    charged: bool = True
    finding: Finding | None = None


def _demand(ask: Ask, registry: Registry) -> Demand:
    """What the object obtains; of an update, only what it adds: devices are asked for at creation."""
    if ask.demand is not None:
        return ask.demand
    if ask.before is None:
        return demand_of(ask.pod, registry.inventory, ask.claims)
    had = effective_request(ask.before.spec)
    raised = [name for name, count in effective_request(ask.pod.spec).items() if count > had.get(name, 0)]
    granted = bool(had or ask.before.spec.resource_claims or fraction_devices(ask.before, had))
    before, carrier = carrier_of(ask.before), carrier_of(ask.pod)
    known = set(find_access(ask.before, granted=granted, fractions_counted=True))
    if carrier.images.keys() > before.images.keys():
        # A container more shares the pod's volumes and runtime, which an exemption may have let pass for another image.
        known = {access for access in known if container_of(access) in before.images}
    reached = find_access(ask.pod, granted=granted, fractions_counted=True)
    added = [access for access in reached if access not in known]
    resized = (Access("resize", f"the raised request for {name}") for name in raised)
    return Demand(access=(*resized, *added), carrier=carrier)


def _request(ask: Ask, charge: Charge, scopes: Iterable[Scope]) -> LedgerRequest:
    limits = tuple((scope.name, scope.limits) for scope in scopes)
    kind = Kind.Claim if ask.claim else Kind.Pod
    return LedgerRequest(ask.uid, ask.namespace, ask.name, charge, limits, kind)


def _advisory(question: Question, verdict: Verdict) -> tuple[Finding, ...]:
    """What would deny besides, if the policies that only observe or warn did enforce."""
    if question.rules.proposed is None:
        return ()
    proposed = decide(dataclasses.replace(question, rules=question.rules.proposed))
    return tuple(finding for finding in proposed.findings if finding not in verdict.findings)


def _of_outcome(question: Question, outcome: Outcome) -> tuple[tuple[Finding, ...], tuple[Level, ...]]:
    match outcome:
        case Granted(levels):
            return (), levels
        case Exceeded(shortfalls):
            return (exceeded(question, [_shortage(question, short) for short in shortfalls]),), shortfalls
        case Unavailable(reason):
            say = messages.not_synced if reason is Reason.NotSynced else messages.ledger_busy
            return (Finding(reason, say(), "ledger"),), ()


def _shortage(question: Question, short: Shortfall) -> messages.Shortage:
    """A shortfall in the tenant's own figures: what others hold only shows as what is left."""
    resources = {devices.resource for devices in question.demand.devices}
    unit = short.limit.unit
    return messages.Shortage(
        quota=short.limit.key,
        resource=resources.pop() if unit == "devices" and len(resources) == 1 else unit,
        requested=short.requested,
        used=short.used_own,
        left=max(0, short.limit.amount - short.used_all),
    )
