"""A verdict that is used again is the one that would be found anew."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from admission.api import TENANT_LABEL
from admission.api.policy import AccessPolicy, Mode
from admission.api.tenant import Tenant
from admission.demand.pod import demand_of
from admission.server.case import Ask, Case
from admission.server.verdicts import Verdicts
from tests.decide.questions import ALLOW, EITHER, H100, UNCONTROLLED, policy, quota, rule, tenant, world

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.decide.registry import Registry
    from admission.review.pod import Pod
    from admission.server.verdicts import Decided

BEGIN = datetime(2026, 11, 22, 11, 59, 50, tzinfo=UTC)
SOON = {"kyc": {"expiresAt": "2026-11-22T12:00:00Z"}}
STRICT = rule("strict", "Deny", effective="2026-11-22T12:00:05Z")

CHANGES: dict[str, Callable[[Registry], Any]] = {
    "nothing": lambda _: None,
    "a clearance that ends soon": lambda registry: registry.put(tenant(status=SOON)),
    "a clearance that lasts": lambda registry: registry.put(tenant()),
    "no tenant": lambda registry: registry.drop(Tenant, "acme"),
    "a rule that begins soon": lambda registry: registry.put(policy(ALLOW, STRICT)),
    "the rule again": lambda registry: registry.put(policy(ALLOW)),
    "no rule": lambda registry: registry.drop(AccessPolicy, "access"),
    "an observed rule": lambda registry: registry.put(policy(STRICT, name="watched", mode="observe")),
    "nobody's namespace": lambda registry: registry.put_namespace("lab", {}),
    "the tenant's namespace": lambda registry: registry.put_namespace("lab", {TENANT_LABEL: "acme"}),
    "a quota": lambda registry: registry.put(quota("home", limits={"devices": 4})),
}
PODS = (H100, UNCONTROLLED, EITHER)


@pytest.mark.parametrize("pod", PODS, ids=["H100", "T4", "either"])
@pytest.mark.parametrize("seconds", [0, 12, 20], ids=["at once", "when clearances have ended", "when rules have begun"])
def test_what_is_kept_is_what_would_be_decided_now(pod: Pod, seconds: int) -> None:
    for first, second in itertools.product(CHANGES, CHANGES):
        registry = world(quota()).registry()
        kept = Verdicts(registry)
        for change, later in ((first, 0), (second, 0), ("nothing", seconds)):
            CHANGES[change](registry)
            now = BEGIN + timedelta(seconds=later)
            case = Case(Ask("uid", "lab", "pod", pod), now, Mode.Enforce, demand_of(pod, registry.inventory))
            assert _told(Verdicts(registry).of(case)) == _told(kept.of(case)), (first, second)


def _told(decided: Decided) -> tuple[Any, ...]:
    verdict = decided.verdict
    return verdict.findings, verdict.charge, verdict.governing, decided.advisory


def test_pods_alike_of_one_second_are_decided_once() -> None:
    registry = world(quota()).registry()
    kept = Verdicts(registry)
    case = Case(Ask("uid", "lab", "pod", H100), BEGIN, Mode.Enforce, demand_of(H100, registry.inventory))
    assert kept.of(case) is kept.of(case._replace(demand=demand_of(H100, registry.inventory)))
    assert kept.of(case) is not kept.of(case._replace(now=BEGIN + timedelta(seconds=1)))
