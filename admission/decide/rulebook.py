"""All AccessPolicies read as one, as they are in force at an instant."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect, Fact, Mode, Rule
from admission.catalogue import control, jurisdictions
from admission.catalogue.control import Entry
from admission.catalogue.jurisdictions import GROUPS, members
from admission.decide.duration import DAY, seconds_of
from admission.decide.limits import measure
from admission.decide.screening import terms_of
from admission.demand.reach import UNKNOWN_CLASS
from admission.tenants.age import Age
from admission.tenants.screening import Terms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from admission.api.attestation import FactAge, Reverification
    from admission.api.policy import AccessPolicy
    from admission.catalogue.catalogue import Catalogue
    from admission.decide.limits import Unit
    from admission.tenants.standing import Standing
    from admission.tenants.ternary import Ternary

APPLIED = frozenset({"InForce", "ByLetter"})
"""Statuses of rules that are applied; stayed, unenforced and proposed rules are only read."""

REPLACING = APPLIED | {"Stayed", "NotEnforced"}
"""Statuses with which a rule takes the place of another; a proposed one waits."""

COUNTRY_FACTS = frozenset(
    {
        Fact.Headquarters,
        Fact.Incorporation,
        Fact.UltimateParentHeadquarters,
        Fact.OwnerHeadquarters,
        Fact.GoverningJurisdiction,
        Fact.Place,
        Fact.AccessCountry,
    }
)
"""Facts whose values are countries, so that a rule may name groups of them."""


@dataclass(frozen=True, slots=True)
class ResolvedTest:
    """A test with its groups resolved to countries at the instant."""

    fact: Fact
    operator: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class ResolvedRule:
    """A rule in force: ``policy/name`` and its tests."""

    name: str
    rule: Rule
    tests: tuple[ResolvedTest, ...]

    @property
    def effect(self) -> Effect:
        """What the rule asks for."""
        return self.rule.effect

    def rises_above(self, level: int) -> bool:
        """Whether some amount of compute needs a higher KYC level than this one."""
        return any(step.level > level for step in self.rule.levels)


class Due(NamedTuple):
    """What follows from a due date of verification, in seconds: warn so long before, review so long after; or never."""

    warn_before: int = 14 * DAY
    review_after: int | None = 0


DUE = Due()
"""Where no policy says."""


ENTRIES = frozenset(map(str, Entry))

Lists = tuple[tuple[str, ...], ...]

NEVER = datetime.max.replace(tzinfo=UTC)
"""Stands for the end of what nothing ends."""


@dataclass(frozen=True)
class RulesInForce:
    """The rules of one instant.  Valid from ``since`` until ``until``, when anything that they rest on next changes.

    They are those of the policies that enforce.  ``proposed`` are the rules as they would be if every policy
    did, where some only observe or warn; ``warning`` are the policies that warn.
    """

    since: datetime
    until: datetime
    rules: tuple[ResolvedRule, ...]
    groups: Mapping[str, frozenset[str]]
    ranks: Mapping[str, int]
    catalogue: Catalogue
    ambiguous_class_denies: bool = False
    owner_threshold: float | None = None
    unidentified_denies: bool = False
    version: str = ""
    ages: tuple[Age, ...] = ()
    due: Due = DUE
    screening: Terms = field(default_factory=Terms)
    """How long a candidate may wait for judgement, and how old a list may be."""
    proposed: RulesInForce | None = None
    warning: frozenset[str] = frozenset()
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Rules that stand aside, each with the one in its place."""
    by_letter: frozenset[str] = frozenset()
    """Classes that a rule in force by letter names."""
    _entries: dict[str, Entry] = field(default_factory=dict, compare=False, repr=False)
    shared: dict[tuple[Lists, frozenset[str]], tuple[tuple[frozenset[int], Mapping[str, int]], ...]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What ``grants`` found: for the classes of authorizations and those asked for, which sets must have room."""
    _means: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    applicable: dict[tuple[int, str, str, str], tuple[Standing, tuple[tuple[ResolvedRule, Ternary], ...]]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What ``facts.applicable`` found."""
    _by_class: dict[str, tuple[ResolvedRule, ...]] = field(default_factory=dict, compare=False, repr=False)
    _countries: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    _weights: dict[tuple[str, ...], Mapping[str, int]] = field(default_factory=dict, compare=False, repr=False)
    _overlaps: dict[tuple[str, ...], bool] = field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def by_amount(self) -> bool:
        """Whether any rule asks for levels by amount."""
        return any(rule.rule.levels for rule in self.rules)

    def entry(self, class_name: str) -> Entry:
        """The control entry of a class at this instant; unknown for a class that nobody can name."""
        if class_name not in self._entries:
            self._entries[class_name] = self.catalogue.entry(class_name, self.since)
        return self._entries[class_name]

    def about(self, class_name: str) -> tuple[ResolvedRule, ...]:
        """The rules that are about a class."""
        if class_name not in self._by_class:
            self._by_class[class_name] = tuple(rule for rule in self.rules if self._is_about(rule, class_name))
        return self._by_class[class_name]

    def _is_about(self, rule: ResolvedRule, class_name: str) -> bool:
        meets = self.class_permitted if rule.effect is Effect.Allow else self.class_matches
        return meets(class_name, rule.rule.classes)

    def controlled(self, class_name: str) -> bool:
        """Whether a class has a control entry, may have one, or is named by a letter."""
        return self.entry(class_name) is not Entry.NONE or class_name in self.by_letter

    def class_matches(self, class_name: str, references: Iterable[str]) -> bool:
        """Whether a class is, or may be, meant by any of the references: for what restricts and counts.

        References are names, entries, ``Controlled``, ``Uncontrolled`` and ``*``.
        """
        return not self._meant(class_name).isdisjoint(references)

    def class_permitted(self, class_name: str, references: Iterable[str]) -> bool:
        """Whether a class is for certain meant by any of the references: for what permits."""
        entry = str(self.entry(class_name))
        return any(each in self._meant(class_name) and (each == entry or each not in ENTRIES) for each in references)

    def _meant(self, class_name: str) -> frozenset[str]:
        if class_name not in self._means:
            kind = "Controlled" if self.controlled(class_name) else "Uncontrolled"
            entries = self.entry(class_name), self.catalogue.assumed(class_name, self.since)
            self._means[class_name] = frozenset({"*", class_name, kind, *map(str, entries)})
        return self._means[class_name]

    def overlap(self, one: Sequence[str], other: Sequence[str]) -> bool:
        """Whether some class is meant by references of both."""
        key = (*one, "", *other)
        if key not in self._overlaps:
            weights = self.weights(one, "devices"), self.weights(other, "devices")
            self._overlaps[key] = any(all(each[name] for each in weights) for name in self.catalogue.chips)
        return self._overlaps[key]

    def weights(self, references: Iterable[str], unit: Unit, *, permits: bool = False) -> Mapping[str, int]:
        """What one device of each class weighs in a limit on these classes; other classes weigh nothing.

        Classes that are only assumed to be meant weigh too, except in a limit that ``permits``.
        """
        key = (unit, "permits" if permits else "", *references)
        if key not in self._weights:
            meets = self.class_permitted if permits else self.class_matches
            meant = [name for name in self.catalogue.chips if meets(name, key[2:])]
            # What nobody can name counts in every limit: unknown is not cleared.
            weighed = [*meant, UNKNOWN_CLASS]
            self._weights[key] = dict.fromkeys(self.catalogue.chips, 0) | {
                name: 1 if unit == "devices" else self.catalogue.tpp(name) for name in weighed
            }
        return self._weights[key]

    def level_for(self, rule: Rule, counts: Iterable[tuple[str, int]]) -> int:
        """The KYC level that a rule asks for: from the first device on, and never less for more."""
        if not rule.levels:
            return rule.level or 0
        counts = tuple(counts)
        reached = (
            step.level for step in rule.levels if measure(counts, self.weights(rule.classes, step.unit)) >= step.amount
        )
        return max((rule.level or 0, *reached))

    def countries(self, references: Iterable[str]) -> frozenset[str]:
        """Countries meant by codes and groups; a group that nobody defines holds requests back (``dangling``)."""
        key = tuple(references)
        if key not in self._countries:
            meant = (self.groups.get(reference, frozenset({reference})) for reference in key)
            self._countries[key] = frozenset().union(*meant)
        return self._countries[key]

    def strictest(self, jurisdictions: Iterable[str]) -> str:
        """The governing one of the jurisdictions under the policies' own order; "" for none."""
        return min(jurisdictions, key=lambda code: (self.ranks.get(code, len(self.ranks)), code), default="")


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
        rules = [rule for policy in self._policies for rule in policy.spec.rules if _is_followed(rule)]
        dated = [moment for rule in rules for moment in (rule.effective, rule.expires) if moment is not None]
        later = [moment for moment in (*dated, *jurisdictions.changes(), *control.changes()) if moment > now]
        return min(later, default=None)

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
            by_letter=frozenset(name for each in rules if each.rule.status == "ByLetter" for name in each.rule.classes),
            ages=tuple(_age(each) for spec in specs for each in spec.fact_ages),
            due=_due([spec.reverification for spec in specs if spec.reverification]),
        )


