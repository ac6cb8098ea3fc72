"""What says nothing as it stands: rules outside their dates, words that only close, authorizations that nobody can use.

Nothing here lets anybody in, so nothing waits for it (``dangling`` has what could); an operator meant something by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.policy import AccessPolicy, Effect, Mode
from admission.api.quota import Authorization
from admission.decide.applied import APPLIED, in_force
from admission.decide.dangling import groups_of, undefined, words_of
from admission.decide.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from admission.api.policy import Rule
    from admission.decide.dangling import Dangling
    from admission.decide.remarks import Path


def find_idle(
    policies: Iterable[AccessPolicy], classes: Collection[str], grants: Iterable[Authorization], now: datetime
) -> Iterator[Remark]:
    """Yield the remarks on rules and on authorizations, as of ``now``."""
    ordered = sorted(policies, key=lambda policy: policy.name)
    enforced = [policy for policy in ordered if policy.spec.mode is Mode.Enforce]
    if enforced and not any(_allows(rule, now) for policy in enforced for rule in policy.spec.rules):
        said = "no rule that is enforced allows anything: every controlled class is denied"
        yield Remark(AccessPolicy.__name__, enforced[0].name, ("spec", "rules"), said)
    for policy in ordered:
        groups = groups_of(policy)
        for number, rule in enumerate(policy.spec.rules):
            at = ("spec", "rules", number)
            for field, said in _outside_dates(rule, policy.spec.rules, now):
                yield Remark(AccessPolicy.__name__, policy.name, (*at, *field), said)
            for word in words_of(rule, groups, classes):
                if not word.opens:
                    said = f"rule {rule.name}{word.said}; it allows nothing by that"
                    yield Remark(AccessPolicy.__name__, policy.name, (*at, *word.field), said)
    for grant in sorted(grants, key=lambda grant: grant.name):
        for field, said in _of_grant(grant, classes, now):
            yield Remark(Authorization.__name__, grant.name, ("spec", *field), said)


def find_undecided(found: Iterable[Dangling], holding: Collection[Dangling]) -> Iterator[Remark]:
    """Yield a remark on each word that means nothing where nothing is decided by it, so that it holds nothing back."""
    for each in found:
        if each not in holding:
            yield Remark(each.kind, each.name, each.field, f"{each.sentence}; mend it before it decides anything")


def find_unheld(grants: Iterable[Authorization], tenants: Collection[str]) -> Iterator[Remark]:
    """Yield a remark on each holder and end customer of an authorization who is not among ``tenants``."""
    for grant in sorted(grants, key=lambda grant: grant.name):
        if grant.spec.tenant not in tenants:
            said = f"no Tenant {grant.spec.tenant} is among these objects; nobody holds it"
            yield Remark(Authorization.__name__, grant.name, ("spec", "tenant"), said)
        for place, name in enumerate(grant.spec.end_customers):
            if name not in tenants:
                said = f"no Tenant {name} is among these objects; it covers nobody by that"
                yield Remark(Authorization.__name__, grant.name, ("spec", "endCustomers", place), said)


def _allows(rule: Rule, now: datetime) -> bool:
    return rule.effect is Effect.Allow and in_force(rule, now)


def _outside_dates(rule: Rule, beside: Iterable[Rule], now: datetime) -> Iterator[tuple[Path, str]]:
    """A rule that would be applied and is not yet, or no more and none goes on from it.

    One that replaces another is told of as that (``remarks``).
    """
    if rule.replaces is not None or rule.status not in APPLIED or in_force(rule, now):
        return
    if rule.effective is not None and rule.effective > now:
        if not any(_goes_on(rule, each) for each in beside):
            yield ("effective",), f"the rule {rule.name} applies from {rule.effective.isoformat()} on, not now"
    elif rule.expires is not None and not any(_goes_on(each, rule) for each in beside):
        yield ("expires",), f"the rule {rule.name} ended at {rule.expires.isoformat()}"


def _goes_on(later: Rule, earlier: Rule) -> bool:
    """Whether a rule says from a later instant on what another said until then."""
    if later.effective is None or earlier.expires is None or later.effective < earlier.expires:
        return False
    return (later.effect, later.classes, later.when) == (earlier.effect, earlier.classes, earlier.when)


def _of_grant(grant: Authorization, classes: Collection[str], now: datetime) -> Iterator[tuple[Path, str]]:
    spec = grant.spec
    for place, said in undefined(spec.classes, classes):
        yield ("classes", place), f"{said}; it covers nothing by that"
    if spec.valid_until <= now:
        yield ("validUntil",), f"it ended at {spec.valid_until.isoformat()}"
    elif spec.valid_from > now:
        yield ("validFrom",), f"it is valid from {spec.valid_from.isoformat()} on, not now"
