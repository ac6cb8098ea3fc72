"""Checks about what is asked: can it be told, does it go round a request, how long, under which limits."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from admission.api.policy import Effect
from admission.decide.asking import asked_of
from admission.decide.counting import caps_of, counting_of
from admission.decide.duration import seconds_of, text_of
from admission.decide.exemption import exempted
from admission.decide.grants import AUTHORIZATION, covering, grant_limits, scope_of_grant, valid_grants
from admission.decide.limits import ENDING, ENDLESS, Charge, Limit, Part, Parties, Scope, computing, supplying, whole
from admission.decide.party import denied_by
from admission.decide.question import Check, Question
from admission.decide.renewal import Renewal, longest_hold, renewal_of
from admission.decide.shards import Shard, shards_beside
from admission.decide.told import named, not_cleared, what
from admission.demand.devices import counted
from admission.review import messages
from admission.review.finding import Finding
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from admission.api.quota import Authorization, ComputeQuota
    from admission.decide.asking import Asked
    from admission.decide.counting import Cap
    from admission.decide.party import Result
    from admission.decide.rules import RulesInForce
    from admission.demand.access import Access


def check_access(question: Question, _governing: str) -> Iterator[Result]:
    """No device is reached past a request, but where an exemption lets it."""
    exempt = exempted_of(question)
    for name in dict.fromkeys(exempt.values()):
        lifted = {access.field: access.way for access, by in exempt.items() if by == name}
        yield Check(f"exemption {name}", "", "pass", lifted), None
    found = [access for access in question.demand.access if access not in exempt]
    if found:
        inputs = {access.field: access.way for access in found}
        sentence = messages.device_bypass([access.field for access in found], question.demand.subject)
        finding = Finding(Reason.DeviceBypass, sentence, str(inputs))
        yield Check("access", "", "fail", inputs), finding


def exempted_of(question: Question) -> Mapping[Access, str]:
    """What the pod reaches past a request and may, by the exemption that lets it."""
    demand = question.demand
    if not demand.access:
        return {}
    return exempted(demand.access, demand.carrier, question.exemptions, question.requester.namespace, question.now)


def check_claims(question: Question, _governing: str) -> Iterator[Result]:
    """Every claim that the pod refers to is there: which devices it gives stands nowhere else."""
    missing = question.demand.missing
    if missing:
        finding = Finding(Reason.ClaimMissing, messages.claim_missing(missing), " ".join(missing))
        yield Check("claims", "", "fail", dict.fromkeys(missing, "missing")), finding


def check_class(question: Question, _governing: str) -> Iterator[Result]:
    """Every class is one that somebody can name; where the operator asks for a choice, there is only one."""
    for devices in question.demand.devices:
        inputs = {"classes": "|".join(devices.classes), "targets": " ".join(devices.targets)}
        finding = None
        if not all(map(question.rules.catalogue.chip, devices.classes)):
            finding = Finding(Reason.ClassUnknown, messages.class_unknown(devices.resource), devices.class_key)
        elif len(devices.classes) > 1 and question.rules.ambiguous_class_denies:
            selectors = [selector for _, selector in devices.narrowing]
            sentence = messages.class_ambiguous(devices.resource, devices.classes, selectors)
            finding = Finding(Reason.ClassAmbiguous, sentence, devices.class_key)
        yield Check(f"class of {devices.resource}", "", "fail" if finding else "pass", inputs), finding


def check_hold(question: Question, governing: str) -> Iterator[Result]:
    """The pod ends, and in time for every quota that limits how long, or for how many hours, it may hold its devices.

    With claims, for every quota that could: a claim can be another one of the same name by the time that the pod
    uses it.  What was held and used before is the ledger's to add.
    """
    deadline = question.demand.deadline_seconds
    counting = counting_of(question, governing)
    quotas = counting.governed if question.demand.refers else counting.timed
    if not quotas:
        return
    renewal = renewal_of(question, quotas) if deadline is None else Renewal()
    for quota in quotas:
        longest = longest_hold(quota, of_reseller="/" in question.requester.party)
        hours = quota.spec.limits_hours
        if longest is None and not hours:
            continue
        claim = question.demand.subject == "claim"
        overstays = _overstays(quota, deadline, longest, renewal, hours=hours, claim=claim)
        found = () if renewal.seconds else tuple(overstays)
        inputs = {"activeDeadlineSeconds": str(deadline)} | ({"longestHold": longest} if longest else {})
        inputs |= {"paysFor": text_of(renewal.seconds)} if renewal.seconds else {}
        inputs |= {"window": quota.spec.window} if hours else {}
        yield Check(f"hold {quota.name}", "", "fail" if found else "pass", inputs), next(iter(found), None)


def _overstays(
    quota: ComputeQuota, deadline: int | None, longest: str | None, renewal: Renewal, *, hours: bool, claim: bool
) -> Iterator[Finding]:
    if hours and claim and not deadline:
        yield Finding(Reason.HoldUnbounded, messages.claim_unbounded(quota.name), "a claim by itself")
    elif deadline is None and renewal.unended:
        yield Finding(Reason.HoldUnbounded, messages.hours_unended(quota.name), renewal.obstacle)
    elif deadline is None:
        sentence = messages.hold_unbounded(quota.name, longest) if longest else messages.hours_unbounded(quota.name)
        yield Finding(Reason.HoldUnbounded, sentence, renewal.obstacle or "no deadline")
    elif longest and deadline > seconds_of(longest):
        sentence = messages.hold_too_long(quota.name, longest, text_of(deadline))
        yield Finding(Reason.HoldTooLong, sentence, f"{deadline} s")
    elif hours and deadline + ENDING > seconds_of(quota.spec.window):
        sentence = messages.longer_than_window(quota.name, quota.spec.window, text_of(deadline))
        yield Finding(Reason.HoldTooLong, sentence, f"{deadline} s")


def check_grants(question: Question, governing: str) -> Iterator[Result]:
    """Where a rule asks for an authorization about a party, one covers that party; where for a quota, there is one."""
    for asked in asked_of(question, governing):
        inputs = {"class": asked.class_name}
        if asked.rule.effect is Effect.Authorization:
            grants = _authorizations(question, asked)
            ready = bool(grants)
            inputs |= {"authorizations": "; ".join(f"{each.name}={each.spec.number}" for each in grants)}
        else:
            ready = asked.class_name in counting_of(question, governing).classes
        party, outcome = asked.party or question.requester.tenant_name, "pass" if ready else "fail"
        check = Check(f"grant {asked.rule.name}", party, outcome, inputs)
        yield check, None if ready else _not_granted(question, asked, governing)


def _not_granted(question: Question, asked: Asked, governing: str) -> Finding:
    """What is missing: the authorization or the quota, or the fact that would tell whether it is needed, or which."""
    rule, party, name = asked.rule, question.requester.tenant_name, asked.class_name
    if rule.effect is Effect.Quota and governing:
        return Finding(Reason.QuotaExceeded, messages.no_quota(party, f"class {name}"), name, party, rule.name)
    if rule.effect is Effect.Quota:
        return not_cleared(question, party, Reason.OwnerUnknown, f"{name}: no jurisdiction known", rule)[1]
    if asked.doubt is not None:
        return denied_by(question, rule, asked.doubt)
    sentence = messages.authorization_required(named(question, asked.party), f"class {name}")
    return Finding(Reason.AuthorizationRequired, sentence, name, asked.party, rule.name)


def _left_by(question: Question, governing: str) -> Iterator[ComputeQuota]:
    """The quotas of where the party's charges still stand, as it was governed by another jurisdiction before."""
    left = question.requester.charged - {governing}
    for quota in question.quotas if left else ():
        countries = question.rules.countries(quota.spec.jurisdictions)
        stands = scope_of(quota) in left or not countries.isdisjoint(left)
        if stands and governing not in countries and _counts_any(question, quota):
            yield quota


