"""Checks about who asks: is there a tenant, who computes, is the clearance good, what do the rules say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.policy import Effect, Fact
from admission.decide.facts import At, applied, denies_everybody, undecided
from admission.decide.override import clearance_of, overridden
from admission.decide.question import Check, Question
from admission.decide.told import not_cleared
from admission.demand.devices import counted
from admission.review import messages
from admission.review.finding import Finding
from admission.review.reasons import Reason
from admission.tenants.places import no_country
from admission.tenants.screening import CANDIDATE, CLEAR
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.decide.rules import ResolvedRule
    from admission.tenants.standing import Standing

Result = tuple[Check, Finding | None]

_DENIED_BY = {
    Fact.Screening: Reason.ListedParty,
    Fact.OwnerHeadquarters: Reason.OwnershipNotCleared,
    Fact.DeclaredUse: Reason.EndUseNotCleared,
}
_UNKNOWN_FACT = {
    Fact.Place: Reason.JurisdictionNotAllowed,
    Fact.DeclaredUse: Reason.EndUseMissing,
    Fact.Screening: Reason.NeedsReview,
    Fact.AccessCountry: Reason.NeedsReview,
    Fact.Payment: Reason.PaymentUnknown,
}


def check_tenant(question: Question, governing: str) -> Iterator[Result]:
    """A namespace without a known tenant gets nothing controlled, nor does a tenant of no known jurisdiction."""
    requester = question.requester
    if requester.tenant is not None:
        if question.is_controlled and not any(party.is_placed for party in requester.standings):
            reason = Reason.FactStale if governing else Reason.JurisdictionNotAllowed
            detail = "all that tells its jurisdiction is too old" if governing else "no jurisdiction known"
            yield not_cleared(question, requester.tenant_name, reason, detail)
        return
    needed = question.is_controlled or question.rules.unidentified_denies or _denied_to_all(question)
    if not question.demand.devices or not needed:
        return
    detail = f"label names {requester.tenant_name!r}, no such Tenant" if requester.tenant_name else "no tenant label"
    yield (
        Check("tenant", requester.tenant_name, "fail", {"namespace": requester.namespace, "detail": detail}),
        Finding(Reason.TenantUnknown, messages.tenant_unknown(requester.namespace), detail, requester.tenant_name),
    )


def _denied_to_all(question: Question) -> bool:
    """Whether a rule denies a class at a place to whoever asks: then also to those whom nobody knows."""
    return any(
        rule.effect is Effect.Deny and denies_everybody(rule, place)
        for devices in question.demand.devices
        for class_name in devices.classes
        for rule in question.rules.about(class_name)
        for place in devices.places
    )


def check_supply(question: Question, _governing: str) -> Iterator[Result]:
    """A reseller names who computes, and both know of each other."""
    requester = question.requester
    if requester.tenant is None or not question.is_controlled:
        return
    if requester.tenant.is_intermediary and not requester.customer_name:
        sentence = messages.end_customer_missing(requester.tenant_name, requester.namespace)
        yield (
            Check("endCustomer", requester.tenant_name, "fail", {"namespace": requester.namespace}),
            Finding(Reason.EndCustomerMissing, sentence, "no end-customer label", requester.tenant_name),
        )
    if requester.customer_name:
        yield _customer_known(question)
    yield from _chain(question)


def _chain(question: Question) -> Iterator[Result]:
    """One supplier and one customer are judged; whoever stands further along the chain is not, so there is none."""
    requester = question.requester
    supplier, customer = requester.supplier, requester.customer
    if requester.supplier_name and supplier is None:
        yield not_cleared(question, requester.supplier_name, Reason.TenantUnknown, "the supplier is no Tenant")
    if supplier is not None and (supplier.tenant.spec.supplied_by or requester.customer_name):
        detail = "the supplier is supplied itself, or supplies a supplier"
        yield not_cleared(question, supplier.name, Reason.EndCustomerNotCleared, detail)
    alone = requester.tenant if requester.supplier_name and not requester.customer_name else None
    last = customer or (alone if alone and not alone.is_intermediary else None)  # of those it was said above
    if last is not None and last.rents_on:
        sentence = messages.end_customer_missing(last.name, requester.namespace)
        yield (
            Check("endCustomer", last.name, "fail", {"kind": str(last.tenant.spec.kind)}),
            Finding(Reason.EndCustomerMissing, sentence, "the end customer supplies others", last.name),
        )


def _customer_known(question: Question) -> Result:
    requester = question.requester
    supplied_by = requester.customer.tenant.spec.supplied_by if requester.customer else None
    check = Check("endCustomer", requester.customer_name, "pass", {"suppliedBy": supplied_by or ""})
    if supplied_by == requester.tenant_name:
        return check, None
    detail = f"suppliedBy is {supplied_by!r}" if requester.customer else "no such Tenant"
    sentence = messages.end_customer_not_supplied(requester.tenant_name, requester.customer_name)
    finding = Finding(Reason.EndCustomerMissing, sentence, detail, requester.customer_name)
    return check._replace(outcome="fail"), finding


def check_clearance(question: Question, _governing: str) -> Iterator[Result]:
    """Everyone behind the request is verified, now, for the facts as they are now."""
    if not question.is_controlled:
        return
    for party in question.requester.standings:
        reason, override = clearance_of(question, party)
        inputs = {**party.verification, **overridden(reason, override)} if override else party.verification
        if reason is None or override is not None:
            yield Check("kyc", party.name, "pass", inputs), None
        else:
            _, finding = not_cleared(question, party.name, reason, f"KYC: {reason}")
            yield Check("kyc", party.name, "fail", inputs), finding


def check_owners(question: Question, _governing: str) -> Iterator[Result]:
    """Whoever may hold as much as the operator's threshold is named, for everyone behind the request."""
    threshold = question.rules.owner_threshold
    if threshold is None or not question.is_controlled:
        return
    for party in question.requester.standings:
        check, finding = Check("owners named", party.name, "pass", {"from": f"{threshold:g}"}), None
        if party.may_hide_owner(threshold):
            contradictory = ", ".join(party.graph.contradictory)
            detail = (
                f"what is stated of the owners of {contradictory} cannot all be true"
                if contradictory
                else f"who holds {threshold:g} percent or more is not named"
            )
            _, finding = not_cleared(question, party.name, Reason.OwnerUnknown, detail)
            check = check._replace(outcome="fail")
        yield check, finding


