"""What an operator should look at in rules that can be applied: weakened, doubled, unconfirmed, dated ahead.

Nothing here holds anything back: the strictest of all rules wins, whatever they say twice.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import AccessPolicy, Effect
from admission.catalogue.control import Entry
from admission.decide.applied import APPLIED, in_force, meet_in_time, named, takes_its_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from admission.api.policy import Rule, Test

Path = tuple[str | int, ...]

_CONTROLLED = frozenset(map(str, Entry)) - {str(Entry.NONE)}
"""Entries that make a chip Controlled."""

MOST_COMPARED = 10_000
"""Pairs of rules with equal tests that are looked at."""


class Remark(NamedTuple):
    """A sentence about a field of an object."""

    kind: str
    name: str
    field: Path
    sentence: str


class _Placed(NamedTuple):
    """A rule where it stands."""

    policy: AccessPolicy
    number: int
    rule: Rule

    @property
    def name(self) -> str:
        return named(self.policy, self.rule)

    def remark(self, sentence: str, *field: str) -> Remark:
        return Remark(AccessPolicy.__name__, self.policy.name, ("spec", "rules", self.number, *field), sentence)


def find_remarks(policies: Iterable[AccessPolicy], now: datetime) -> Iterator[Remark]:
    """Yield the remarks on policies, as of ``now``."""
    placed = [
        _Placed(policy, number, rule)
        for policy in sorted(policies, key=lambda policy: policy.name)
        for number, rule in enumerate(policy.spec.rules)
    ]
    by_name = {each.name: each for each in placed}
    for each in placed:
        yield from _of_rule(each, by_name, now)
    yield from _overlaps(placed)


def _of_rule(each: _Placed, by_name: dict[str, _Placed], now: datetime) -> Iterator[Remark]:
    rule = each.rule
    if rule.basis.as_of is not None and rule.basis.as_of > now:
        yield each.remark(f"{rule.basis.as_of.date()} lies ahead: nobody can have checked it then", "basis", "asOf")
    if rule.certainty == "Unconfirmed" and in_force(rule, now):
        yield each.remark("applied, and nobody has confirmed its status: confirm it, or replace it", "certainty")
    if rule.replaces is None:
        return
    replaced = by_name.get(rule.replaces)
    if replaced is None:
        yield each.remark(f"no rule {rule.replaces} is among these policies; nothing is replaced", "replaces")
    elif not takes_its_place(rule, now):
        why = "Proposed" if rule.status == "Proposed" else "outside its dates"
        yield each.remark(f"does not take the place of {rule.replaces} now: {why}", "replaces")
    else:
        before, after, weaker = _said(replaced.rule, now), _said(rule, now), _weaker(replaced.rule, rule, now)
        yield each.remark(f"in place of {rule.replaces} ({before}) stands this one ({after}){weaker}", "replaces")


def _weaker(before: Rule, after: Rule, now: datetime) -> str:
    """What is to be said of a replacement: that it is weaker, or that it may be; "" where it surely is not."""
    if not in_force(before, now):
        return ""
    if _strength(after, now) > _strength(before, now):
        return "; that is WEAKER"
    if before.effect is Effect.Allow:
        is_kept = after.effect is not Effect.Allow or _covers(before, after)
    else:
        is_kept = _covers(after, before) and (after.effect is not before.effect or after.levels == before.levels)
    return "" if is_kept else "; that may be WEAKER: it is about other classes, or tests something else"


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether one rule is seen to apply wherever another does: to its classes, and by tests that the other has too."""
    more = {*wide.classes, *(_CONTROLLED if "Controlled" in wide.classes else ())}
    classes = "*" in wide.classes or set(narrow.classes) <= more
    return classes and all(any(_implies(has, test) for has in narrow.when) for test in wide.when)


def _implies(test: Test, other: Test) -> bool:
    """Whether one test holds only where another does, as far as their words show."""
    if (test.fact, test.operator) != (other.fact, other.operator):
        return False
    fewer, more = (test, other) if test.operator == "In" else (other, test)
    return set(fewer.values) <= set(more.values)


def _strength(rule: Rule, now: datetime) -> tuple[int, int]:
    """Less is stricter; what is not applied is the weakest."""
    order = tuple(Effect)
    return (order.index(rule.effect) if in_force(rule, now) else len(order), -(rule.level or 0))


def _said(rule: Rule, now: datetime) -> str:
    level = f" {rule.level}" if rule.level else ""
    return f"{rule.effect}{level}" if in_force(rule, now) else f"not applied, {rule.status}"


def _overlaps(placed: Iterable[_Placed]) -> Iterator[Remark]:
    """Two rules that test the same of the same classes at the same time, so that one of them says nothing."""
    alike = defaultdict[tuple[object, ...], list[_Placed]](list)
    for each in placed:
        if each.rule.status in APPLIED:
            tests = sorted((str(test.fact), test.operator, *sorted(test.values)) for test in each.rule.when)
            alike[each.policy.spec.mode, *tests].append(each)
    for together in alike.values():
        for one, other in itertools.islice(itertools.combinations(together, 2), MOST_COMPARED):
            if _meet(one.rule, other.rule) and one.name != other.rule.replaces and other.name != one.rule.replaces:
                strict = min((one.rule.effect, other.rule.effect), key=tuple(Effect).index)
                yield other.remark(f"tests what {one.name} tests, of the same classes at once: {strict} holds", "when")


def _meet(one: Rule, other: Rule) -> bool:
    """Whether one of two restricting rules adds nothing to the other: both ask for the same, or one of them denies."""
    both = {one.effect, other.effect}
    if (
        Effect.Allow in both
        or (len(both) > 1 and Effect.Deny not in both)
        or set(one.classes).isdisjoint(other.classes)
    ):
        return False
    return meet_in_time(one, other)
