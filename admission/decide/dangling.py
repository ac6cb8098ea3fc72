"""Words that mean nothing: a group or class that nobody defines, a country that is none, a resource of two chips.

A restricting rule that names one would silently never apply, a quota never count, a device be whichever class was
read last.  A misspelt word must not open what it was meant to close, so controlled requests wait until it is
mended.  Where it could only close (an Allow rule, an authorization, a pool), nothing need wait.
"""

from __future__ import annotations

import typing
from collections import defaultdict
from typing import TYPE_CHECKING

from admission.api.clearance import Screening
from admission.api.identity import TenantKind, TenantSpec
from admission.api.policy import Effect, Fact
from admission.catalogue import lines
from admission.catalogue.control import Entry
from admission.catalogue.countries import COUNTRIES, OFTEN_MEANT
from admission.catalogue.jurisdictions import GROUPS
from admission.decide.applied import named
from admission.decide.rulebook import COUNTRY_FACTS
from admission.tenants.screening import OF_WHOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from admission.api.accelerator import AcceleratorClass
    from admission.api.policy import AccessPolicy, Rule
    from admission.api.quota import ComputeQuota

ANY_CLASS = frozenset({"*", "Controlled", "Uncontrolled", *map(str, Entry), *lines.names()})


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


def find_dangling(
    policies: Collection[AccessPolicy], quotas: Iterable[ComputeQuota], classes: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for each word of a restricting rule, an order or a quota that means nothing."""
    everyones = GROUPS | {group.name for policy in policies for group in policy.spec.groups}
    ordering = [policy.name for policy in policies if policy.spec.jurisdiction_order]
    if len(ordering) > 1:
        yield f"AccessPolicies {', '.join(sorted(ordering))} each set jurisdictionOrder; leave one"
    yield from _replacing(policies)
    for policy in policies:
        where = f"AccessPolicy {policy.name}"
        yield from _jurisdictions(f"{where}: jurisdictionOrder", policy.spec.jurisdiction_order, everyones)
        for rule in policy.spec.rules:
            if rule.effect is not Effect.Allow:
                own = GROUPS | {group.name for group in policy.spec.groups}
                yield from _of_rule(f"{where}: rule {rule.name}", rule, own, classes)
    for quota in quotas:
        yield from _jurisdictions(f"ComputeQuota {quota.name}", quota.spec.jurisdictions, everyones)
        yield from _classes(f"ComputeQuota {quota.name}", quota.spec.classes, classes)


def _replacing(policies: Collection[AccessPolicy]) -> Iterator[str]:
    """A rule stands in the place of one of another policy, alone, and nothing stands in its own."""
    replacing = defaultdict[str, list[str]](list)
    for policy in policies:
        for rule in policy.spec.rules:
            if rule.replaces:
                replacing[rule.replaces].append(named(policy, rule))
                if rule.replaces.startswith(f"{policy.name}/"):
                    yield f"AccessPolicy {policy.name}: rule {rule.name} replaces one of its own policy; change that"
    names = {name for found in replacing.values() for name in found}
    for replaced, found in sorted(replacing.items()):
        if len(found) > 1:
            yield f"the rules {', '.join(sorted(found))} replace {replaced} each; leave one"
        if replaced in names:
            yield f"the rule {found[0]} replaces {replaced}, which replaces another; replace that one"


def _of_rule(where: str, rule: Rule, groups: Collection[str], classes: Collection[str]) -> Iterator[str]:
    yield from _classes(where, rule.classes, classes)
    for test in rule.when:
        if test.fact in COUNTRY_FACTS:
            yield from _jurisdictions(where, test.values, groups)
        else:
            words = WORDS[test.fact]
            unknown = [value for value in test.values if value not in words]
            for value in unknown:
                yield f"{where}: {test.fact} is never {value}; it is one of {', '.join(sorted(words))}"


def find_claimed_twice(chips: Iterable[AcceleratorClass]) -> Iterator[str]:
    """Yield a sentence for each resource that two classes claim."""
    claims = defaultdict[str, set[str]](set)
    for chip in chips:
        for resource in chip.spec.resources:
            claims[resource].add(chip.name)
    for resource, names in sorted(claims.items()):
        if len(names) > 1:
            yield f"the resource {resource} is claimed by the AcceleratorClasses {', '.join(sorted(names))}; leave one"


def _jurisdictions(where: str, references: Iterable[str], groups: Collection[str]) -> Iterator[str]:
    for name in references:
        if name.isupper() and name not in COUNTRIES:
            meant = f"; {OFTEN_MEANT[name]} is" if name in OFTEN_MEANT else ""
            yield f"{where} names {name}, which is no country code of ISO 3166-1{meant}"
        elif not name.isupper() and name not in groups:
            yield f"{where} names the group {name}, which nobody defines"


def _classes(where: str, references: Iterable[str], defined: Collection[str]) -> Iterator[str]:
    for name in references:
        if name not in ANY_CLASS and name not in defined:
            yield f"{where} names the class {name}, which nobody defines"
