"""What each quota allows, and how much of it is held, as gauges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.quota import ComputeQuota
from admission.decide.compute import scope_of
from admission.decide.counting import weights_in
from admission.decide.duration import HOUR, seconds_of
from admission.decide.limits import held
from admission.decide.renewal import longest_hold
from admission.server.metrics import gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from admission.decide.limits import Unit
    from admission.decide.registry import Registry
    from admission.decide.rules import RulesInForce
    from admission.ledger.ledger import Ledger, View

Samples = dict[tuple[str, ...], float]
_UNITS: tuple[Unit, Unit] = ("devices", "tpp")


class _AtOnce(NamedTuple):
    """What is held at this moment under each quota, in one unit."""

    used: Samples
    reserved: Samples
    limits: Samples


def quota_figures(ledger: Ledger, registry: Registry, now: datetime) -> Iterable[Metric]:
    """Return the gauges of all quotas; what is held only of those whose ledger has been counted."""
    rules, quotas = registry.rules(now), tuple(registry.every(ComputeQuota))
    views = {quota.name: view for quota in quotas if (view := ledger.view(scope_of(quota))) and view.initialized}
    hours: Samples = {}
    holds: Samples = {}
    for quota in quotas:
        hours |= {(quota.name, figure): n for figure, n in _hours(quota, views.get(quota.name), rules)}
        holds |= {(quota.name, figure): n for figure, n in _holds(quota, views.get(quota.name), rules, now)}
    devices, tpp = (_at_once(unit, quotas, views, rules) for unit in _UNITS)
    return (
        gauge("computegate_quota_used_devices", "Devices held under a quota.", devices.used, ("quota",)),
        gauge("computegate_quota_reserved_devices", "Devices promised under a quota.", devices.reserved, ("quota",)),
        gauge("computegate_quota_limit_devices", "Devices that a quota allows.", devices.limits, ("quota",)),
        gauge("computegate_quota_used_tpp", "TPP held under a quota.", tpp.used, ("quota",)),
        gauge("computegate_quota_reserved_tpp", "TPP promised under a quota.", tpp.reserved, ("quota",)),
        gauge("computegate_quota_limit_tpp", "TPP that a quota allows.", tpp.limits, ("quota",)),
        gauge("computegate_quota_device_seconds", "Device-seconds in a quota's window.", hours, ("quota", "figure")),
        gauge("computegate_quota_hold_seconds", "The longest hold that goes on.", holds, ("quota", "figure")),
    )


def _at_once(unit: Unit, quotas: Iterable[ComputeQuota], views: dict[str, View], rules: RulesInForce) -> _AtOnce:
    found = _AtOnce({}, {}, {})
    for quota in quotas:
        weights, limit = weights_in(rules, quota, unit), getattr(quota.spec.limits, unit)
        if view := views.get(quota.name):
            found.used[quota.name,] = held(view.used, weights)
            found.reserved[quota.name,] = held(view.reserved, weights)
        if limit is not None:
            found.limits[quota.name,] = limit
    return found


def _hours(quota: ComputeQuota, view: View | None, rules: RulesInForce) -> Iterator[tuple[str, int]]:
    if view is not None and quota.spec.limits_hours:
        weights = rules.weights(quota.spec.classes, "devices")
        yield from zip(
            ("used", "reserved"), view.device_seconds(seconds_of(quota.spec.window), weights) or (), strict=False
        )
    if quota.spec.limits.device_hours is not None:
        yield "limit", quota.spec.limits.device_hours * HOUR


def _holds(quota: ComputeQuota, view: View | None, rules: RulesInForce, now: datetime) -> Iterator[tuple[str, int]]:
    """The longest hold that goes on, 0 where none does, and the shortest that any limit of the quota allows."""
    longest = longest_hold(quota, of_reseller=True)
    if longest is None:
        return
    yield "limit", seconds_of(longest)
    if view is not None:
        matches = rules.class_matches
        yield "longest", view.longest_hold(lambda name: matches(name, quota.spec.classes), int(now.timestamp())) or 0