def check_rules(question: Question, governing: str) -> Iterator[Result]:
    """What the rules in force say of each party, for each class and place that the request can reach.

    What an operator's rule took the place of is said too: it may have been stricter.
    """
    for replaced, by in question.rules.replaced.items() if question.demand.devices else ():
        yield Check(f"rule {replaced}", "", "pass", {"replacedBy": by}), None
    reached = sorted(
        {(name, place) for devices in question.demand.devices for name in devices.classes for place in devices.places}
    )
    for party in question.requester.standings:
        for class_name, place in reached:
            yield from _rules_of(question, At(party, class_name, place, governing))


def _rules_of(question: Question, at: At) -> list[Result]:
    kept, (party, class_name, place, governing) = applied(question.rules, *at), at
    found: list[Result] = list(kept.settled) if question.is_controlled else []
    for rule, outcome, check, _ in kept.restricting if question.is_controlled else kept.rules:
        found.append(_judged(question, rule, check, at, outcome))
    if not kept.covers and question.rules.controlled(class_name):
        reason = _doubted(party, kept.doubts)
        inputs = {"class": class_name, "place": place, "governing": governing}
        detail = f"no rule allows {class_name} for {governing or 'nowhere'}"
        _, finding = not_cleared(question, party.name, reason, detail)
        found.append((Check("rules cover the class", party.name, "fail", inputs), finding))
    return found


def _judged(question: Question, rule: ResolvedRule, check: Check, at: At, outcome: Ternary) -> Result:
    """What a restricting rule holds against the party, or nothing; and by which override not, where that decides."""
    finding = _restricted(question, rule, at, outcome)
    if rule.effect is Effect.Level and not question.is_controlled:
        check = check._replace(inputs={**check.inputs, **overridden(*clearance_of(question, at.party))})
    return (check, None) if finding is None else (check._replace(outcome="fail"), finding)


def _unknown(party: Standing, fact: Fact) -> Reason:
    """Why a fact decides against a party without being known: it was known once, or never."""
    is_stale = fact in party.stale and fact is not Fact.Payment  # billing is asked in any case
    return Reason.FactStale if is_stale else _UNKNOWN_FACT.get(fact, Reason.OwnerUnknown)


def _doubted(party: Standing, facts: Iterable[Fact]) -> Reason:
    """Return the reason for rules that may let a party in, by the facts nobody knows: the same in any order."""
    reasons = {_unknown(party, fact) for fact in facts}
    return max(reasons, key=tuple(Reason).index, default=Reason.JurisdictionNotAllowed)


