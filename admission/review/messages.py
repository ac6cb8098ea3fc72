"""Every sentence that a user reads.

One line, printable ASCII, at most ``LONGEST`` characters, numbers before advice.  A sentence never names a list,
an owner, a match or another tenant's figure: what a tenant may know of a refusal is its public code, what it can
do about it, and the reference by which the operator finds the rest.  Quota lines keep the grammar of
ResourceQuota ("exceeded quota: ..."), which tools parse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from admission.review.finding import Finding

LONGEST = 1000
LONGEST_WARNING = 120
LONGEST_CONTACT = 200
LONGEST_ROLE = 24
_ORDER = {code: place for place, code in enumerate(PublicCode)}
_RESTORE = "undo it: helm upgrade with the same values brings back what was removed or overwritten"
_SAY_ALLOWANCE = 'see "kubectl get allowance"'


class Shortage(NamedTuple):
    """A limit that a request does not fit, in the asking tenant's own figures."""

    quota: str
    resource: str
    requested: int
    used: int
    """What the tenant holds itself."""
    left: int
    """What is left for it now."""


def not_cleared(tenant: str, what: str) -> str:
    """The one sentence behind every reason of NotCleared."""
    return f"tenant {tenant} is not cleared for {what}; running pods are unaffected; ask for clearance"


def under_review(tenant: str, what: str) -> str:
    """The one sentence behind every reason of UnderReview."""
    return f"the clearance of tenant {tenant} for {what} is under review; nothing is needed from you now"


def tenant_unknown(namespace: str) -> str:
    """The namespace belongs to no tenant that exists."""
    return f"namespace {namespace} belongs to no known tenant; ask for it to be bound to yours"


def end_customer_missing(tenant: str, namespace: str) -> str:
    """A reseller's namespace does not say who computes in it."""
    return f"tenant {tenant} supplies others, and namespace {namespace} names no end customer; ask for it to be named"


def end_customer_not_supplied(tenant: str, customer: str) -> str:
    """A reseller's namespace names an end customer who is nobody, or not the reseller's: which of these is not said."""
    return (
        f"tenant {tenant} is not declared to supply tenant {customer}, which the namespace names as end customer; ask "
        "for it to be declared, or for another to be named"
    )


def end_use_missing(tenant: str, what: str) -> str:
    """The tenant declares no end use, and a rule asks for one."""
    return f"{what} needs a declared end use, and tenant {tenant} has declared none; ask for yours to be entered"


def level_too_low(tenant: str, what: str, required: int) -> str:
    """Verified, but not deeply enough for this class."""
    return (
        f"{what} needs verification level {required}, which tenant {tenant} has not reached; ask to be verified further"
    )


def level_too_low_for_so_much(tenant: str, what: str, required: int) -> str:
    """Verified deeply enough for less of this class, not for so much."""
    return (
        f"so much of {what} at once needs verification level {required}, which tenant {tenant} has not reached; free "
        "some; ask to be verified further"
    )


def attestation_lapsed(tenant: str) -> str:
    """What the tenant says of its own business has ended, or was never said."""
    return f"what tenant {tenant} attests of how it passes compute on has ended, or is missing; ask for its renewal"


def class_ambiguous(resource: str, choices: Sequence[str], selectors: Sequence[str]) -> str:
    """The pod may land on several classes and the operator wants a choice."""
    advice = f"add nodeSelector {' or '.join(selectors)}" if selectors else "add a nodeSelector that names one"
    return f"{resource} of this pod may land on {' or '.join(choices)}; {advice}"


def claim_missing(names: Sequence[str]) -> str:
    """A claim, or a template of claims, that the pod refers to is not there."""
    return f"this pod refers to {' and '.join(_some(names))}, which does not exist; create it before the pod"


def claim_differs(name: str) -> str:
    """A claim that is made for a pod is not what the pod was admitted with."""
    return (
        f"claim {name} asks for other devices than its pod was admitted with; its template was replaced; "
        "create the pod anew"
    )


def hold_unbounded(quota: str, longest: str) -> str:
    """A longest hold applies and the pod has no end."""
    return f"quota {quota} lets a pod hold its devices for {longest} at most; set activeDeadlineSeconds"


def hold_too_long(quota: str, longest: str, requested: str) -> str:
    """The pod's deadline is beyond the longest hold."""
    return (
        f"quota {quota} lets a pod hold its devices for {longest} at most, not {requested}; lower activeDeadlineSeconds"
    )


def hours_unbounded(quota: str) -> str:
    """Device-hours are limited and the pod has no end to pay for."""
    return f"quota {quota} limits device-hours, and the pod has no end; set activeDeadlineSeconds"


