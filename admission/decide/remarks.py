"""What an operator should look at in rules that can be applied: weakened, doubled, unconfirmed, dated ahead.

Nothing here holds anything back: the strictest of all rules wins, whatever they say twice.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import AccessPolicy, Effect
from admission.decide.applied import APPLIED, in_force, named, takes_its_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from admission.api.policy import Rule

Path = tuple[str | int, ...]

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
        weaker = "; that is WEAKER" if _strength(rule, now) > _strength(replaced.rule, now) else ""
        before, after = _said(replaced.rule, now), _said(rule, now)
        yield each.remark(f"in place of {rule.replaces} ({before}) stands this one ({after}){weaker}", "replaces")


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
    start = max((each for each in (one.effective, other.effective) if each), default=None)
    end = min((each for each in (one.expires, other.expires) if each), default=None)
    return start is None or end is None or start < end