def named(policy: AccessPolicy, rule: Rule) -> str:
    """Return a rule's name over all policies."""
    return f"{policy.name}/{rule.name}"


def replaced_rules(policies: Iterable[AccessPolicy], now: datetime) -> dict[str, str]:
    """Return the rules that stand aside at ``now``, each with the one in its place.

    Only the policies that are looked at replace: one that observes takes nothing away from those that enforce.
    """
    pairs = sorted(
        (rule.replaces, named(policy, rule))
        for policy in policies
        for rule in policy.spec.rules
        if rule.replaces and takes_its_place(rule, now)
    )
    return dict(pairs)


def takes_its_place(rule: Rule, now: datetime) -> bool:
    """Whether a rule that replaces another does so at ``now``: within its dates, and not while it is proposed."""
    return rule.status in REPLACING and _is_dated(rule, now)


def _is_followed(rule: Rule) -> bool:
    """Whether anything changes when a rule begins or ends."""
    return rule.status in (REPLACING if rule.replaces else APPLIED)


def in_force(rule: Rule, now: datetime) -> bool:
    """Whether a rule is applied at ``now``, by its status and its dates."""
    return rule.status in APPLIED and _is_dated(rule, now)


def _is_dated(rule: Rule, now: datetime) -> bool:
    """Whether ``now`` is within a rule's dates."""
    begun = rule.effective is None or rule.effective <= now
    return begun and (rule.expires is None or now < rule.expires)


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


def _values(fact: Fact, values: Iterable[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
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
