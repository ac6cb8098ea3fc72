"""References that lead nowhere, a group or a class that nobody defines, or two ways: a resource of two classes.

A rule that names one would silently never apply, a quota never count, a device be whichever class was read last.  A
misspelt word must not open what it was meant to close, so controlled requests wait until it is mended.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from admission.catalogue.control import Entry
from admission.catalogue.jurisdictions import GROUPS
from admission.decide.rulebook import COUNTRY_FACTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from admission.api.accelerator import AcceleratorClass, AcceleratorPool
    from admission.api.policy import AccessPolicy
    from admission.api.quota import Authorization, ComputeQuota

ANY_CLASS = frozenset({"*", "Controlled", "Uncontrolled", *map(str, Entry)})


def find_dangling(
    policies: Collection[AccessPolicy],
    quotas: Iterable[ComputeQuota],
    authorizations: Iterable[Authorization],
    classes: Collection[str],
) -> Iterator[str]:
    """Yield a sentence for each reference to a group or a class that nobody defines."""
    everyones = GROUPS | {group.name for policy in policies for group in policy.spec.groups}
    for policy in policies:
        own = GROUPS | {group.name for group in policy.spec.groups}
        yield from _groups(f"AccessPolicy {policy.name}: jurisdictionOrder", policy.spec.jurisdiction_order, everyones)
        for rule in policy.spec.rules:
            where = f"AccessPolicy {policy.name}: rule {rule.name}"
            yield from _classes(where, rule.classes, classes)
            for test in rule.when:
                if test.fact in COUNTRY_FACTS:
                    yield from _groups(where, test.values, own)
    for quota in quotas:
        yield from _groups(f"ComputeQuota {quota.name}", quota.spec.jurisdictions, everyones)
        yield from _classes(f"ComputeQuota {quota.name}", quota.spec.classes, classes)
    for grant in authorizations:
        yield from _classes(f"Authorization {grant.name}", grant.spec.classes, classes)


def find_misnamed(
    chips: Iterable[AcceleratorClass], pools: Iterable[AcceleratorPool], classes: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for each pool of a class that nobody defines, and each resource that two classes claim."""
    for pool in pools:
        if pool.spec.accelerator_class not in classes:
            yield f"AcceleratorPool {pool.name} names the class {pool.spec.accelerator_class}, which nobody defines"
    claims = defaultdict[str, set[str]](set)
    for chip in chips:
        for resource in chip.spec.resources:
            claims[resource].add(chip.name)
    for resource, names in sorted(claims.items()):
        if len(names) > 1:
            yield f"the resource {resource} is claimed by the AcceleratorClasses {', '.join(sorted(names))}; leave one"


def _groups(where: str, references: Iterable[str], defined: Collection[str]) -> Iterator[str]:
    for name in references:
        if not name.isupper() and name not in defined:
            yield f"{where} names the group {name}, which nobody defines"


def _classes(where: str, references: Iterable[str], defined: Collection[str]) -> Iterator[str]:
    for name in references:
        if name not in ANY_CLASS and name not in defined:
            yield f"{where} names the class {name}, which nobody defines"
