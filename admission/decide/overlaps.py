"""Which rules of an instant speak of the same parties with different words: where both apply, the stricter one governs.

Found are rules that test the same facts, of classes and values that they share: a Deny beside what is no Deny, and two
levels.  Rules that test other facts are meant to meet, as are a rule that allows and one that asks for more, and a
rule of the operator's that is stricter than one of a built-in profile.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from admission.api.policy import AccessPolicy, Effect, Fact
from admission.catalogue.countries import COUNTRIES
from admission.decide.applied import named
from admission.decide.dangling import WORDS
from admission.decide.remarks import MOST_COMPARED, Remark
from admission.review.fitting import some

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.decide.rules import ResolvedRule, ResolvedTest, RulesInForce

_Values = frozenset[str]


def find_overlaps(policies: Iterable[AccessPolicy], rules: RulesInForce) -> Iterator[Remark]:
    """Yield a remark on the weaker of two rules that meet, among those that would be in force if every policy were."""
    fields = {
        named(policy, rule): (policy.name, number)
        for policy in policies
        for number, rule in enumerate(policy.spec.rules)
    }
    every = rules.proposed or rules
    alike: defaultdict[frozenset[Fact], list[ResolvedRule]] = defaultdict(list)
    for rule in every.rules:
        if rule.tests and all(test.operator in {"In", "NotIn"} for test in rule.tests):
            alike[frozenset(test.fact for test in rule.tests)].append(rule)
    pairs = itertools.chain.from_iterable(itertools.combinations(each, 2) for each in alike.values())
    for one, other in itertools.islice(pairs, MOST_COMPARED):
        strict, weak = sorted((one, other), key=_strength)
        said = _meeting(every, strict, weak) if _governs(strict, weak) and not _adds(strict, weak) else ""
        if said:
            policy, number = fields[weak.name]
            yield Remark(AccessPolicy.__name__, policy, ("spec", "rules", number, "when"), said)


def _strength(rule: ResolvedRule) -> tuple[int, int]:
    return tuple(Effect).index(rule.effect), -(rule.rule.level or 0)


def _governs(strict: ResolvedRule, weak: ResolvedRule) -> bool:
    """Whether the weaker rule says nothing where the stricter one applies, and is not known to: by equal tests."""
    if weak.effect is not Effect.Allow and set(strict.tests) == set(weak.tests):
        return False  # ``remarks`` tells of it
    if strict.effect is Effect.Deny:
        return weak.effect is not Effect.Deny
    return strict.effect is weak.effect is Effect.Level and strict.rule.level != weak.rule.level


def _adds(strict: ResolvedRule, weak: ResolvedRule) -> bool:
    """Whether a rule of the operator's is stricter than a built-in one, as it is meant to be."""
    builtin, other = weak.name.partition("/")[0], strict.name.partition("/")[0]
    return builtin != other and builtin in _profiles()


@functools.cache
def _profiles() -> frozenset[str]:
    """The names of the built-in profiles: each stands in a file of its name."""
    folder = importlib.resources.files("admission.catalogue").joinpath("profiles")
    return frozenset(each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml"))


def _meeting(rules: RulesInForce, strict: ResolvedRule, weak: ResolvedRule) -> str:
    """Return where both apply, and that the stricter one governs there; "" where they do not meet."""
    weights = [rules.weights(each.rule.classes, "devices") for each in (strict, weak)]
    classes = sorted(name for name in rules.catalogue.chips if all(each[name] for each in weights))
    shared = _shared((*strict.tests, *weak.tests))
    if not classes or not all(shared.values()):
        return ""
    where = " and ".join(f"{fact} is {' or '.join(some(sorted(values)))}" for fact, values in sorted(shared.items()))
    effect = f"{strict.effect} {strict.rule.level}" if strict.rule.level else str(strict.effect)
    return f"{strict.name} applies too where {where}, to {', '.join(some(classes))}: there {effect} governs"


def _shared(tests: Iterable[ResolvedTest]) -> Mapping[Fact, _Values]:
    """The values of each fact that all tests of it let pass."""
    shared: dict[Fact, _Values] = {}
    for test in tests:
        every = WORDS.get(test.fact, COUNTRIES)
        values = test.values if test.operator == "In" else every - test.values
        shared[test.fact] = shared.get(test.fact, every | values) & values
    return shared