def charge_of(question: Question, governing: str) -> Charge:
    """What the request would be charged: devices by class key, and which of them claims made for it will hold.

    For how long, and on whose hold, only where a limit over time counts it.
    """
    charged = [devices for devices in question.demand.devices if devices.charged]
    parts = [
        Part(name, digest, counted(devices for devices in charged if devices.claim == name))
        for name, digest in question.demand.made
    ]
    charge = Charge(question.requester.party, counted(charged), tuple([part for part in parts if part.counts]))
    quotas = counting_of(question, governing).timed
    if not quotas:
        return charge
    group, party, deadline = question.requester.group, question.requester.party, question.demand.deadline_seconds
    first = renewal_of(question, quotas).seconds if deadline is None else 0
    return replace(charge, seconds=deadline or first, group="" if group == party else group, endless=bool(first))


def scopes_of(question: Question, governing: str) -> tuple[Scope, ...]:
    """The limits that the request must fit, by the ledger in which they stand.

    While a party's charges move from one jurisdiction to another, both count what it asks for.
    """
    party = question.requester.party
    limits: defaultdict[str, list[Limit]] = defaultdict(list)
    for quota in (*counting_of(question, governing).quotas, *_left_by(question, governing)):
        for scope, limit in limits_of(question.rules, quota, party, question.group, question.shards):
            limits[scope].append(limit)
        limits[scope_of(quota)].extend(_hold_of(question, quota))
    for holder, classes in _held_by(question, governing).items():
        grants = valid_grants(question.authorizations, holder, question.now)
        limits[scope_of_grant(grants[0])] = [*grant_limits(question.rules, grants, classes, party)]
    return tuple([Scope(name, tuple(each)) for name, each in sorted(limits.items())])


