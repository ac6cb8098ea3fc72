"""Words that mean nothing: a group or class that nobody defines, a country that is none, a resource of two chips.

A restricting rule that names one would silently never apply, one that allows whomever it does not name would allow
everybody, a quota never count, a device be whichever class was read last.  A misspelt word must not open what it was
meant to close, so requests for accelerators wait until it is mended.  Where it can only close (what an Allow rule
names, an authorization, a pool), or decides nothing (a policy that observes, a rule that is proposed or over), nothing
need wait: ``idle`` tells of it.
"""

from __future__ import annotations

import itertools
import typing
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.api.clearance import Screening
from admission.api.identity import TenantKind, TenantSpec
from admission.api.policy import Effect, Fact, Mode
from admission.catalogue import lines
from admission.catalogue.control import Entry
from admission.catalogue.countries import COUNTRIES, OFTEN_MEANT
from admission.catalogue.jurisdictions import GROUPS
from admission.decide.applied import is_heeded, meet_in_time, named
from admission.decide.rulebook import COUNTRY_FACTS
from admission.tenants.screening import OF_WHOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from admission.api.accelerator import AcceleratorClass
    from admission.api.policy import AccessPolicy, Group, Rule, Test
    from admission.api.quota import ComputeQuota

Path = tuple[str | int, ...]
_Said = tuple[Path, str]

ANY_CLASS = frozenset({"*", "Controlled", "Uncontrolled", *map(str, Entry), *lines.names()})

_ORDER = "jurisdictionOrder"
_UNCONTROLLED = frozenset({"Uncontrolled", str(Entry.NONE)})


def _words(annotation: object) -> frozenset[str]:
    """The words of a Literal, however deep it stands in the annotation."""
    if typing.get_origin(annotation) is typing.Literal:
        return frozenset(typing.get_args(annotation))
    return frozenset(word for inner in typing.get_args(annotation) for word in _words(inner))


WORDS: dict[Fact, frozenset[str]] = {
    Fact.TenantKind: frozenset(map(str, TenantKind)),
    Fact.Payment: _words(TenantSpec.model_fields["payment"].annotation),
    Fact.DeclaredUse: _words(TenantSpec.model_fields["declared_use"].annotation),
    Fact.Screening: _words(Screening.model_fields["state"].annotation) | OF_WHOM,
}
"""The closed set of words that a fact can have."""


class Dangling(NamedTuple):
    """What means nothing, in a sentence, and the field in which it stands."""

    kind: str
    name: str
    field: Path
    sentence: str
    about: str = ""
    """Of what several objects say at once: what that is."""
    among: frozenset[str] = frozenset()
    """Likewise: the objects of that kind that say it."""

    def is_of(self, kind: str, name: str) -> bool:
        """Whether an object says it, alone or with others."""
        return kind == self.kind and (name == self.name or name in self.among)

    def was_in(self, before: Iterable[Dangling]) -> bool:
        """Whether it was found before: in the same words, or among these and more of what says it at once."""
        return any(
            self.sentence == each.sentence or (self.about and self.about == each.about and self.among <= each.among)
            for each in before
        )


class Word(NamedTuple):
    """A word of a rule that means nothing, in part of a sentence; whether it can let somebody in."""

    field: Path
    said: str
    opens: bool


def find_dangling(
    policies: Collection[AccessPolicy],
    quotas: Collection[ComputeQuota],
    classes: Collection[str],
    now: datetime | None = None,
) -> Iterator[Dangling]:
    """Yield each word of a rule, a group, an order or a quota that means nothing and could let somebody in.

    As of ``now`` or later; with None also what would if every policy enforced and every rule were followed.
    """
    everyones = GROUPS | {group.name for policy in policies for group in policy.spec.groups}
    enforcing = [policy for policy in policies if now is None or policy.spec.mode is Mode.Enforce]
    ordering = sorted(policy.name for policy in enforcing if policy.spec.jurisdiction_order)
    if len(ordering) > 1:
        said = f"AccessPolicies {', '.join(ordering)} each set jurisdictionOrder; leave one"
        among = frozenset(ordering)
        yield Dangling("AccessPolicy", ordering[-1], ("spec", _ORDER), said, _ORDER, among)
    yield from _replacing(enforcing, now)
    shared = {name for quota in quotas for name in quota.spec.jurisdictions}
    shared |= {name for policy in enforcing for name in policy.spec.jurisdiction_order}
    for policy in policies:
        if policy in enforcing:
            found = _of_policy(policy, everyones, classes, now)
        else:
            found = _of_groups(policy.spec.groups, shared)
        for field, said in found:
            yield Dangling("AccessPolicy", policy.name, ("spec", *field), f"AccessPolicy {policy.name}: {said}")
    for quota in quotas:
        for field, said in _of_quota(quota, everyones, classes):
            yield Dangling("ComputeQuota", quota.name, ("spec", *field), f"ComputeQuota {quota.name} {said}")


def _of_policy(
    policy: AccessPolicy, everyones: Collection[str], classes: Collection[str], now: datetime | None
) -> Iterator[_Said]:
    for place, said in _jurisdictions(policy.spec.jurisdiction_order, everyones):
        yield ("jurisdictionOrder", place), f"jurisdictionOrder {said}"
    yield from _of_groups(policy.spec.groups, {group.name for group in policy.spec.groups})
    own = groups_of(policy)
    for number, rule in enumerate(policy.spec.rules):
        for word in words_of(rule, own, classes) if _counts(rule, now) else ():
            if word.opens:
                yield ("rules", number, *word.field), f"rule {rule.name}{word.said}"


