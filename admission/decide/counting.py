"""Which quotas count a request, and what each limits: found once for these quotas and the rules of an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.decide.duration import HOUR, seconds_of
from admission.decide.keeping import keep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from admission.api.quota import ComputeQuota, Limits
    from admission.decide.limits import Unit
    from admission.decide.question import Question
    from admission.decide.rules import RulesInForce

MOST_KEPT = 1000
"""So many answers of each kind are kept for one set of rules; past that the oldest goes."""


class Counting(NamedTuple):
    """The quotas of a jurisdiction, and what they count of some classes."""

    among: tuple[ComputeQuota, ...]
    """All quotas there are: held, so that no others get their id meanwhile."""
    governed: tuple[ComputeQuota, ...]
    quotas: tuple[ComputeQuota, ...]
    """Those that count any of the classes."""
    timed: tuple[ComputeQuota, ...]
    """Those of them that limit use over time."""
    classes: frozenset[str]
    """The classes that any counts."""


class Cap(NamedTuple):
    """One amount that a quota limits."""

    unit: Unit
    amount: int
    weights: Mapping[str, int]
    window: int = 0


class Caps(NamedTuple):
    """What a quota limits: of all together, of each tenant, of each reseller, of each ownership group."""

    quota: ComputeQuota
    """Held, so that no other gets its id meanwhile."""
    every: tuple[Cap, ...]
    tenants: tuple[Cap, ...]
    resellers: tuple[Cap, ...]
    groups: tuple[Cap, ...]


def counting_of(question: Question, governing: str) -> Counting:
    """Return which quotas count a request under a jurisdiction; found once for these quotas, rules and classes."""
    key, kept = (id(question.quotas), governing, question.every_class), question.rules.counting
    return kept.get(key) or keep(kept, key, _counting(question, governing), MOST_KEPT)


def _counting(question: Question, governing: str) -> Counting:
    rules, classes = question.rules, question.every_class
    governed = tuple(each for each in question.quotas if governing in rules.countries(each.spec.jurisdictions))
    counted = {
        each.name: {name for name in classes if rules.class_matches(name, each.spec.classes)} for each in governed
    }
    quotas = tuple(each for each in governed if counted[each.name])
    return Counting(
        question.quotas,
        governed,
        quotas,
        tuple(each for each in quotas if each.spec.limits_hours or each.spec.limits_holds),
        frozenset[str]().union(*counted.values()),
    )


def caps_of(rules: RulesInForce, quota: ComputeQuota) -> Caps:
    """Return what a quota limits; found once for this quota and these rules."""
    return rules.caps.get(id(quota)) or keep(rules.caps, id(quota), _caps(rules, quota), MOST_KEPT)


def _caps(rules: RulesInForce, quota: ComputeQuota) -> Caps:
    spec = quota.spec
    parts = (spec.limits, spec.per_tenant, spec.per_reseller, spec.per_group)
    return Caps(quota, *(tuple(_amounts(rules, quota, part)) if part else () for part in parts))


def _amounts(rules: RulesInForce, quota: ComputeQuota, limits: Limits) -> Iterator[Cap]:
    weights = rules.weights(quota.spec.classes, "devices")
    if limits.devices is not None:
        yield Cap("devices", limits.devices, weights)
    if limits.tpp is not None:
        yield Cap("tpp", limits.tpp, weights_in(rules, quota, "tpp"))
    if limits.device_hours is not None:
        yield Cap("deviceHours", limits.device_hours * HOUR, weights, seconds_of(quota.spec.window))


def weights_in(rules: RulesInForce, quota: ComputeQuota, unit: Unit) -> Mapping[str, int]:
    """What one device weighs in a limit of a quota: a slice of a chip its part of the TPP, where the quota says so."""
    return rules.weights(quota.spec.classes, unit, weighs_slices=quota.spec.slices == "Weighed")