def _restricted(question: Question, rule: ResolvedRule, at: At, outcome: Ternary) -> Finding | None:
    """What a restricting rule that applies, or may apply, holds against the party."""
    party = at.party
    if rule.effect is Effect.Level:
        reason, override = (None, None) if question.is_controlled else clearance_of(question, party)
        if reason is not None and override is None:  # of controlled classes the clearance is checked anyway
            return not_cleared(question, party.name, reason, f"KYC: {reason}", rule)[1]
        return _below(question, rule, at, outcome)
    return denied_by(question, rule, at) if rule.effect is Effect.Deny else None


def denied_by(question: Question, rule: ResolvedRule, at: At) -> Finding:
    """Return what a rule says to a party by the facts that it tests; where it only may apply, by those not known."""
    reason, detail = why(rule, at)
    return not_cleared(question, at.party.name, reason, detail, rule)[1]


def why(rule: ResolvedRule, at: At) -> tuple[Reason, str]:
    """What a rule that applies, or may, holds against the party by what it tests, and the detail for the record."""
    party, unknown = at.party, undecided(rule, at.party, at.place, at.governing)
    if unknown:
        reason = _unknown(party, unknown[0])
        known = "too old" if reason is Reason.FactStale else "unknown"
        detail = f"{rule.rule.basis.title}: {', '.join(unknown)} {known}"
        detail += f"; {party.problem}" if party.problem and reason is not Reason.FactStale else ""
        detail += f"; {no_country(at.place)}" if Fact.Place in unknown and at.place else ""
    else:
        tested = [_DENIED_BY[test.fact] for test in rule.tests if test.fact in _DENIED_BY]
        reason = tested[0] if tested else Reason.JurisdictionNotAllowed
        if reason is Reason.ListedParty and (party.facts[Fact.Screening] or CLEAR) >= CANDIDATE:
            reason = Reason.NeedsReview
        detail = f"{rule.rule.basis.title} ({rule.rule.basis.type}, {rule.rule.status})"
    return reason, detail + (f"; {party.judged.told}" if _tests_screening(rule) and party.judged else "")


def _tests_screening(rule: ResolvedRule) -> bool:
    return any(test.fact is Fact.Screening for test in rule.tests)


def is_by_screening(rule: ResolvedRule, party: Standing) -> bool:
    """Whether a rule asks something of the party for what a screening found, or did not look for.

    What it asks for would tell the party so: it reads what everybody reads who is found.
    """
    is_clear = party.facts[Fact.Screening] == CLEAR and Fact.Screening not in party.stale
    return _tests_screening(rule) and not is_clear


def _below(question: Question, rule: ResolvedRule, at: At, outcome: Ternary) -> Finding | None:
    """A level too low for what is asked for; what is held besides is the ledger's to add (``decide.levels``).

    Where the rule only may apply, what is missing is the fact that would tell, and the level may never be needed.
    """
    party, needed = at.party, _needed(question, rule)
    if party.level >= needed:
        return None
    detail = f"level {party.level}, {needed} needed"
    if is_by_screening(rule, party) or outcome is Ternary.UNKNOWN:
        reason, told = why(rule, at)
        return not_cleared(question, party.name, reason, f"{detail}; {told}", rule)[1]
    if party.name == question.requester.supplier_name:
        return not_cleared(question, party.name, Reason.KYCLevelTooLow, detail, rule)[1]
    return Finding(Reason.KYCLevelTooLow, _highest(question, at), detail, party.name, rule.name)


def _needed(question: Question, rule: ResolvedRule) -> int:
    """The level that a rule asks for, for as much as is asked for."""
    charged = counted(devices for devices in question.demand.devices if devices.charged) if rule.rule.levels else ()
    return question.rules.level_for(rule.rule, charged)


def _highest(question: Question, at: At) -> str:
    """The sentence of the highest level that is asked for: whoever has reached it has reached the others."""
    party, class_name, place, governing = at
    asking = [
        rule
        for rule, outcome, *_ in applied(question.rules, party, class_name, place, governing).rules
        if rule.effect is Effect.Level and outcome is Ternary.TRUE and not is_by_screening(rule, party)
    ]
    is_below = any(party.level < (rule.rule.level or 0) for rule in asking)
    say = messages.level_too_low if is_below else messages.level_too_low_for_so_much
    return say(party.name, f"class {class_name}", max(_needed(question, rule) for rule in asking))
