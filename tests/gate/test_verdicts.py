"""A verdict that is used again is the one that would be found anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

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


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 7), st.integers(0, 999_999), st.sampled_from(PODS)),
        max_size=12,
    )
)
def test_what_is_kept_is_what_would_be_decided_now(steps: list[tuple[str, int, int, Any]]) -> None:
    registry, now = world(quota()).registry(), BEGIN
    kept = Verdicts(registry)
    for change, seconds, micro, pod in steps:
        CHANGES[change](registry)
        now += timedelta(seconds=seconds)
        demand = demand_of(pod, registry.inventory)
        case = Case(Ask("uid", "lab", "pod", pod), now.replace(microsecond=micro), Mode.Enforce, demand)
        found, anew = kept.of(case), Verdicts(registry).of(case)
        assert (anew.verdict.findings, anew.advisory) == (found.verdict.findings, found.advisory)
        assert (anew.verdict.charge, anew.verdict.governing) == (found.verdict.charge, found.verdict.governing)


def test_pods_alike_of_one_second_are_decided_once() -> None:
    registry = world(quota()).registry()
    kept = Verdicts(registry)
    case = Case(Ask("uid", "lab", "pod", H100), BEGIN, Mode.Enforce, demand_of(H100, registry.inventory))
    assert kept.of(case) is kept.of(case._replace(demand=demand_of(H100, registry.inventory)))
    assert kept.of(case) is not kept.of(case._replace(now=BEGIN + timedelta(seconds=1)))