def claim_unbounded(quota: str) -> str:
    """Device-hours are limited and a claim by itself has no end."""
    return (
        f"quota {quota} limits device-hours, and a claim by itself has no end; use a resource claim template and set "
        "activeDeadlineSeconds on its pods"
    )


def longer_than_window(quota: str, window: str, requested: str) -> str:
    """The pod would outlast the window in which its hours count."""
    return (
        f"quota {quota} counts device-hours over {window}, and the pod may run {requested}; lower activeDeadlineSeconds"
    )


def hold_exhausted(tenant: str, classes: str, quota: str, *, held: str, left: str, asked: str) -> str:
    """What is left of the longest hold is less than the pod asks for."""
    return (
        f"quota {quota} limits how long devices are held without a break; tenant {tenant}, class {classes}, held for "
        f"{held} so far, {left} left, {asked} asked for; lower activeDeadlineSeconds or leave a break"
    )


def authorization_required(tenant: str, what: str) -> str:
    """A rule asks for an authorization and there is none."""
    return f"{what} needs an authorization that tenant {tenant} does not have; ask for one"


def authorization_exhausted(numbers: Sequence[str], requested: int, used: int, granted: int) -> str:
    """The tenant's own authorizations for the class have no room together."""
    named = f"authorization {numbers[0]} covers" if len(numbers) == 1 else f"authorizations {', '.join(numbers)} cover"
    return f"{named} {granted} at once: {used} in use, {requested} asked; free some or ask for more"


def no_quota(tenant: str, what: str) -> str:
    """A rule asks for a quota and none covers the request."""
    return f"no quota covers {what} for tenant {tenant}; ask for one"


def device_bypass(fields: Sequence[str], subject: str = "pod") -> str:
    """The pod, or the claim, reaches devices past a request."""
    return f"this {subject} can reach devices it does not ask for; remove {' and '.join(_some(fields))}"


def class_unknown(resource: str) -> str:
    """Nobody can say which chip this is."""
    return f"which accelerator {resource} gives is not known here; ask for it to be declared, or use another resource"


def malformed(problem: str, subject: str = "pod") -> str:
    """The object cannot be read."""
    return f"this {subject} cannot be judged: {problem}"


def counted_late(devices: int) -> str:
    """Of an event on a quota: pods exist that no reservation had announced."""
    return (
        f"{devices} devices of running or pending pods had been counted nowhere, and are counted now: they were "
        "created while no review was asked for, or their namespace came under this quota only now"
    )


def weakened() -> str:
    """Of an event on a namespace: it is less enforced than before."""
    return "less is enforced here than before; annotations computegate.io/weaken-* say who asked for it"


def gate_missing(kind: str, name: str) -> str:
    """Something that the gate rests on is gone."""
    return f"{kind} {name} is gone: what it saw, or refused, passes now; {_RESTORE}"


def gate_changed(kind: str, name: str, detail: str) -> str:
    """Something that the gate rests on is no longer what was installed."""
    return f"{kind} {name} is not what was installed: {printable(detail)}; {_RESTORE}"


def gate_unseen(kind: str, name: str, detail: str) -> str:
    """Nobody can tell whether the gate is what was installed."""
    what = f"{kind} {name}".strip()
    return f"whether the gate is what was installed cannot be told, for want of {what}: {printable(detail)}"


def gate_intact() -> str:
    """The gate is what was installed, again."""
    return "all webhooks and guards are again what was installed"


def not_synced() -> str:
    """Our own data is not there yet, or is too old."""
    return "access data is still loading; retrying is safe"


def rules_broken() -> str:
    """An object of the operator cannot be read, or names what is not there: nobody can be judged by it."""
    return "an access rule here has an error that the operator must mend; retrying helps when that is done"


def ledger_busy() -> str:
    """No reservation in time."""
    return "too many requests for accelerators at once; retrying is safe"


def draining() -> str:
    """This replica is going away."""
    return "this replica is shutting down; retrying is safe"


def quota_exceeded(tenant: str, classes: str, shortages: Sequence[Shortage]) -> str:
    """What does not fit, in the grammar of ResourceQuota and in the tenant's own figures."""
    first = shortages[0]
    numbers = "; ".join(
        f"exceeded quota: {short.quota}, requested: {short.resource}={short.requested}, "
        f"used: {short.resource}={short.used}, limited: {short.resource}={short.used + short.left}"
        for short in shortages
    )
    own = f"tenant {tenant}, class {classes}, {first.left} left for you"
    return f"{numbers} [{PublicCode.LimitReached}: {own}; {_SAY_ALLOWANCE}]"


def leading(findings: Iterable[Finding]) -> PublicCode:
    """Return the code that leads the line of a denial."""
    return min((finding.reason.code for finding in findings), key=_ORDER.__getitem__)