def _counts(rule: Rule, now: datetime | None) -> bool:
    return now is None or is_heeded(rule, now)


def groups_of(policy: AccessPolicy) -> frozenset[str]:
    """The groups that a policy's rules can name: the built-in ones and its own."""
    return GROUPS | {group.name for group in policy.spec.groups}


def _of_groups(groups: Iterable[Group], used: Collection[str]) -> Iterator[_Said]:
    """Those that are used; one of a built-in one's name would take its place in the policy's rules, unseen.

    Quotas and the order mean the groups of all policies, also of those that only observe.
    """
    for number, group in enumerate(groups):
        if group.name not in used:
            continue
        if group.name in GROUPS:
            yield ("groups", number, "name"), f"the group {group.name} has the name of a built-in one; give it another"
        for place, said in _jurisdictions(group.countries, ()):
            yield ("groups", number, "countries", place), f"the group {group.name} {said}"


def _of_quota(quota: ComputeQuota, groups: Collection[str], classes: Collection[str]) -> Iterator[_Said]:
    for place, said in _jurisdictions(quota.spec.jurisdictions, groups):
        yield ("jurisdictions", place), said
    for place, said in undefined(quota.spec.classes, classes):
        yield ("classes", place), said


def _replacing(policies: Collection[AccessPolicy], now: datetime | None) -> Iterator[Dangling]:
    """A rule stands in the place of one of another policy, alone at a time, and nothing stands in its own."""
    replacing = defaultdict[str, list[tuple[str, str, int]]](list)
    rules: dict[str, Rule] = {}
    for policy in policies:
        for number, rule in enumerate(policy.spec.rules):
            if rule.replaces and _counts(rule, now):
                replacing[rule.replaces].append((named(policy, rule), policy.name, number))
                rules[named(policy, rule)] = rule
                if rule.replaces.startswith(f"{policy.name}/"):
                    said = f"AccessPolicy {policy.name}: rule {rule.name} replaces one of its own policy; change that"
                    yield _of_replaces(policy.name, number, said)
    names = {name for found in replacing.values() for name, _, _ in found}
    for replaced, found in sorted(replacing.items()):
        _, policy_name, number = max(found)
        pairs = itertools.combinations((rules[name] for name, _, _ in found), 2)
        if any(meet_in_time(one, other) for one, other in pairs):
            said = f"the rules {', '.join(sorted(name for name, _, _ in found))} replace {replaced} each; leave one"
            among = frozenset(policy for _, policy, _ in found)
            yield _of_replaces(policy_name, number, said)._replace(about=replaced, among=among)
        if replaced in names:
            said = f"the rule {found[0][0]} replaces {replaced}, which replaces another; replace that one"
            both = frozenset({found[0][1], replaced.partition("/")[0]})
            yield _of_replaces(found[0][1], found[0][2], said)._replace(about=f"{replaced} twice", among=both)


def _of_replaces(policy: str, number: int, said: str) -> Dangling:
    return Dangling("AccessPolicy", policy, ("spec", "rules", number, "replaces"), said)


def words_of(rule: Rule, groups: Collection[str], classes: Collection[str]) -> Iterator[Word]:
    """Yield each word of a rule that means nothing, ``groups`` being those that it can name."""
    restricts = rule.effect is not Effect.Allow
    for place, said in undefined(rule.classes, classes):
        yield Word(("classes", place), f" {said}", opens=restricts)
    for place, name in enumerate(rule.classes if rule.status == "ByLetter" else ()):
        if name in _UNCONTROLLED:
            yield Word(
                ("classes", place), f" is ByLetter, so nothing that it names is {name}; name classes", opens=True
            )
    for number, test in enumerate(rule.when):
        for place, said in _of_test(test, groups):
            yield Word(("when", number, "values", place), said, opens=restricts or test.operator == "NotIn")


def _of_test(test: Test, groups: Collection[str]) -> Iterator[tuple[int, str]]:
    if test.fact in COUNTRY_FACTS:
        yield from ((place, f" {said}") for place, said in _jurisdictions(test.values, groups))
        return
    words = WORDS[test.fact]
    for place, value in enumerate(test.values):
        if value not in words:
            yield place, f": {test.fact} is never {value}; it is one of {', '.join(sorted(words))}"


def find_claimed_twice(chips: Iterable[AcceleratorClass]) -> Iterator[Dangling]:
    """Yield each resource that two classes claim."""
    claims = defaultdict[str, dict[str, int]](dict)
    for chip in chips:
        for place, resource in enumerate(chip.spec.resources):
            claims[resource][chip.name] = place
    for resource, places in sorted(claims.items()):
        if len(places) > 1:
            last = max(places)
            names = ", ".join(sorted(places))
            said = f"the resource {resource} is claimed by the AcceleratorClasses {names}; leave one"
            field = "spec", "resources", places[last]
            yield Dangling("AcceleratorClass", last, field, said, resource, frozenset(places))


def _jurisdictions(references: Iterable[str], groups: Collection[str]) -> Iterator[tuple[int, str]]:
    for place, name in enumerate(references):
        if name.isupper() and name not in COUNTRIES:
            meant = f"; {OFTEN_MEANT[name]} is" if name in OFTEN_MEANT else ""
            yield place, f"names {name}, which is no country code of ISO 3166-1{meant}"
        elif not name.isupper() and name not in groups:
            yield place, f"names the group {name}, which nobody defines"


def undefined(references: Iterable[str], defined: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield each class among references that nobody defines: its place, and the part of a sentence."""
    for place, name in enumerate(references):
        if name not in ANY_CLASS and name not in defined:
            yield place, f"names the class {name}, which nobody defines"
