"""Resellers and their customers: who must be cleared, whose figures count, and whose may be read."""

from __future__ import annotations

from typing import Any

import pytest

from admission.decide.limits import Charge, Limit
from tests.decide.questions import ALLOW, OPEN, grant, policy, quota, rule, tenant, world

KUMO = tenant("kumo", kind="Reseller")
RESOLD = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}


SAID = {"facts": ["TenantKind"], "by": "Tenant", "at": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}


def customer(name: str = "tanuki", **spec: Any) -> Any:
    return tenant(name, suppliedBy="kumo", **spec)


def limits_of(*objects: Any, labels: dict[str, str]) -> dict[tuple[str, str], Limit]:
    scopes = world(*objects, labels=labels).verdict().scopes
    return {(scope.name.partition("-")[0], limit.key): limit for scope in scopes for limit in scope.limits}


@pytest.mark.parametrize(
    ("objects", "labels", "reasons"),
    [
        ((KUMO, customer()), RESOLD, []),
        ((KUMO, customer(kind="Broker")), RESOLD, ["EndCustomerMissing"]),
        ((KUMO, customer(kind="InferenceProvider", attestations=[SAID])), RESOLD, []),
        ((KUMO, customer(kind="IaaSProvider", attestations=[SAID])), RESOLD, ["EndCustomerMissing"]),
        (
            (KUMO, customer(kind="IaaSProvider", attestations=[SAID])),
            {"computegate.io/tenant": "tanuki"},
            ["EndCustomerMissing"],
        ),
        ((tenant("kumo", kind="Reseller", suppliedBy="top"), customer()), RESOLD, ["EndCustomerNotCleared"]),
        (
            (tenant("kumo", kind="Reseller", suppliedBy="top"), tenant("top", kind="Reseller"), customer()),
            RESOLD,
            ["EndCustomerNotCleared"],
        ),
        (
            (tenant("kumo", kind="Reseller", suppliedBy="top"), tenant("top", kind="Reseller"), customer()),
            {"computegate.io/tenant": "tanuki"},
            ["EndCustomerNotCleared"],
        ),
    ],
    ids=[
        "one reseller",
        "a broker",
        "a provider",
        "of compute",
        "of compute, in its own",
        "no such supplier",
        "a chain, named",
        "a chain, supplied",
    ],
)
def test_nobody_along_a_chain_goes_unjudged(objects: Any, labels: dict[str, str], reasons: list[str]) -> None:
    assert [str(reason) for reason in world(*objects, OPEN, quota(), labels=labels).reasons()] == reasons


@pytest.mark.parametrize("customers", [(), (tenant("tanuki"),), (tenant("tanuki", suppliedBy="another"),)])
def test_a_customer_of_another_is_not_called_uncleared_and_reads_as_one_who_is_not_there(customers: Any) -> None:
    (finding,) = world(KUMO, *customers, OPEN, quota(), labels=RESOLD).verdict().findings
    assert finding.sentence == (
        "tenant kumo is not declared to supply tenant tanuki, which the namespace names as end customer; ask for it to "
        "be declared, or for another to be named"
    )


def test_a_resellers_authorization_counts_all_its_customers_wherever_they_are_governed() -> None:
    asks = policy(ALLOW, rule("asks", "Authorization"))
    at_home = limits_of(KUMO, customer(), asks, grant(holder="kumo"), labels=RESOLD)
    abroad = limits_of(KUMO, customer(headquarters="JP"), asks, grant(holder="kumo"), labels=RESOLD)
    assert at_home.keys() == abroad.keys() == {("authorization", "authorization/licence")}
    limit = at_home["authorization", "authorization/licence"]
    assert limit.asked(Charge("kumo/other", (("h100-sxm", 3),))) == 3
    assert limit.asked(Charge("acme", (("h100-sxm", 3),))) == 0


def test_a_customer_reads_its_own_figures_under_its_resellers_limit() -> None:
    (limit,) = limits_of(KUMO, customer(), OPEN, quota(limits={}, perReseller={"devices": 8}), labels=RESOLD).values()
    assert limit.parties is not None
    assert limit.parties("kumo/other")
    assert not limit.own("kumo/other")
    assert limit.own("kumo/tanuki")


def test_how_a_supplier_stands_is_not_its_customers_to_read() -> None:
    boss = tenant("kumo", {"kyc": {"state": "NeedsReview"}}, kind="Reseller")
    labels = {"computegate.io/tenant": "tanuki"}
    findings = world(boss, customer(), OPEN, quota(), labels=labels).verdict().findings
    assert [finding.party for finding in findings] == ["kumo"]
    assert "kumo" not in findings[0].sentence
    assert "tanuki" in findings[0].sentence


def test_a_class_that_nobody_defines_any_more_weighs_like_an_unknown_one() -> None:
    (limit,) = limits_of(tenant(), OPEN, quota(classes=["h100-sxm"]), labels={"computegate.io/tenant": "acme"}).values()
    assert limit.measure([("deleted-class", 8), ("a100-80gb", 4), ("h100-sxm", 2)]) == 10