def denial(findings: Iterable[Finding], reference: str, contact: str) -> str:
    """Compose the one line of a denial: the most actionable first, each public sentence once."""
    ordered = sorted(findings, key=lambda finding: _ORDER[finding.reason.code])
    parts = (f"ref {reference}" if reference else "", printable(contact)[:LONGEST_CONTACT])
    ending = "; ".join(part for part in parts if part)
    sentences = list(dict.fromkeys(map(_opened, ordered)))
    if _is_quota_line(ordered[0]):
        return fitted("; ".join(sentences).removesuffix("]"), f"; {ending}]")
    return fitted("; ".join(sentences), f"; {ending}" if ending else "")


def _opened(finding: Finding) -> str:
    return finding.sentence if _is_quota_line(finding) else f"[{finding.reason.code}] {finding.sentence}"


def _is_quota_line(finding: Finding) -> bool:
    """Whether the sentence is one that tools parse: it begins as ResourceQuota's does and ends with a bracket."""
    return finding.reason in {Reason.QuotaExceeded, Reason.HoursExhausted} and finding.sentence.startswith(
        "exceeded quota: "
    )


def fitted(text: str, ending: str = "") -> str:
    """Return one line of at most ``LONGEST`` printable characters that ends with ``ending``."""
    room = LONGEST - len(ending)
    text = printable(text)
    return (text if len(text) <= room else f"{text[: room - 4]} ...") + ending


def would_be_denied(line: str, reference: str) -> str:
    """A denial that the mode turns into a warning: its beginning, and the reference by which the rest is found."""
    return _warning(f"would be denied when enforced: {line}", f" (ref {reference})" if reference else "")


def pods_would_be_denied(roles: Sequence[str], line: str, reference: str, *, enforced: bool) -> str:
    """The future verdict on the pods of a workload, by the roles that need a name; none where there is only one."""
    more = f" and {len(roles) - 1} more" if len(roles) > 1 else ""
    whose = f"pods of role {roles[0][:LONGEST_ROLE]}{more}" if roles else "its pods"
    return _foreseen(f"{whose} would be denied", line, reference, enforced=enforced)


def workload_would_not_fit(line: str, reference: str, *, enforced: bool) -> str:
    """A pod of a workload would be admitted, but not all of them."""
    return _foreseen("not all pods fit", line, reference, enforced=enforced)


def workload_unread(problem: str) -> str:
    """A workload whose pods nobody can tell."""
    return _warning(f"its pods cannot be judged beforehand: {problem}")


def workload_too_large(most_bytes: int, most_values: int) -> str:
    """What stands for the problem where a workload is not looked into."""
    return f"larger than {most_bytes >> 20} MiB or {most_values} maps and lists"


def _foreseen(what: str, line: str, reference: str, *, enforced: bool) -> str:
    when = "" if enforced else " when enforced"
    return _warning(f"{what}{when}: {line}", f" (ref {reference})" if reference else "")


def nearly_used_up(quota: str, percent: int) -> str:
    """A quota that is nearly full for this tenant."""
    return _warning(f"quota {quota} is {percent} percent used; {_SAY_ALLOWANCE}")


def clearance_ends(tenant: str, day: str) -> str:
    """A clearance that lapses soon."""
    return _warning(f"the clearance of tenant {tenant} ends on {day}; have it renewed")


def transition_refused(was: str, state: str, after: Iterable[str]) -> str:
    """A clearance does not lead from one state to another; what it leads to."""
    known = tuple(after)
    begin = "; begin with Pending: computegate kyc request NAME" if "Pending" in known and state != "Pending" else ""
    return f"{was} does not become {state}, only {', '.join(known)}{begin}"


def clearance_held(was: str) -> str:
    """A state that a person has to end."""
    return f"{was} is not lifted by a provider or an import; whoever lifts it begins anew: computegate kyc request NAME"


def refused_late(provider: str, state: str, at: datetime, reference: str, reason: str) -> str:
    """Why a clearance is reviewed: a refusal came after an event that is later than it."""
    why = f": {reason}" if reason else ""
    return (
        f"provider {provider} said {state} at {at.isoformat()}, heard after a later event; reference {reference}{why}"
    )


def covers_nothing(tenant: str) -> str:
    """Nobody said which facts were verified."""
    return (
        f"nobody says which facts of {tenant} were verified; give the provider the subject NAME@DIGEST that "
        "computegate kyc request prints"
    )


def cluster_newer(known: datetime | None) -> str:
    """What is to be written is no newer than what is known."""
    since = f" of {known.isoformat()}" if known else ""
    return f"the cluster's clearance{since} is not older than this one; leave it out, or have it verified anew"


def facts_differ(digest: str) -> str:
    """A clearance of other facts than those of the Tenant in the cluster."""
    return f"the Tenant in the cluster has other facts ({digest}); verify these, or restore its spec first"


