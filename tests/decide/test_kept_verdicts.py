"""A verdict is given again to pods that are alike, and to none for which anything that decides is another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.decide import kept
from admission.decide.decide import decide
from admission.review.reasons import Reason
from tests.decide import questions
from tests.decide.questions import (
    ALLOW,
    COUNT,
    EITHER,
    H100,
    NOW,
    OPEN,
    UNCONTROLLED,
    party,
    policy,
    question_of,
    quota,
    rule,
    tenant,
    world,
)
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.api.object import Object
    from admission.decide.question import Question, Verdict
    from admission.decide.registry import Registry
    from admission.review.pod import Pod

OWNED: dict[str, Any] = {"parties": [party("parent", "FR")], "ultimateParent": "parent"}
PARENT = tenant("parent", legalName="PARENT secret name")
END = datetime.fromisoformat("2027-01-01T00:00:00Z")
SAID = {"facts": ["TenantKind"], "by": "Tenant", "at": "2026-01-01T00:00:00Z", "validUntil": END.isoformat()}
VOUCHED = SAID | {"by": "Operator", "validUntil": "2027-12-01T00:00:00Z"}
PROVIDER = tenant(
    kind="InferenceProvider", attestations=[SAID, VOUCHED], status={"kyc": {"expiresAt": "2028-01-01T00:00:00Z"}}
)
LONG_CLEARED = tenant(status={"kyc": {"expiresAt": "2028-01-01T00:00:00Z"}})
LICENSED = policy(ALLOW, rule("licence", "Authorization"))
PRIVILEGED = pod({"nvidia.com/h100": 1}, containers=[{"name": "c", "securityContext": {"privileged": True}}])
AGENTS = questions.exemption(serviceAccountName="default")
BOTH = tenant("parent", headquarters="FR", legalName="PARENT secret name")


def _asked(
    registry: Registry, pod: Pod = H100, now: datetime = NOW, *, tenant: str = "", customer: str = ""
) -> Question:
    if tenant:
        registry.put_namespace("lab", {"computegate.io/tenant": tenant, "computegate.io/end-customer": customer})
    return question_of(registry, pod, now)


def _of_two_pods(registry: Registry) -> Iterator[Question]:
    yield _asked(registry)
    yield _asked(registry, EITHER)


def _with_another_deadline(registry: Registry) -> Iterator[Question]:
    asked = _asked(registry)
    for seconds in (60, 120):
        yield replace(asked, demand=msgspec.structs.replace(asked.demand, deadline_seconds=seconds))


def _of_two_tenants(registry: Registry) -> Iterator[Question]:
    yield _asked(registry, tenant="acme")
    yield _asked(registry, tenant="parent")


def _of_tenants_that_nobody_knows(registry: Registry) -> Iterator[Question]:
    for name in ("one", "other"):
        yield _asked(registry, UNCONTROLLED, tenant=name, customer="tanuki")


def _in_two_namespaces(registry: Registry) -> Iterator[Question]:
    for namespace in ("lab", "ward"):
        registry.put_namespace(namespace, {"computegate.io/tenant": "acme"})
        yield question_of(registry, H100, NOW, namespace)


def _when_the_group_grows(registry: Registry) -> Iterator[Question]:
    yield _asked(registry)
    registry.put(PARENT)
    yield _asked(registry)


def _when_charges_stand_elsewhere(registry: Registry) -> Iterator[Question]:
    yield _asked(registry)
    registry.put(tenant(status={"chargedTo": [{"party": "acme", "jurisdictions": ["FR"]}]}))
    yield _asked(registry)


def _when_a_quota_changes(registry: Registry) -> Iterator[Question]:
    yield _asked(registry)
    registry.put(quota(limits={"devices": 3}))
    yield _asked(registry)


def _over_shards(registry: Registry) -> Iterator[Question]:
    yield _asked(registry)
    yield replace(_asked(registry), shards=4)


def _when_something_ends_pods(registry: Registry) -> Iterator[Question]:
    yield replace(_asked(registry), endings={Reason.HoursExhausted: 60})
    yield replace(_asked(registry), endings={Reason.HoursExhausted: 120})


def _before_and_at_the_end(registry: Registry) -> Iterator[Question]:
    yield _asked(registry, now=END - timedelta(seconds=1))
    yield _asked(registry, now=END)


def _privileged_before_and_at_the_end(registry: Registry) -> Iterator[Question]:
    yield _asked(registry, PRIVILEGED, now=END - timedelta(seconds=1))
    yield _asked(registry, PRIVILEGED, now=END)


UNLIKE: dict[str, tuple[Callable[[Registry], Iterator[Question]], tuple[Object, ...]]] = {
    "another demand": (_of_two_pods, (quota(),)),
    "another deadline": (_with_another_deadline, (quota(limits={"devices": 8, "longestHold": "1h"}),)),
    "another tenant": (_of_two_tenants, (quota("both", "DE", "FR"), tenant(), BOTH)),
    "another name of nobody": (_of_tenants_that_nobody_knows, (quota(classes=["*"]),)),
    "another namespace of a refused tenant": (_in_two_namespaces, (quota(), tenant(kind="Reseller"))),
    "another member of the group": (_when_the_group_grows, (quota(perGroup={"devices": 5}), tenant(**OWNED))),
    "charges in another jurisdiction": (_when_charges_stand_elsewhere, (quota(), quota("left", "FR"))),
    "another quota": (_when_a_quota_changes, (quota(),)),
    "another number of shards": (_over_shards, (quota(perTenant={"devices": 4}),)),
    "another end of pods": (_when_something_ends_pods, (quota(limits={"deviceHours": 9}, withoutEnd="Renewed"),)),
    "a clearance that ends": (_before_and_at_the_end, (quota(),)),
    "an attestation that ends": (_before_and_at_the_end, (quota(), PROVIDER)),
    "an authorization that ends": (_before_and_at_the_end, (quota(), LICENSED, LONG_CLEARED, questions.grant())),
    "an exemption that ends": (_privileged_before_and_at_the_end, (quota(), LONG_CLEARED, AGENTS)),
}


def _told(verdict: Verdict) -> tuple[object, ...]:
    """Return a verdict without what no two have in common: which function tells what a party's devices weigh."""
    limits = [(scope.name, limit._replace(varying=None)) for scope in verdict.scopes for limit in scope.limits]
    return verdict.findings, verdict.checks, verdict.charge, limits


@pytest.mark.parametrize(("ask", "objects"), UNLIKE.values(), ids=UNLIKE)
def test_no_verdict_is_given_again_where_one_thing_that_decides_is_another(
    ask: Callable[[Registry], Iterator[Question]], objects: tuple[Object, ...]
) -> None:
    told = []
    for question in ask(world(*objects).registry()):
        told.append(_told(decide(question)))
    first, second = told
    question.rules.verdicts.clear()
    assert second == _told(decide(question)), "as if nothing had been asked before"
    assert first != second


def test_a_verdict_is_given_again_to_another_pod_of_the_same_demand() -> None:
    registry = world(quota(), policy(ALLOW, COUNT)).registry()
    verdict = decide(_asked(registry))
    registry.put(tenant("other"))
    assert decide(_asked(registry, now=NOW + timedelta(hours=1))) is verdict


def test_of_too_many_verdicts_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 2)
    registry = world(OPEN, quota()).registry()
    first, second, third = (decide(_asked(registry, pod)) for pod in (H100, UNCONTROLLED, EITHER))
    assert decide(_asked(registry, EITHER)) is third
    assert decide(_asked(registry, UNCONTROLLED)) is second
    assert decide(_asked(registry)) is not first
