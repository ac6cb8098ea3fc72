"""Which charges belong to a scope: to those of quotas by jurisdiction, to those of authorizations by grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.quota import Authorization, ComputeQuota
from admission.decide.compute import scope_of, scope_of_grant
from admission.decide.duration import seconds_of
from admission.ledger.hours import Terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from admission.decide.registry import Registry
    from admission.ledger.homes import Places


def membership(registry: Registry, scope: str, now: datetime) -> Callable[[str, Places], bool]:
    """Return what tells whether a party that is charged in some places is charged in a scope."""
    for grant in registry.every(Authorization):
        if scope_of_grant(grant) == scope:
            tenant = grant.spec.tenant
            return lambda party, places: tenant in party.split("/") or scope in places
    rules = registry.rules(now)
    countries = {scope}
    for quota in registry.every(ComputeQuota):
        if scope_of(quota) == scope:
            countries |= rules.countries(quota.spec.jurisdictions)
    return lambda _party, places: not countries.isdisjoint(places)


def scopes_of(registry: Registry) -> frozenset[str]:
    """Return every scope in which some quota or authorization stands."""
    return frozenset(
        {*map(scope_of, registry.every(ComputeQuota)), *map(scope_of_grant, registry.every(Authorization))}
    )


def terms_of(registry: Registry, scope: str) -> Terms:
    """Return what the quotas of a scope need to be kept of use over time."""
    quotas = [quota.spec for quota in registry.every(ComputeQuota) if scope_of(quota) == scope]
    return Terms(
        windows=frozenset(seconds_of(quota.window) for quota in quotas if quota.limits_hours),
        gap=max((seconds_of(quota.hold_gap) for quota in quotas if quota.limits_holds), default=None),
    )
