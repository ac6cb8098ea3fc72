"""Which charges belong to a scope: to those of quotas by jurisdiction, to those of authorizations by grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.quota import Authorization, ComputeQuota
from admission.decide.compute import beside, scope_of
from admission.decide.duration import seconds_of
from admission.decide.grants import scope_of_grant
from admission.decide.shards import is_used, shard_of
from admission.demand.devices import classes_in
from admission.ledger.hours import Terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from admission.decide.registry import Registry
    from admission.decide.shards import Shard
    from admission.ledger.homes import Places


def membership(registry: Registry, scope: str, now: datetime) -> Callable[[str, Places], bool]:
    """Return what tells whether a party that is charged in some places is charged in a scope."""
    shard = shard_of(scope)
    if shard is not None:
        return _within(registry, shard, now)
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


def _within(registry: Registry, shard: Shard, now: datetime) -> Callable[[str, Places], bool]:
    """Return the same for a shard: it has of its scope's parties those that lead there, and none that is not in use."""
    shards = registry.shards
    if not is_used(shard.name, shards):
        return lambda _party, _places: False
    total = membership(registry, shard.total, now)
    return lambda party, places: shard.has(party, shards) and total(party, places)


def scopes_of(registry: Registry) -> frozenset[str]:
    """Return every scope in which some quota or authorization stands, shards included."""
    found = {*map(scope_of, registry.every(ComputeQuota)), *map(scope_of_grant, registry.every(Authorization))}
    for quota in registry.every(ComputeQuota):
        found.update(beside(quota, registry.shards))
    return frozenset(found)


def limited_in(registry: Registry, scope: str, now: datetime) -> Callable[[str], bool]:
    """Return what tells whether any limit of a scope counts a class key: what none counts is not reserved."""
    shard = shard_of(scope)
    total, rules = shard.total if shard else scope, registry.rules(now)
    quotas = (quota.spec.classes for quota in registry.every(ComputeQuota) if scope_of(quota) == total)
    grants = (grant.spec.classes for grant in registry.every(Authorization) if scope_of_grant(grant) == total)
    references = {reference for classes in (*quotas, *grants) for reference in classes}
    return lambda key: any(rules.class_matches(name, references) for name in classes_in(key))


class KeptTerms:
    """The terms of each scope, found anew once a quota changes: a reconciler asks for them with every fold."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._quotas: tuple[ComputeQuota, ...] = ()
        self._known: dict[str, Terms] = {}

    def of(self, scope: str) -> Terms:
        """Return the terms of a scope."""
        quotas = self._registry.every(ComputeQuota)
        if quotas != self._quotas:
            self._quotas, self._known = quotas, {}
        if scope not in self._known:
            self._known[scope] = terms_of(self._registry, scope)
        return self._known[scope]


def terms_of(registry: Registry, scope: str) -> Terms:
    """Return what the quotas of a scope need to be kept of use over time."""
    quotas = [quota.spec for quota in registry.every(ComputeQuota) if scope_of(quota) == scope]
    return Terms(
        windows=frozenset(seconds_of(quota.window) for quota in quotas if quota.limits_hours),
        tranches=any(quota.without_end != "Refused" for quota in quotas if quota.limits_hours),
        gap=max((seconds_of(quota.hold_gap) for quota in quotas if quota.limits_holds), default=None),
    )
