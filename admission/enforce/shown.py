"""What each object's status should say, computed from the registry and the ledger: no I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from admission.api.allowance import AllowanceStatus, ClassUse, LastDenial, OwnLimit
from admission.api.override import KYCOverride
from admission.api.quota import ComputeQuota, ComputeQuotaStatus, Use
from admission.api.standing import StandingStatus
from admission.decide.attested import check_attestation
from admission.decide.compute import check_grants
from admission.decide.counting import weights_in
from admission.decide.decide import governing_of
from admission.decide.duration import HOUR, seconds_of
from admission.decide.grants import counting, valid_grants
from admission.decide.limits import held, measure
from admission.decide.override import clearance_of, overriding
from admission.decide.party import check_clearance, check_owners, check_rules, check_supply, check_tenant
from admission.decide.question import Question
from admission.decide.screening import as_known, screened_by
from admission.demand.devices import Devices
from admission.demand.pod import Demand
from admission.enforce.conditions import condition
from admission.review.reasons import Reason
from admission.tenants.kyc import end_of, lapse_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.api.quota import Authorization
    from admission.decide.limits import Account, Unit
    from admission.decide.registry import Registry
    from admission.ledger.ledger import View
    from admission.tenants.standing import Standing


def quota_status(
    quota: ComputeQuota,
    view: View | None,
    observed: Mapping[Account, int],
    registry: Registry,
    now: datetime,
    *,
    shards: Iterable[View | None] = (),
) -> ComputeQuotaStatus:
    """Use against a quota as the ledger has it; nothing where the ledger has not been counted.

    Its tenants stand in its ``shards``, where there are any.
    """
    beside = tuple(shards)
    counted = all(each is not None and each.initialized for each in (view, *beside))
    ready = condition(
        "Ready",
        "Counted" if counted else "Counting",
        holds=counted,
        current=quota.status.conditions,
        now=now,
        generation=quota.metadata.generation,
    )
    if view is None or not counted:
        return ComputeQuotaStatus(summary="counting", conditions=[ready])
    rules = registry.rules(now)

    def use(unit: Unit, limit: int | None) -> Use:
        weights = weights_in(rules, quota, unit)
        return Use(used=held(view.used, weights), reserved=held(view.reserved, weights), limit=limit)

    weights = rules.weights(quota.spec.classes, "devices")
    devices = use("devices", quota.spec.limits.devices)
    limit = "-" if devices.limit is None else str(devices.limit)
    return ComputeQuotaStatus(
        devices=devices,
        tpp=use("tpp", quota.spec.limits.tpp),
        device_hours=_hours(quota, view, weights),
        longest_hold=_longest(quota, view, registry, now),
        paid_until=_paid_until(view, weights),
        conditions=[ready],
        observed=held(observed, weights),
        summary=f"{devices.used}+{devices.reserved}/{limit}",
        tenants=len(_holders([each for each in beside if each] or [view], weights)),
    )


def _holders(views: Iterable[View], weights: Mapping[str, int]) -> frozenset[str]:
    accounts = (account for view in views for account in (*view.used.items(), *view.reserved.items()))
    return frozenset(party for (party, key), count in accounts if held({(party, key): count}, weights))


def _hours(quota: ComputeQuota, view: View, weights: Mapping[str, int]) -> Use | None:
    """Device-hours within the quota's window; None where it limits none, or they are not summed yet."""
    found = view.device_seconds(seconds_of(quota.spec.window), weights) if quota.spec.limits_hours else None
    if found is None:
        return None
    used, reserved = (-(-seconds // HOUR) for seconds in found)
    return Use(used=used, reserved=reserved, limit=quota.spec.limits.device_hours)


def _paid_until(view: View, weights: Mapping[str, int]) -> datetime | None:
    """The first instant up to which a pod without an end has paid."""
    until = view.paid_until(lambda _, key: measure(((key, 1),), weights) > 0)
    return None if until is None else datetime.fromtimestamp(until, UTC)


def _longest(quota: ComputeQuota, view: View, registry: Registry, now: datetime) -> str:
    """The longest continuous hold that goes on, of a class that the quota counts; in hours, to change seldom."""
    if not quota.spec.limits_holds:
        return ""
    matches = registry.rules(now).class_matches
    held = view.longest_hold(lambda name: matches(name, quota.spec.classes), int(now.timestamp()))
    return "" if held is None else f"{held // HOUR}h"


def authorization_uses(
    tenant: str, grants: Iterable[Authorization], views: Iterable[View | None], registry: Registry, now: datetime
) -> dict[str, int]:
    """Devices held under each of a holder's authorizations, of each account by the ledger that counts most of them.

    They fill those that are valid, the one that ends first before the others; what is held beyond all of them, as when
    one has ended, is shown with the last that covers it.
    """
    rules = registry.rules(now)
    valid = valid_grants(grants, tenant, now)
    order = (*valid, *(each for each in sorted(grants, key=lambda each: each.name) if each not in valid))
    weights = {each.name: rules.weights(each.spec.classes, "devices", permits=True) for each in order}
    left, used = {each.name: each.spec.devices if each in valid else 0 for each in order}, Counter[str]()
    for (account, key), count in _most_held(tenant, views).items():
        meant = (each for each in order if held({("", key): 1}, weights[each.name]))
        covering = [each.name for each in counting(meant, account)]
        rest = count
        for name in covering:
            taken = rest if name == covering[-1] else min(rest, left[name])
            used[name] += taken
            left[name], rest = left[name] - taken, rest - taken
    return {each.name: used[each.name] for each in order}


def _most_held(tenant: str, views: Iterable[View | None]) -> dict[Account, int]:
    """What stands on accounts of a tenant, its reseller's and its customers', each in the ledger where that is most."""
    most: Counter[Account] = Counter()
    for view in views:
        most |= Counter(
            {account: n for account, n in view.used.items() if tenant in account[0].split("/")} if view else {}
        )
    return dict(sorted(most.items()))


_CHECKS = (check_clearance, check_attestation, check_rules, check_tenant, check_owners, check_supply, check_grants)
"""What is asked of a request whatever it asks for; how much fits is shown beside it."""


def obstacle(standing: Standing, registry: Registry, now: datetime, namespace: str = "") -> Reason | None:
    """Why the tenant would be denied some controlled class that the cluster has, or None.

    The same checks as at admission, asked for each controlled class at each of its places, in a namespace of the tenant
    or, without one, in any: then who its end customer is does not count, nor ever whether there is a quota.
    """
    rules, places = registry.rules(now), defaultdict[str, set[str]](set)
    for target in registry.inventory.targets:
        for name in target.classes:
            if rules.controlled(name):
                places[name].add(target.country)
    devices = tuple(
        Devices(name, 1, (name,), tuple(sorted(where)), charged=False) for name, where in sorted(places.items())
    )
    requester = registry.requester(namespace) if namespace else registry.requester_of(standing.name)
    grants = tuple(grant for party in requester.standings for grant in registry.grants_of(party.name))
    overrides = registry.every(KYCOverride)
    asked = Question(Demand(devices), requester, rules, (), grants, now, registry.group, overrides=overrides)
    question = as_known(asked)
    governing = governing_of(question)
    found = (finding.reason for check in _CHECKS for _, finding in check(question, governing) if finding is not None)
    besides = {Reason.QuotaExceeded} if namespace else {Reason.QuotaExceeded, Reason.EndCustomerMissing}
    lapsed, override = clearance_of(question, standing)
    return next((reason for reason in found if reason not in besides), None if override else lapsed)


def deciding(standing: Standing, registry: Registry, now: datetime, namespace: str = "") -> tuple[object, ...]:
    """Return what decides the ``obstacle``; the same objects while it stays what it is."""
    return (registry.inventory, *deciding_anywhere(standing, registry, now, namespace))


def deciding_anywhere(standing: Standing, registry: Registry, now: datetime, namespace: str = "") -> tuple[object, ...]:
    """Return what decides it whatever nodes there are."""
    requester = registry.requester(namespace) if namespace else registry.requester_of(standing.name)
    parties = (each for party in requester.standings for each in passing(party, registry, now))
    grants = (
        each for party in requester.standings for each in valid_grants(registry.grants_of(party.name), party.name, now)
    )
    return (registry.rules(now), *passing(standing, registry, now), *parties, *grants)


def passing(standing: Standing, registry: Registry, now: datetime) -> tuple[object, ...]:
    """What decides how a tenant stands and changes by time or an override alone; the same objects while it does not."""
    rules = registry.rules(now)
    reason, override = _lapsed(standing, registry, now)
    attests = standing.sources.attests_itself(now)
    known = screened_by(rules, standing.without(standing.stale_at(now, rules.ages)), now)
    return known, reason, override, attests


def expiry_shown(standing: Standing, registry: Registry, now: datetime) -> datetime | None:
    """Until when the clearance that holds now does so, or since when one has expired; None where neither is so."""
    kyc, (reason, override) = standing.tenant.status.kyc, _lapsed(standing, registry, now)
    if override is not None:
        return override.spec.valid_until
    if kyc is None or reason not in {None, Reason.KYCExpired}:
        return None
    return end_of(kyc) if reason else lapse_of(kyc, registry.rules(now).due.review_after)


def _lapsed(standing: Standing, registry: Registry, now: datetime) -> tuple[Reason | None, KYCOverride | None]:
    """Why a clearance does not hold, and the override that lets it stand."""
    reason = standing.clearance(now, registry.rules(now).due.review_after)
    return reason, overriding(registry.every(KYCOverride), standing, reason, now) if reason else None


def standing_status(standing: Standing, reason: Reason | None, registry: Registry, now: datetime) -> StandingStatus:
    """The tenant's standing, for operators."""
    jurisdictions = standing.jurisdictions()
    governing = registry.rules(now).strictest(jurisdictions)
    return StandingStatus(
        cleared=reason is None,
        reason=str(reason) if reason else "",
        governing=governing,
        jurisdictions=list(jurisdictions),
        why=_why(standing, governing),
        group=standing.group,
        identity_digest=standing.digest,
        stale_facts=sorted(standing.stale_at(now, registry.rules(now).ages)),
    )


def _why(standing: Standing, governing: str) -> str:
    return ", ".join(str(fact) for fact, values in standing.facts.items() if values and governing in values)


def allowance_status(
    standing: Standing,
    reason: Reason | None,
    *,
    expires_at: datetime | None,
    use: Mapping[str, int],
    limits: list[OwnLimit],
    denial: LastDenial | None,
    contact: str,
) -> AllowanceStatus:
    """What a tenant may see of itself: its public code at the most, never a reason."""
    return AllowanceStatus(
        tenant=standing.name,
        clearance=str(reason.code) if reason else "Cleared",
        expires_at=expires_at,
        use=[ClassUse(accelerator_class=key, used=count) for key, count in sorted(use.items()) if count],
        limits=limits,
        summary=", ".join(map(_printed, limits)),
        last_denial=denial,
        contact=contact,
    )


def _printed(own: OwnLimit) -> str:
    """Return ``quota used/limit`` for printing, and the device-hours that are left where these are limited."""
    limit = "-" if own.limit is None else str(own.limit)
    return f"{own.quota} {own.used}/{limit}" + (f" ({own.hours.left} device-hours left)" if own.hours else "")