def scope_of(quota: ComputeQuota) -> str:
    """The ledger in which a quota's limits stand: its jurisdiction's, or its own where it names several."""
    named = quota.spec.jurisdictions
    if len(named) == 1:
        return named[0]
    return f"quota-{_short(quota.name)}"


@functools.lru_cache(maxsize=4096)
def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def limits_of(
    rules: RulesInForce, quota: ComputeQuota, party: str, group: Callable[[str], frozenset[str]], shards: int = 0
) -> Iterator[tuple[str, Limit]]:
    """The limits of a quota for a party, each with the ledger in which it stands.

    Of all together, of the tenant, of its reseller, of its ownership group: ``group`` tells the tenants of a party's.
    """
    reseller, _, tenant = party.rpartition("/")
    name, scope, caps, own = quota.name, scope_of(quota), caps_of(rules, quota), Parties.of(computing, tenant)
    parts: tuple[tuple[str, tuple[Cap, ...], Parties | None], ...] = (
        ("", caps.every, None),
        ("tenants", caps.tenants, own),
        ("resellers", caps.resellers if reseller else (), Parties.of(supplying, reseller)),
        ("groups", caps.groups, Parties(computing, group(party)) if caps.groups else None),
    )
    kept = kinds_of(quota, shards)
    for kind, amounts, parties in parts:
        if not (amounts or shards):
            continue
        ledger = Shard.of(scope, kind, party, shards).name if kind in kept else scope
        for unit, amount, weights, window in amounts:
            limit = Limit(name, unit, amount, weights, parties, own, window)
            yield scope if unit == "deviceHours" else ledger, limit
        if shards and (not kind or kind in kept) and all(cap.unit != "devices" for cap in amounts):
            yield ledger, Limit(name, "devices", ENDLESS, rules.weights(quota.spec.classes, "devices"), None, own)


def kinds_of(quota: ComputeQuota, shards: int) -> tuple[str, ...]:
    """By what the parties of a quota are told apart in ledgers beside its scope's own."""
    if not shards:
        return ()
    wanted = (("tenants", True), ("resellers", quota.spec.per_reseller), ("groups", quota.spec.per_group))
    return tuple(kind for kind, limits in wanted if limits)


def beside(quota: ComputeQuota, shards: int) -> tuple[str, ...]:
    """The ledgers beside its scope's own in which limits of a quota stand."""
    return tuple(name for kind in kinds_of(quota, shards) for name in shards_beside(scope_of(quota), shards, kind))


