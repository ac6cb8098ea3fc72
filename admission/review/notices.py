"""Every sentence about what is no request: notices of quotas and the gate, answers to deliveries, letters.

Events, conditions, answers of the KYC receiver, the letters to tenants before they are enforced, and what the commands
that switch the gate say.  They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review.fitting import LONGEST_CONTACT, many, printable
from admission.review.reasons import PublicCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_RESTORE = "helm upgrade with the same values makes it again"
_UNDO = "delete what is changed, then helm upgrade with the same values makes again what is missing"


def counted_late(devices: int) -> str:
    """Of an event on a quota: pods exist that no reservation had announced."""
    return (
        f"{devices} devices of running or pending pods had been counted nowhere, and are counted now: they were "
        "created while no review was asked for, or their namespace came under this quota only now"
    )


def weakened() -> str:
    """Of an event on a namespace: it is less enforced than before."""
    return "less is enforced here than before; annotations computegate.io/weaken-* say who asked for it"


def released_weaker(what: Iterable[str]) -> str:
    """Of an event on the release: its values enforce less than those before."""
    said = printable("; ".join(what))
    return (
        f"the ConfigMap that says what was installed enforces less than before: {said}; helm history tells of an "
        "upgrade, or a rollback, and the audit log of a change by hand"
    )


def finding_told(code: str, pods: int, reference: str, contact: str, *, stops: bool) -> str:
    """Of an event on an Allowance: pods of the namespace run that would be denied now."""
    stopped = "; no new ones are admitted meanwhile" if stops else ""
    return f"[{code}] {many(pods, 'pod')} of this namespace would be denied now{stopped}; {_asked(reference, contact)}"


def evicted_at(code: str, pods: int, deadline: datetime, reference: str, contact: str) -> str:
    """Of an event on an Allowance: such pods are evicted at an instant."""
    return (
        f"[{code}] {many(pods, 'pod')} of this namespace would be denied now, and no new ones are admitted; these are "
        f"evicted from {deadline.isoformat()} on; {_asked(reference, contact)}"
    )


def finding_reported(what: str, pods: int) -> str:
    """Of a result in an OpenReport: ``what`` is a public code where tenants read it, else the operator's reason."""
    verb = "runs" if pods == 1 else "run"
    return f"[{what}] {many(pods, 'pod')} {verb} that would be denied now"


def finding_over(code: str) -> str:
    """Of an event on an Allowance: no pod is left that would be denied for it."""
    return f"[{code}] no pod of this namespace would be denied any more for what was told before"


def breaker_open(pods: int, of: int, share: int, token: str, ended: int = 0) -> str:
    """Of an event on an Enforcement: too many pods would be evicted."""
    before = f", {ended} more were within the hour" if ended else ""
    return (
        f"{pods} of {of} pods with controlled accelerators are to be evicted{before}, more than {share} percent: "
        f"nothing is evicted until spec.confirmed is {token}, and spec.confirmedBy who says so; see whether a rule, a "
        "list or a clearance is wrong first"
    )


def breaker_would_open(share: int) -> str:
    """Of a condition of an Enforcement in dry run."""
    return (
        f"what is found is more than {share} percent of the pods with controlled accelerators: once their deadlines "
        "have passed, nothing would be evicted until somebody confirms it"
    )


def breaker_waits(pods: int, token: str) -> str:
    """Of a condition of an Enforcement: what has them evicted."""
    return f"write {token} into spec.confirmed, your name into confirmedBy: {pods} pods are evicted"


def not_granted(what: str) -> str:
    """Of a condition of an Enforcement: the installation may not do what it says."""
    return f"install with enforcement.{what}=true: without it nothing of that is done, and no deadline is told"


def _asked(reference: str, contact: str) -> str:
    whom = printable(contact)[:LONGEST_CONTACT]
    return f"ref {reference}; {whom}" if whom else f"ref {reference}"