def export_changed(digest: str) -> str:
    """An export whose facts are not those that were exported."""
    return f"its facts are not those that were exported ({digest}); take the file as it was written"


def instant_ahead(instant: datetime) -> str:
    """An instant in the future."""
    return f"{instant.isoformat()} lies ahead; correct the sender's clock, or the date"


def clearance_without_end() -> str:
    """A clearance must end."""
    return "a clearance needs an end; give expiresAt, or validDays of the provider"


def ends_before(expires_at: datetime, verified_at: datetime) -> str:
    """An end before the beginning."""
    return f"{expires_at.isoformat()} is not after {verified_at.isoformat()}, when it was verified"


def not_signed(header: str) -> str:
    """A delivery without a signature of ours."""
    return f"{header}: missing, or not by a secret of this provider"


def no_secret() -> str:
    """A provider without a secret."""
    return "this provider has no secret; deliver again later"


def delivery_stale(seconds: int) -> str:
    """A delivery that may be a replay."""
    return f"signed more than {seconds} s ago, or by a clock that is ahead; sign and deliver again"


def cluster_unavailable() -> str:
    """A clearance that could not be written now."""
    return "the clearance cannot be written now; deliver again"


def verification_due(tenant: str, day: str) -> str:
    """The next verification is due soon, or was."""
    return _warning(f"the verification of tenant {tenant} is due on {day}; have it renewed")


def letter_subject(tenant: str) -> str:
    """The subject of the letter to a tenant before its namespaces are enforced."""
    return printable(f"Requests for accelerators of tenant {tenant} that would be denied")


def letter_opening(tenant: str, requests: int, first: str, last: str) -> str:
    """What the letter is about, from the first to the last instant."""
    return (
        f"Between {first} and {last}, {_many(requests, 'request')} of tenant {tenant} for accelerators passed that "
        "would be denied in an enforced namespace. Nothing was denied yet, and pods that run are not touched. Once a "
        "namespace is enforced, such pods are not created any more."
    )


def letter_case(namespace: str, requests: int, devices: int, *, such_as: str, first: str, last: str) -> str:
    """One case of the letter: what is concerned, and how often."""
    return (
        f"namespace {namespace}: {_many(requests, 'request')} for {_many(devices, 'accelerator')}, first {first}, "
        f"last {last}, such as {such_as}"
    )


def letter_advice(code: PublicCode) -> str:
    """What a tenant does about a public code."""
    return _ADVICE[code]


def letter_more(cases: int) -> str:
    """Cases that a letter leaves out."""
    return f"And {_many(cases, 'further case')} with fewer requests; ask for them."


def letter_closing(contact: str) -> str:
    """How to go on from a letter."""
    whom = f" to {printable(contact)[:LONGEST_CONTACT]}" if contact else " to your contact"
    return f"Write{whom} when this is done, or where you cannot do it, and give the reference of the case."


_ADVICE = {
    PublicCode.NotPermitted: (
        "Remove the field that the line names; where the workload cannot do without it, ask for an exemption."
    ),
    PublicCode.InfoNeeded: "Add what the line says is missing, or ask for it.",
    PublicCode.NotCleared: "Ask for clearance, with the reference.",
    PublicCode.UnderReview: "Nothing is needed from you now; ask how long the review takes.",
    PublicCode.LimitReached: "Hold fewer accelerators at once, or for a shorter time, or ask for more.",
    PublicCode.TryAgain: "Nothing; it passes.",
}


def switched_off(name: str, at: datetime) -> str:
    """The gate was taken out of the way."""
    return (
        f"off: ValidatingWebhookConfiguration {name} is deleted, and the API server stops asking within seconds; pods "
        f"are created unjudged since {at.isoformat()}; computegate on puts it back"
    )


def switched_unrecorded(problem: str, reason: str) -> str:
    """What could not be kept of it."""
    return f"; not kept in the cluster ({problem}), so helm upgrade puts it back; note yourself who, and why: {reason}"


def switched_on(name: str, since: datetime, until: datetime) -> str:
    """The gate is back."""
    return (
        f"on: ValidatingWebhookConfiguration {name} is back; what was created meanwhile: computegate report admitted "
        f"--cluster --since {since.isoformat()} --until {until.isoformat()}"
    )


def _warning(text: str, ending: str = "") -> str:
    text, room = printable(text), LONGEST_WARNING - len(" ...") - len(ending)
    return text if len(text) <= LONGEST_WARNING else f"{text[:room]} ...{ending}"


def printable(text: str) -> str:
    """Return the text as one line of printable ASCII: what a tenant wrote comes back without control characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _some(items: Sequence[str], most: int = 4) -> Sequence[str]:
    return items if len(items) <= most else [*items[:most], f"{len(items) - most} more"]
