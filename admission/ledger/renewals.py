"""How what has no end goes on in a scope, by the quotas that stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.quota import ComputeQuota
from admission.decide.compute import hold_limit, limits_of, scope_of
from admission.decide.renewal import ending_of
from admission.demand.devices import classes_in
from admission.ledger.renewal import Renewing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from admission.decide.limits import Limit
    from admission.decide.registry import Registry
    from admission.review.reasons import Reason

_Counts = tuple[tuple[str, int], ...]


def renewing_in(registry: Registry, scope: str, endings: Mapping[Reason, int], now: datetime) -> Renewing | None:
    """Return how objects without an end go on in a scope; None where none does."""
    quotas = [each for each in registry.every(ComputeQuota) if scope_of(each) == scope]
    quotas = [each for each in quotas if each.spec.limits_hours or each.spec.limits_holds]
    if all(each.spec.without_end == "Refused" for each in quotas):
        return None
    rules = registry.rules(now)

    def about(counts: _Counts) -> list[ComputeQuota]:
        names = {name for key, _ in counts for name in classes_in(key)}
        return [each for each in quotas if any(rules.class_matches(name, each.spec.classes) for name in names)]

    def limits(party: str, counts: _Counts) -> tuple[Limit, ...]:
        found: list[Limit] = []
        for quota in about(counts):
            placed = limits_of(rules, quota, party, registry.group, registry.shards)
            found += (limit for _, limit in placed if limit.unit == "deviceHours")
            names = {name for key, _ in counts for name in classes_in(key)}
            held = (name for name in names if rules.class_matches(name, quota.spec.classes))
            hold = hold_limit(quota, held, of_reseller="/" in party)
            found += () if hold is None else (hold,)
        return tuple(found)

    return Renewing(limits, lambda counts: ending_of(about(counts), endings))