def _hold_of(question: Question, quota: ComputeQuota) -> Iterator[Limit]:
    """The longest hold of a quota, over the classes asked for that it counts."""
    if not quota.spec.limits_holds:
        return
    classes = (name for name in question.every_class if _counts(question, quota, name))
    limit = hold_limit(quota, classes, of_reseller="/" in question.requester.party)
    if limit is not None:
        yield limit


def hold_limit(quota: ComputeQuota, classes: Iterable[str], *, of_reseller: bool) -> Limit | None:
    """Return the longest hold of a quota as a limit over these classes; None where it has none."""
    longest = longest_hold(quota, of_reseller=of_reseller)
    if longest is None:
        return None
    gap = seconds_of(quota.spec.hold_gap)
    return Limit(quota.name, "hold", seconds_of(longest), {}, None, Parties.of(whole), gap, frozenset(classes))


def _authorizations(question: Question, asked: Asked) -> tuple[Authorization, ...]:
    """The authorizations, all of one holder, that hold now and cover whom and what a rule asks about."""
    party = question.requester.party
    valid = (grant for name in party.split("/") for grant in valid_grants(question.authorizations, name, question.now))
    return covering(question.rules, valid, party, asked.party, asked.class_name)


def _held_by(question: Question, governing: str) -> Mapping[str, set[str]]:
    """The holders of the authorizations that are used, each with the classes that are asked for under its."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for asked in asked_of(question, governing):
        if asked.rule.effect is Effect.Authorization and (grants := _authorizations(question, asked)):
            found[grants[0].spec.tenant].add(asked.class_name)
    return found


def _counts_any(question: Question, quota: ComputeQuota) -> bool:
    return any(_counts(question, quota, name) for name in question.every_class)


def _counts(question: Question, quota: ComputeQuota, class_name: str) -> bool:
    return question.rules.class_matches(class_name, quota.spec.classes)


def exceeded(question: Question, shortages: Iterable[messages.Shortage]) -> tuple[Finding, ...]:
    """The findings of a ledger that has no room: an authorization's own, or those of quotas."""
    short, tenant = tuple(shortages), question.requester.tenant_name
    first = short[0]
    if first.quota.startswith(AUTHORIZATION):
        names = first.quota.removeprefix(AUTHORIZATION).split("+")
        grants = [grant for name in names for grant in question.authorizations if grant.name == name]
        return (_exhausted(question, grants, first),)
    classes = what(question).removeprefix("class ")
    found = []
    for unit, reason in (("", Reason.QuotaExceeded), ("deviceHours", Reason.HoursExhausted)):
        these = [each for each in short if each.resource != "hold" and (each.resource == "deviceHours") is bool(unit)]
        if these:
            sentence = messages.quota_exceeded(tenant, classes, these)
            found.append(Finding(reason, sentence, these[0].quota, tenant))
    for each in sorted((each for each in short if each.resource == "hold"), key=lambda each: each.left)[:1]:
        times = {"held": text_of(each.used), "left": text_of(each.left), "asked": text_of(each.requested)}
        sentence = messages.hold_exhausted(tenant, classes, each.quota, **times)
        found.append(Finding(Reason.HoldTooLong, sentence, each.quota, tenant))
    return tuple(found)


def _exhausted(question: Question, grants: list[Authorization], short: messages.Shortage) -> Finding:
    """Authorizations without room: by number and amount where they are the tenant's own, else only that it is so."""
    holder, detail = grants[0].spec.tenant, "+".join(grant.name for grant in grants)
    numbers, covered = [grant.spec.number for grant in grants], sum(grant.spec.devices for grant in grants)
    if holder == question.requester.tenant_name:
        sentence = messages.authorization_exhausted(numbers, short.requested, short.used, covered)
    else:
        sentence = messages.authorization_taken(named(question, holder), what(question))
    return Finding(Reason.AuthorizationExhausted, sentence, detail, holder)
