"""All AccessPolicies read as one, as they are in force at an instant."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.api.policy import Fact, Mode
from admission.catalogue import control, jurisdictions, lines
from admission.catalogue.jurisdictions import GROUPS, members
from admission.decide.applied import in_force, is_followed, named, replaced_rules
from admission.decide.duration import seconds_of
from admission.decide.rules import DUE, NEVER, Due, ResolvedRule, ResolvedTest, RulesInForce
from admission.decide.screening import terms_of
from admission.tenants.age import Age
from admission.tenants.screening import OF_WHOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from admission.api.attestation import FactAge, Reverification
    from admission.api.policy import AccessPolicy, Rule
    from admission.catalogue.catalogue import Catalogue

COUNTRY_FACTS = frozenset(
    {
        Fact.Headquarters,
        Fact.Incorporation,
        Fact.UltimateParentHeadquarters,
        Fact.UltimateParentIncorporation,
        Fact.OwnerHeadquarters,
        Fact.GoverningJurisdiction,
        Fact.Place,
        Fact.AccessCountry,
    }
)
"""Facts whose values are countries, so that a rule may name groups of them."""


class Rulebook:
    """The policies of the installation; ``at`` gives the rules of an instant and keeps them while they last."""

    def __init__(self, policies: Iterable[AccessPolicy], catalogue: Catalogue, version: str = "") -> None:
        self._policies = tuple(sorted(policies, key=lambda policy: policy.name))
        self._catalogue = catalogue
        self._version = version
        self._current: RulesInForce | None = None

    def at(self, now: datetime) -> RulesInForce:
        """Return the rules in force at ``now``."""
        current = self._current
        if current is None or not current.since <= now < current.until:
            enforcing = tuple(policy for policy in self._policies if policy.spec.mode is Mode.Enforce)
            current = self._resolve(now, enforcing)
            if enforcing != self._policies:
                warning = frozenset(policy.name for policy in self._policies if policy.spec.mode is Mode.Warn)
                proposed = self._resolve(now, self._policies)
                current = dataclasses.replace(current, proposed=proposed, warning=warning)
            self._current = current
        return current

    def next_change(self, now: datetime) -> datetime | None:
        """The first instant after ``now`` at which a rule, a group or a control entry may change; None for never.

        No object changes then: who acts on verdicts must ask anew.
        """
        rules = [rule for policy in self._policies for rule in policy.spec.rules if is_followed(rule)]
        dated = [moment for rule in rules for moment in (rule.effective, rule.expires) if moment is not None]
        builtin = (*jurisdictions.changes(), *control.changes(), *lines.changes())
        return min((moment for moment in (*dated, *builtin) if moment > now), default=None)

    def _resolve(self, now: datetime, policies: tuple[AccessPolicy, ...]) -> RulesInForce:
        builtin = {name: members(name, now) for name in GROUPS}
        groups = _merged(builtin, self._policies)
        specs = [policy.spec for policy in policies]
        order = [reference for spec in specs for reference in spec.jurisdiction_order]
        replaced = replaced_rules(policies, now)
        rules = tuple(
            _resolved(policy, rule, builtin | _groups(policy))
            for policy in policies
            for rule in policy.spec.rules
            if in_force(rule, now) and named(policy, rule) not in replaced
        )
        return RulesInForce(
            since=now,
            until=self.next_change(now) or NEVER,
            rules=rules,
            groups=groups,
            ranks=_ranks(order or ["ear-headquarters", "ear-destinations"], groups),
            catalogue=self._catalogue,
            ambiguous_class_denies=any(spec.ambiguous_class == "Deny" for spec in specs),
            owner_threshold=min(
                (spec.beneficial_owner_threshold for spec in specs if spec.beneficial_owner_threshold), default=None
            ),
            unidentified_denies=any(spec.unidentified_tenant == "Deny" for spec in specs),
            version=self._version,
            screening=terms_of(spec.screening for spec in specs),
            replaced=replaced,
            by_letter=self._by_letter(rules, now),
            ages=tuple(_age(each) for spec in specs for each in spec.fact_ages),
            due=_due([spec.reverification for spec in specs if spec.reverification]),
        )

    def _by_letter(self, rules: Iterable[ResolvedRule], now: datetime) -> frozenset[str]:
        """The classes that letters name: each by itself, all of them, or those that are, or may be, at a line."""
        named = {name for each in rules if each.rule.status == "ByLetter" for name in each.rule.classes}
        if "*" in named:
            return frozenset(self._catalogue.chips) | named
        drawn = named & lines.names()
        at_lines = (name for name in self._catalogue.chips if self._catalogue.sides(name, now).possible & drawn)
        return frozenset({*named, *at_lines} if drawn else named)


def _age(stated: FactAge) -> Age:
    return Age(Fact(stated.fact), seconds_of(stated.max_age), frozenset(stated.attested_by))


def _due(stated: Collection[Reverification]) -> Due:
    """The strictest of all: a review where any asks for one, the shortest grace, the longest warning."""
    if not stated:
        return DUE
    graces = [seconds_of(each.grace) for each in stated if each.overdue == "NeedsReview"]
    return Due(max(seconds_of(each.warn_before) for each in stated), min(graces, default=None))


def _groups(policy: AccessPolicy) -> dict[str, frozenset[str]]:
    """A policy's own groups: what its rules mean by them, whatever others call by the same name."""
    return {group.name: frozenset(group.countries) for group in policy.spec.groups}


def _merged(builtin: Mapping[str, frozenset[str]], policies: Iterable[AccessPolicy]) -> dict[str, frozenset[str]]:
    """All groups, for quotas and the order: a name that several policies give means all that they say."""
    groups = dict(builtin)
    for policy in policies:
        for name, countries in _groups(policy).items():
            groups[name] = groups.get(name, frozenset()) | countries
    return groups


def _resolved(policy: AccessPolicy, rule: Rule, groups: Mapping[str, frozenset[str]]) -> ResolvedRule:
    tests = tuple(ResolvedTest(test.fact, test.operator, _values(test.fact, test.values, groups)) for test in rule.when)
    return ResolvedRule(named(policy, rule), rule, tests)


def _values(fact: Fact, values: Collection[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if fact is Fact.Screening and "Match" in values:
        return OF_WHOM.union(values)
    if fact not in COUNTRY_FACTS:
        return frozenset(values)
    return frozenset(code for value in values for code in groups.get(value, frozenset({value})))


def _ranks(order: Iterable[str], groups: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Strictest first: a country has the rank of the first reference that means it."""
    ranks: dict[str, int] = {}
    for rank, reference in enumerate(order):
        for code in groups.get(reference, frozenset({reference})):
            ranks.setdefault(code, rank)
    return ranks
