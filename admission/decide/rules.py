"""The rules of one instant, and what they mean by the classes and countries that they name."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect, Fact
from admission.catalogue import lines
from admission.catalogue.control import Entry
from admission.catalogue.slices import with_slices
from admission.decide.duration import DAY
from admission.decide.limits import measure
from admission.demand.reach import UNKNOWN_CLASS
from admission.tenants.screening import Terms
from admission.tenants.stand import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from admission.api.policy import Rule
    from admission.catalogue.catalogue import Catalogue
    from admission.catalogue.lines import Sides
    from admission.decide.counting import Caps, Counting
    from admission.decide.facts import Applied
    from admission.decide.kept import Basis, Kept
    from admission.decide.limits import Unit
    from admission.tenants.age import Age

    Weighs = Callable[[frozenset[int]], Mapping[str, int]]
    """What a device of each class weighs on an account, by which of several authorizations name its end customer."""


@dataclass(frozen=True, slots=True)
class ResolvedTest:
    """A test with its groups resolved to countries at the instant."""

    fact: Fact
    operator: str
    values: frozenset[str]


@dataclass(frozen=True)
class ResolvedRule:
    """A rule in force: ``policy/name`` and its tests."""

    name: str
    rule: Rule
    tests: tuple[ResolvedTest, ...]

    @functools.cached_property
    def effect(self) -> Effect:
        """What the rule asks for."""
        return self.rule.effect

    @functools.cached_property
    def checked(self) -> str:
        """The name of its check in a record."""
        return f"rule {self.name} {self.effect}"

    def rises_above(self, level: int) -> bool:
        """Whether some amount of compute needs a higher KYC level than this one."""
        return any(step.level > level for step in self.rule.levels)

    def may_restrict(self, level: int) -> bool:
        """Whether the rule can hold anything against a cleared party of a level by itself, for some amount."""
        if self.effect is Effect.Level:
            return (self.rule.level or 0) > level or self.rises_above(level)
        return self.effect is Effect.Deny


class Due(NamedTuple):
    """What follows from a due date of verification, in seconds: warn so long before, review so long after; or never."""

    warn_before: int = 14 * DAY
    review_after: int | None = 0


DUE = Due()
"""Where no policy says."""


ENTRIES = frozenset(map(str, Entry))

Lists = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
"""Of several authorizations the classes and the end customers."""

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
    shared: dict[tuple[Lists, frozenset[str], frozenset[int]], tuple[tuple[frozenset[int], Weighs], ...]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What ``grants`` found: for authorizations' classes and end customers, and what is asked, which sets need room."""
    _means: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    applied: dict[tuple[int, str, str, str], Applied] = field(default_factory=dict, compare=False, repr=False)
    """What ``facts.applied`` found."""
    counting: dict[tuple[int, str, frozenset[str]], Counting] = field(default_factory=dict, compare=False, repr=False)
    """What ``counting.counting_of`` found: for all quotas, a jurisdiction and the classes asked for."""
    caps: dict[int, Caps] = field(default_factory=dict, compare=False, repr=False)
    """What ``counting.caps_of`` found, by quota."""
    verdicts: dict[Basis, Kept] = field(default_factory=dict, compare=False, repr=False)
    """What ``decide`` found."""
    _by_class: dict[str, tuple[ResolvedRule, ...]] = field(default_factory=dict, compare=False, repr=False)
    _countries: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    _weights: dict[tuple[str, ...], Mapping[str, int]] = field(default_factory=dict, compare=False, repr=False)
    _overlaps: dict[tuple[str, ...], bool] = field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def timing(self) -> Timing:
        """What these rules say of time to every tenant."""
        return Timing(self.ages, self.screening, self.due.review_after)

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

    def class_matches(self, class_name: str, references: Collection[str]) -> bool:
        """Whether a class is, or may be, meant by any of the references: for what restricts and counts.

        References are names, entries, sides of lines (``catalogue.lines``), ``Controlled``, ``Uncontrolled`` and ``*``.
        """
        if not self._meant(class_name).isdisjoint(references):
            return True
        return not lines.names().isdisjoint(references) and not self._sides(class_name).possible.isdisjoint(references)

    def class_permitted(self, class_name: str, references: Collection[str]) -> bool:
        """Whether a class is for certain meant by any of the references: for what permits."""
        entry = str(self.entry(class_name))
        if any(each in self._meant(class_name) and (each == entry or each not in ENTRIES) for each in references):
            return True
        return not lines.names().isdisjoint(references) and not self._sides(class_name).certain.isdisjoint(references)

    def _sides(self, class_name: str) -> Sides:
        return self.catalogue.sides(class_name, self.since)

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

    def weights(
        self, references: Iterable[str], unit: Unit, *, permits: bool = False, weighs_slices: bool = False
    ) -> Mapping[str, int]:
        """What one device of each class weighs in a limit on these classes; other classes weigh nothing.

        Classes that are only assumed to be meant weigh too, except in a limit that ``permits``.  A slice weighs what
        its class does, or its part of the TPP.
        """
        key = (unit, "permits" if permits else "", "slices" if weighs_slices else "", *references)
        if key not in self._weights:
            meets = self.class_permitted if permits else self.class_matches
            meant = [name for name in self.catalogue.chips if meets(name, key[3:])]
            # What nobody can name counts in every limit: unknown is not cleared.
            weighed = [*meant, UNKNOWN_CLASS]
            whole = dict.fromkeys(self.catalogue.chips, 0) | {
                name: 1 if unit == "devices" else self.catalogue.tpp(name) for name in weighed
            }
            self._weights[key] = with_slices(whole, weighed=weighs_slices and unit == "tpp")
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
        return min(jurisdictions, key=self._rank, default="")

    @functools.cached_property
    def _rank(self) -> Callable[[str], tuple[int, str]]:
        """The place of a jurisdiction in that order: those it does not name come last, by their codes."""
        return functools.cache(lambda code: (self.ranks.get(code, len(self.ranks)), code))