def gate_missing(kind: str, name: str) -> str:
    """Something that the gate rests on is gone."""
    return f"{kind} {name} is gone: what it saw, or refused, passes now; {_RESTORE}"


def gate_changed(kind: str, name: str, detail: str) -> str:
    """Something that the gate rests on is no longer what was installed."""
    return f"{kind} {name} is not what was installed: {printable(detail)}; kubectl delete it, then {_RESTORE}"


def gate_unseen(kind: str, name: str, detail: str) -> str:
    """Nobody can tell whether the gate is what was installed."""
    what = f"{kind} {name}".strip()
    return f"whether the gate is what was installed cannot be told, for want of {what}: {printable(detail)}"


def gate_intact() -> str:
    """The gate is what was installed, again."""
    return "all webhooks and guards are again what was installed"


def canary_answered(canary: str, outcome: str, detail: str) -> str:
    """What the answer to a canary tells; ``outcome`` is one of ``reading.Outcome``, ``detail`` what was said."""
    said = f"; the API server says: {printable(detail)[:_LONGEST_SAID]}" if detail else ""
    return f"canary {canary}: {_CANARIES[outcome]}{said}"


def lacking(lack: str, detail: str) -> str:
    """What the audit of our own registration found; ``lack`` is one of ``audit.Lack``."""
    return f"{_LACKS[lack]}: {printable(detail)}"


def lacks_no_longer(lack: str) -> str:
    """It is no longer so."""
    return f"no longer so: {_LACKS[lack]}"


def clock_leapt(seconds: float) -> str:
    """The machine's clock was set while this process ran."""
    return f"the clock of this machine leapt by {seconds:+.0f} s; it is not followed; set it right"


def clock_back() -> str:
    """The machine's clock is ours again."""
    return "the clock of this machine is right again"


def clock_taken_over(seconds: float) -> str:
    """Our own clock was wrong, as after a suspension, and is set."""
    return f"the clock is set by {seconds:+.0f} s: this machine and the API server agree on the time"


def clock_doubtful(seconds: float) -> str:
    """Nobody knows what time it is."""
    return f"the clock is {seconds:+.0f} s off the API server's; set the clocks right; controlled requests wait"


def clock_sure() -> str:
    """The time is known again."""
    return "the clock and the API server's are the same again"


def trouble(replica: str, text: str) -> str:
    """Of an event on the release: what hinders a replica."""
    return f"{replica}: {printable(text)}"


def trouble_over(replica: str, reason: str) -> str:
    """It is no longer so."""
    return f"{replica}: {reason} is over"


def rules_broken(said: str, fields: Iterable[str], since: datetime, until: datetime | None) -> str:
    """Of the log, and of an event on the release: objects that do not fit together, and what is done meanwhile."""
    if until is None:
        held = "no version is known that was good, so controlled requests wait"
    else:
        held = f"their last good versions count beside them until {until.isoformat()}, then controlled requests wait"
    return f"{said} ({', '.join(fields)}); since {since.isoformat()}; {held}"


def certificate_ends(kind: str, at: datetime) -> str:
    """Of a condition: a certificate should have been renewed by now; ``kind`` is one of ``Certificate.ends``."""
    return f"the certificate ({kind}) ends at {at.isoformat()} and was not renewed; see docs/certificates.md"


def unknown_yet() -> str:
    """Of a condition: no replica has said so."""
    return "no replica has told yet"


def no_replica() -> str:
    """Of a condition: every replica was told to stop."""
    return "the last replica was stopped"


_LONGEST_SAID = 600

_CANARIES = {
    "denied": "denied by this installation, as it must be: the gate stands",
    "passed": "passed all that is ours, as it must",
    "admitted": f"the gate is open: a pod that must be denied was admitted, and so are others; {_UNDO}",
    "foreign": "denied in our name, but not by this installation: see where the webhook configuration leads",
    "guarded": f"denied by a policy of ours, as the webhook configuration covers less than was installed; {_UNDO}",
    "obstructed": "a pod without accelerators does not pass what is ours, so that others do not start either",
    "unanswered": "the gate is closed, and the API server cannot ask us: pods that ask for accelerators are refused",
    "waiting": "the gate is closed, and we answer TryAgain",
    "obscured": "not known whether the gate stands: something that is not ours denied the pod before",
    "unreachable": "not known whether the gate stands: the API server does not answer",
}

