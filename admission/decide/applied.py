"""Which rules are applied at an instant: by their status and dates, and by what stands in whose place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.policy import AccessPolicy, Rule

APPLIED = frozenset({"InForce", "ByLetter"})
"""Statuses of rules that are applied; stayed, unenforced and proposed rules are only read."""

REPLACING = APPLIED | {"Stayed", "NotEnforced"}
"""Statuses with which a rule takes the place of another; a proposed one waits."""


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


def is_followed(rule: Rule) -> bool:
    """Whether anything changes when a rule begins or ends."""
    return rule.status in (REPLACING if rule.replaces else APPLIED)


def is_heeded(rule: Rule, now: datetime) -> bool:
    """Whether a rule is followed at ``now`` or will be: neither only read nor over."""
    return is_followed(rule) and (rule.expires is None or now < rule.expires)


def in_force(rule: Rule, now: datetime) -> bool:
    """Whether a rule is applied at ``now``, by its status and its dates."""
    return rule.status in APPLIED and _is_dated(rule, now)


def _is_dated(rule: Rule, now: datetime) -> bool:
    """Whether ``now`` is within a rule's dates."""
    begun = rule.effective is None or rule.effective <= now
    return begun and (rule.expires is None or now < rule.expires)


def meet_in_time(one: Rule, other: Rule) -> bool:
    """Whether there is an instant within the dates of both rules."""
    start = max((each for each in (one.effective, other.effective) if each), default=None)
    end = min((each for each in (one.expires, other.expires) if each), default=None)
    return start is None or end is None or start < end
