"""Levels by amount: what a rule asks of a party for so much compute, held and asked for together.

A party of a level may hold what stays below the first amount that needs a higher one.  That is a limit like any other:
it stands in the ledger that counts the party, so that requests at the same time cannot pass it together.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from admission.decide import compute
from admission.decide.compute import kinds_of, scope_of
from admission.decide.counting import counting_of
from admission.decide.facts import At, applied
from admission.decide.limits import Limit, Parties, Scope, computing, either
from admission.decide.party import Result, is_by_screening, why
from admission.decide.question import Check
from admission.decide.screening import as_known
from admission.decide.shards import Shard
from admission.decide.told import named, not_cleared, what
from admission.review import messages
from admission.review.finding import Finding
from admission.review.reasons import Reason
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.api.quota import ComputeQuota
    from admission.decide.facts import Applicable
    from admission.decide.question import Question
    from admission.decide.rules import ResolvedRule
    from admission.tenants.standing import Standing

_PREFIX = "level"


def is_level(key: str) -> bool:
    """Say whether a limit's key is that of a level by amount; no quota has a stroke in its name."""
    return key.startswith(f"{_PREFIX}/")


def check_levels(question: Question, governing: str) -> Iterator[Result]:
    """Where a level depends on how much is held, something counts it."""
    classes = {name for devices in question.demand.devices for name in devices.classes}
    for party, rule in _raising(question, governing):
        meant = sorted(name for name in classes if question.rules.class_matches(name, rule.rule.classes))
        missing = [name for name in meant if name not in counting_of(question, governing).classes]
        missing = missing if _counting(question, governing, party, rule) else meant
        check = Check(f"amount {rule.name}", party.name, "fail" if missing else "pass", {"classes": "|".join(meant)})
        yield check, _uncounted(question, party, rule, missing[0]) if missing else None


def _uncounted(question: Question, party: Standing, rule: ResolvedRule, class_name: str) -> Finding:
    sentence = messages.no_quota(question.requester.tenant_name, f"class {class_name}")
    return Finding(Reason.QuotaExceeded, sentence, f"nothing counts {class_name}", party.name, rule.name)


def scopes_of(question: Question, governing: str) -> tuple[Scope, ...]:
    """The limits that the request must fit, by the ledger in which they stand: those of quotas, grants and levels."""
    others = compute.scopes_of(question, governing)
    raising = tuple(_raising(question, governing))
    if not raising:
        return others
    limits = defaultdict(list, {scope.name: list(scope.limits) for scope in others})
    for party, rule in raising:
        for name, limit in _limits_of(question, governing, party, rule):
            limits[name].append(limit)
    return tuple(Scope(name, tuple(each)) for name, each in sorted(limits.items()))


def exceeded(question: Question, shortages: Iterable[messages.Shortage]) -> tuple[Finding, ...]:
    """The findings of a ledger that has no room: the level that is needed, and those of quotas and authorizations."""
    short = tuple(shortages)
    needed: dict[tuple[str, str], int] = {}
    for each in (each for each in short if is_level(each.quota)):
        _, party, policy, rule, level = each.quota.split("/")
        needed[party, f"{policy}/{rule}"] = max(int(level), needed.get((party, f"{policy}/{rule}"), 0))
    others = tuple(each for each in short if not is_level(each.quota))
    found = tuple(_too_low(question, *index, level) for index, level in needed.items())
    return (*found, *(compute.exceeded(question, others) if others else ()))


def _too_low(question: Question, party: str, rule: str, level: int) -> Finding:
    """Where the rule only may apply, what is missing is the fact that would tell, as it is without what is held."""
    detail, asking = f"level {level} needed with what is held", _asking(as_known(question), party, rule)
    if asking and not any(
        each.outcome is Ternary.TRUE and not is_by_screening(each.rule, at.party) for at, each in asking
    ):
        at, each = asking[0]
        reason, told = why(each.rule, at)
        return not_cleared(question, party, reason, f"{detail}; {told}", each.rule)[1]
    sentence = messages.level_too_low_for_so_much(named(question, party), what(question), level)
    return Finding(Reason.KYCLevelTooLow, sentence, "with what is held", party, rule)


def _asking(question: Question, party: str, rule: str) -> list[tuple[At, Applicable]]:
    """How a rule applies to a party, or may, for each class and place that can be reached."""
    governing = question.rules.strictest(question.requester.jurisdictions)
    found = []
    for devices in question.demand.devices:
        for asks, class_name, place in itertools.product(question.requester.standings, devices.classes, devices.places):
            at = At(asks, class_name, place, governing)
            found += [(at, each) for each in applied(question.rules, *at).rules if each.rule.name == rule]
    return [(at, each) for at, each in found if at.party.name == party]


def _raising(question: Question, governing: str) -> Iterator[tuple[Standing, ResolvedRule]]:
    """Rules that apply, or may, and by amount ask for more than a party has: each once for each party."""
    found: dict[tuple[str, str], tuple[Standing, ResolvedRule]] = {}
    if not question.rules.by_amount:
        return iter(())
    for devices in question.demand.devices:
        reached = itertools.product(question.requester.standings, devices.classes, devices.places)
        for party, class_name, place in reached:
            for rule in applied(question.rules, party, class_name, place, governing).raising:
                found[party.name, rule.name] = party, rule
    return iter(found.values())


def _limits_of(question: Question, governing: str, party: Standing, rule: ResolvedRule) -> Iterator[tuple[str, Limit]]:
    """What a party of its level may hold, by each amount from which on another one is needed."""
    quota = _counting(question, governing, party, rule)
    if quota is None:
        return
    scope, name = _ledger(question, quota, party), party.name
    tenant = question.requester.party.rpartition("/")[2]
    for step in rule.rule.levels:
        if step.level > party.level:
            yield (
                scope,
                Limit(
                    f"{_PREFIX}/{name}/{rule.name}/{step.level}",
                    step.unit,
                    step.amount - 1,
                    question.rules.weights(rule.rule.classes, step.unit),
                    Parties.of(either, name),
                    Parties.of(computing, tenant),
                ),
            )


def _counting(question: Question, governing: str, party: Standing, rule: ResolvedRule) -> ComputeQuota | None:
    """The quota in whose ledger the rule's classes are counted for a party: the same whichever of them is asked for."""
    kind = _kind(question, party)

    def counts(quota: ComputeQuota) -> bool:
        told_apart = not kind or kind in kinds_of(quota, question.shards)
        return told_apart and question.rules.overlap(rule.rule.classes, quota.spec.classes)

    by_ledger = sorted(counting_of(question, governing).governed, key=lambda quota: (scope_of(quota), quota.name))
    return next(filter(counts, by_ledger), None)


def _kind(question: Question, party: Standing) -> str:
    """By what the accounts of a party are told apart in shards; "" where there are none."""
    computes = question.requester.party.rpartition("/")[2] == party.name
    return "" if not question.shards else "tenants" if computes else "resellers"


def _ledger(question: Question, quota: ComputeQuota, party: Standing) -> str:
    """Where the accounts of a party stand; with shards those of who computes, or of a reseller where these are kept."""
    scope, kind = scope_of(quota), _kind(question, party)
    return Shard.of(scope, kind, question.requester.party, question.shards).name if kind else scope
