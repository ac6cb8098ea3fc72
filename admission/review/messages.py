"""Every sentence about a request, or a workload whose pods will ask: denials, and warnings beside an admission.

Numbers before advice.  A sentence never names a list, an owner, a match or another tenant's figure: what a tenant may
know of a refusal is its public code, what it can do about it, and the reference by which the operator finds the rest.
Quota lines keep the grammar of ResourceQuota ("exceeded quota: ..."), which tools parse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.review.fitting import LONGEST_REMARK, field, some, warning
from admission.review.reasons import PublicCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_ROLE = 24
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


def stopped(tenant: str) -> str:
    """Of whichever reason: pods of the tenant that run would be denied, and until that ends there are no new ones."""
    return (
        f"tenant {tenant} has running pods that would be denied now, and no new ones are admitted meanwhile; "
        f"{_SAY_ALLOWANCE} -o yaml, which says what happens to these and when"
    )


def under_review(tenant: str, what: str) -> str:
    """The one sentence behind every reason of UnderReview, true of each: a person looks at something, or should have.

    A screening that is too old, or was never done, reads as one that found a name: told apart, the one would tell of
    the other.
    """
    return (
        f"the clearance of tenant {tenant} for {what} is under review, or waits for a check of ours; nothing is needed "
        "from you now, unless you were asked for something"
    )


def fact_stale(tenant: str, _what: str) -> str:
    """A fact of the tenant is too old, or nobody whose word counts for it has said so; which one is not said."""
    return (
        f"what is known of tenant {tenant} is too old, or not confirmed by whose word counts; ask for it to be "
        "confirmed anew"
    )


def owner_unknown(tenant: str, _what: str) -> str:
    """Who owns the tenant or stands above it, or where one of them is seated, is not stated, or cannot be true."""
    return (
        f"who holds tenant {tenant} or stands above it, or where it or they are seated, is not stated in full; ask "
        "for the rest to be entered"
    )


def payment_unknown(tenant: str, _what: str) -> str:
    """How the tenant pays is not stated, or billing has not said so."""
    return f"how tenant {tenant} pays is not known, or not confirmed by billing; ask for it to be entered"


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
    """The tenant declares no end use, or one that names none, and a rule asks for it."""
    return (
        f"{what} needs a declared end use, and tenant {tenant} has declared none, or Other; ask for yours to be entered"
    )


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
    return f"this pod refers to {' and '.join(some(names))}, which does not exist; create it before the pod"


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


def hours_unended(quota: str) -> str:
    """The quota lets pods without an end go on hour by hour, and nothing ends them in time."""
    return f"quota {quota} cannot renew the time of a pod without an end here at present; set activeDeadlineSeconds"


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


def authorization_taken(tenant: str, what: str) -> str:
    """Authorizations of the tenant's reseller, or of its end customer, have no room: their numbers are not told."""
    return f"the authorization for {what} that covers tenant {tenant} has no room for this; free some or ask for more"


def no_quota(tenant: str, what: str) -> str:
    """A rule asks for a quota and none covers the request."""
    return f"no quota covers {what} for tenant {tenant}; ask for one"


def device_bypass(fields: Sequence[str], subject: str = "pod") -> str:
    """The pod, or the claim, reaches devices past a request."""
    return f"this {subject} can reach devices it does not ask for; remove {' and '.join(some(fields))}"


def class_unknown(resource: str) -> str:
    """Nobody can say which chip this is."""
    return f"which accelerator {resource} gives is not known here; ask for it to be declared, or use another resource"


def malformed(problem: str, subject: str = "pod") -> str:
    """The object cannot be read."""
    return f"this {subject} cannot be judged: {problem}"


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


def record_unwritten() -> str:
    """The decision record takes no lines, and the operator wants nothing decided without it."""
    return "requests for accelerators cannot be recorded right now; retrying is safe"


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


def would_be_denied(line: str, reference: str) -> str:
    """A denial that the mode turns into a warning: its beginning, and the reference by which the rest is found."""
    return warning(f"would be denied when enforced: {line}", f" (ref {reference})" if reference else "")


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
    return warning(f"its pods cannot be judged beforehand: {problem}")


def workload_too_large(most_bytes: int, most_values: int) -> str:
    """What stands for the problem where a workload is not looked into."""
    return f"larger than {most_bytes >> 20} MiB or {most_values} maps and lists"


def _foreseen(what: str, line: str, reference: str, *, enforced: bool) -> str:
    when = "" if enforced else " when enforced"
    return warning(f"{what}{when}: {line}", f" (ref {reference})" if reference else "")


def nearly_used_up(quota: str, percent: int) -> str:
    """A quota that is nearly full for this tenant."""
    return warning(f"quota {quota} is {percent} percent used; {_SAY_ALLOWANCE}")


def clearance_ends(tenant: str, day: str) -> str:
    """A clearance that lapses soon."""
    return warning(f"the clearance of tenant {tenant} ends on {day}; have it renewed")


def verification_due(tenant: str, day: str) -> str:
    """The next verification is due soon, or was."""
    return warning(f"the verification of tenant {tenant} is due on {day}; have it renewed")


# -- to who writes objects of ours: these name what they like ------------------------------------


def object_broken(sentence: str, path: Iterable[str | int], whose: str = "") -> str:
    """A write is refused for what the object says; ``whose`` is another one that says it too, with that one's field."""
    return f"{sentence} ({_field(path, whose)})"


def breaks_another(sentence: str, whose: str, path: Iterable[str | int]) -> str:
    """A write, or a deletion, is refused for another object that refers to this one."""
    return f"{whose} refers to it; without it, {sentence} ({_field(path, whose)}); change that first"


def _field(path: Iterable[str | int], whose: str) -> str:
    return f"{field(path)} of {whose}" if whose else field(path)


def object_unread(whose: str, problems: str) -> str:
    """A write is refused as the object cannot be read."""
    return f"{whose} cannot be read: {problems}"


def object_unmended(sentence: str, path: Iterable[str | int]) -> str:
    """What was wrong before a write, and stays so."""
    return warning(f"still to be mended: {sentence} ({field(path)})", longest=LONGEST_REMARK)


def object_remark(sentence: str, whose: str, path: Iterable[str | int]) -> str:
    """What somebody should look at; ``whose`` is another object that it stands in, or ""."""
    return warning(f"{_field(path, whose)}: {sentence}", longest=LONGEST_REMARK)


def remarks_more(count: int) -> str:
    """Remarks that one answer does not have."""
    return warning(f"{count} more remarks: computegate check -f FILES shows all")


def object_unjudged(problem: str) -> str:
    """An object of ours that passed without being looked at."""
    return warning(f"not checked, as the other objects are not known here: {problem}")