_LACKS = {
    "rights": "the server's account is not granted",
    "trust": "API servers do not believe the certificate that is served",
    "endpoints": "no ready address stands behind the Service",
    "namespaces": "enforced namespaces are not selected by the webhook configuration",
    "settings": "this replica was told to let pass, by settings that are not the release's",
    "edited": "this replica was started with other settings than those of the release in ConfigMap",
    "release": "another release is said to be installed than the one of this replica, in ConfigMap",
    "unseen": "what is granted and registered cannot be told",
}


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


def refused_beside(provider: str, state: str, at: datetime, reference: str, reason: str) -> str:
    """What is noted of a refusal that the state of a clearance does not lead to."""
    why = f": {reason}" if reason else ""
    said = f"provider {provider} said {state} at {at.isoformat()}"
    return f"{said}, no step from the state that stands; reference {reference}{why}"


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


def ends_late(expires_at: datetime, days: int) -> str:
    """An end that no verification reaches."""
    return f"{expires_at.isoformat()} is more than {days} days after it was verified; verify anew before"


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


def letter_subject(tenant: str) -> str:
    """The subject of the letter to a tenant before its namespaces are enforced."""
    return printable(f"Requests for accelerators of tenant {tenant} that would be denied")


def letter_opening(tenant: str, requests: int, first: str, last: str) -> str:
    """What the letter is about, from the first to the last instant."""
    return (
        f"Between {first} and {last}, {many(requests, 'request')} of tenant {tenant} for accelerators passed that "
        "would be denied in an enforced namespace. Nothing was denied yet, and pods that run are not touched. Once a "
        "namespace is enforced, such pods are not created any more."
    )


def letter_basis(first: str, last: str, judged: str) -> str:
    """What was looked at for a letter: records from the first to the last instant, and pods that ran at one."""
    records = f"the record of decisions from {first} to {last}" if first else ""
    pods = f"the pods that ran at {judged}" if judged else ""
    return f"Looked at was {' and '.join(filter(None, [records, pods]))}; what came before or since is not counted."


def letter_case(namespace: str, requests: int, devices: int, *, such_as: str, first: str, last: str) -> str:
    """One case of the letter: what is concerned, and how often."""
    return (
        f"namespace {namespace}: {many(requests, 'request')} for {many(devices, 'accelerator')}, first {first}, "
        f"last {last}, such as {such_as}"
    )


def letter_advice(code: PublicCode) -> str:
    """What a tenant does about a public code."""
    return _ADVICE[code]


def letter_more(cases: int) -> str:
    """Cases that a letter leaves out."""
    return f"And {many(cases, 'further case')} with fewer requests; ask for them."


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


def switched_unseen(name: str, problem: str) -> str:
    """Whether something refuses while the gate is missing could not be seen."""
    return (
        f"; bindings could not be looked at ({problem}): if pods are refused now for want of a parameter, "
        f"kubectl delete validatingadmissionpolicybinding {name}-narrowed"
    )


def switched_refusing(bindings: Iterable[str]) -> str:
    """Bindings that the release did not install refuse while the configuration is missing."""
    return (
        "; pods are refused all the same for want of a parameter by what is not the release's: kubectl delete "
        f"validatingadmissionpolicybinding {' '.join(bindings)}"
    )


def switched_on(name: str, since: datetime, until: datetime) -> str:
    """The gate is back."""
    return (
        f"on: ValidatingWebhookConfiguration {name} is back; what was created meanwhile: computegate report admitted "
        f"--cluster --since {since.isoformat()} --until {until.isoformat()}"
    )
