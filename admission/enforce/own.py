"""What each quota leaves one party: its own use, and what it could still hold, use, or go on holding.  No I/O.

What others hold shows in what is left alone, as it does in a denial; no figure is theirs.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from admission.api.allowance import OwnHours, OwnLimit
from admission.api.quota import ComputeQuota
from admission.decide.compute import hold_limit, limits_of, scope_of
from admission.decide.duration import HOUR
from admission.decide.limits import ENDLESS, Limit, Parties, computing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.decide.question import Requester
    from admission.decide.registry import Registry
    from admission.ledger.ledger import View


class _Kept(NamedTuple):
    """A limit of a party, and the ledger that it stands in as last seen."""

    limit: Limit
    view: View


def own_limits(
    requester: Requester, ledger: Callable[[str], View | None], registry: Registry, now: datetime
) -> list[OwnLimit]:
    """What each quota leaves whoever is behind a namespace, as far as the ledgers are seen; by name.

    The quotas are those of the jurisdiction by which a request from there is judged: the strictest of all behind it.
    """
    rules = registry.rules(now)
    governing = rules.strictest(requester.jurisdictions)
    quotas = (each for each in registry.every(ComputeQuota) if governing in rules.countries(each.spec.jurisdictions))
    found = (_own(quota, requester.party, ledger, registry, now) for quota in quotas)
    return sorted((each for each in found if each), key=lambda each: each.quota)


def _own(
    quota: ComputeQuota, party: str, ledger: Callable[[str], View | None], registry: Registry, now: datetime
) -> OwnLimit | None:
    """What one quota leaves the party; None where it limits nothing of what is shown, or is not counted yet."""
    kept = list(_kept(quota, party, ledger, registry, now))
    devices = [each for each in kept if each.limit.unit == "devices"]
    left = min((limit.amount - view.all(limit) for limit, view in devices if limit.amount != ENDLESS), default=None)
    hours = _hours(quota, [each for each in kept if each.limit.unit == "deviceHours"])
    hold = _hold_left(quota, party, ledger(scope_of(quota)), registry, now)
    if left is None and hours is None and not hold:
        return None
    used = max((view.own(limit) for limit, view in devices), default=0)
    limit = None if left is None else used + max(0, left)
    return OwnLimit(quota=quota.name, used=used, limit=limit, hours=hours, hold_left=hold)


def _kept(
    quota: ComputeQuota, party: str, ledger: Callable[[str], View | None], registry: Registry, now: datetime
) -> Iterator[_Kept]:
    """The limits of a quota for a party, and one without an end, that its own devices are counted by in any case."""
    rules, tenant, scope = registry.rules(now), party.rpartition("/")[2], scope_of(quota)
    weights = rules.weights(quota.spec.classes, "devices")
    counting = Limit(quota.name, "devices", ENDLESS, weights, None, Parties.of(computing, tenant))
    placed = limits_of(rules, quota, party, registry.group, registry.shards)
    for name, limit in ((scope, counting), *placed):
        if (view := ledger(name)) is not None:
            yield _Kept(limit, view)


def _hours(quota: ComputeQuota, kept: list[_Kept]) -> OwnHours | None:
    """Own device-hours, and what the tightest limit leaves; None where none are limited, or they are not summed yet."""
    used, prepaid, left = list[int](), list[int](), list[int]()
    for limit, view in kept:
        counted = view.hours_under(limit) if view.initialized else None
        if counted is None:
            return None
        used.append(counted.own_used)
        prepaid.append(counted.own_prepaid)
        left.append(limit.amount - counted.all)
    if not left:
        return None
    return OwnHours(
        paid_until=_paid_until(kept),
        window=quota.spec.window,
        used=-(-max(used) // HOUR),
        prepaid=-(-max(prepaid) // HOUR),
        left=max(0, min(left)) // HOUR,
    )


def _paid_until(kept: list[_Kept]) -> datetime | None:
    """The first instant up to which a pod of the party's own without an end has paid."""
    ends = []
    for limit, view in kept:
        until = view.paid_until(functools.partial(_is_own, limit))
        ends += [] if until is None else [until]
    return datetime.fromtimestamp(min(ends), UTC) if ends else None


def _is_own(limit: Limit, party: str, key: str) -> bool:
    return limit.own.has(party) and limit.measure(((key, 1),)) > 0


def _hold_left(quota: ComputeQuota, party: str, view: View | None, registry: Registry, now: datetime) -> str:
    """What is left of the longest hold for the class that is held longest, in full hours, to change seldom."""
    if view is None or not view.initialized:
        return ""
    group, matches = registry.group_of(party), registry.rules(now).class_matches
    classes = {name for who, name in view.hours.holds if who == group and matches(name, quota.spec.classes)}
    limit = hold_limit(quota, classes, of_reseller="/" in party)
    if limit is None:
        return ""
    return f"{max(0, limit.amount - view.hours.elapsed(group, limit, int(now.timestamp()))) // HOUR}h"
