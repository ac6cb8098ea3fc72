"""Resellers and their customers: who must be cleared, whose figures count, and whose may be read."""

from __future__ import annotations

from typing import Any

import pytest

from admission.decide.limits import Charge, Limit
from admission.enforce.shown import deciding_anywhere, obstacle
from tests.decide.questions import ALLOW, NOW, OPEN, grant, policy, quota, rule, tenant, world

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


ASKS = policy(ALLOW, rule("asks", "Authorization", ("Headquarters", "In", "JP")))
JP_KUMO, JP_TANUKI = tenant("kumo", kind="Reseller", headquarters="JP"), customer(headquarters="JP")
FOR_KUMO, FOR_TANUKI = grant("itself", holder="kumo"), grant("named", holder="kumo", endCustomers=["tanuki"])
OWN = grant("own", holder="tanuki")
OTHERS = grant("others", holder="kumo", endCustomers=["kitsune"])
ITSELF = {"computegate.io/tenant": "kumo"}
SUPPLIED = {"computegate.io/tenant": "tanuki"}


@pytest.mark.parametrize("labels", [RESOLD, SUPPLIED], ids=["in the reseller's namespace", "in its own"])
@pytest.mark.parametrize(
    ("parties", "grants", "lacking", "counted"),
    [
        ((KUMO, JP_TANUKI), (), ["tanuki"], set()),
        ((KUMO, JP_TANUKI), (FOR_KUMO,), ["tanuki"], set()),
        ((KUMO, JP_TANUKI), (OTHERS,), ["tanuki"], set()),
        ((KUMO, JP_TANUKI), (FOR_TANUKI,), [], {"named"}),
        ((KUMO, JP_TANUKI), (OWN,), [], {"own"}),
        ((KUMO, JP_TANUKI), (OWN, FOR_TANUKI), [], {"own"}),
        ((KUMO, JP_TANUKI), (grant(holder="tanuki", endCustomers=["tanuki"]),), ["tanuki"], set()),
        ((KUMO, JP_TANUKI), (grant(holder="kumo", classes=["l4"], endCustomers=["tanuki"]),), ["tanuki"], set()),
        ((JP_KUMO, customer()), (), ["kumo"], set()),
        ((JP_KUMO, customer()), (FOR_KUMO,), [], {"itself"}),
        ((JP_KUMO, customer()), (FOR_TANUKI,), [], {"named"}),
        ((JP_KUMO, customer()), (FOR_KUMO, FOR_TANUKI), [], {"named"}),
        ((JP_KUMO, customer()), (OWN,), ["kumo"], set()),
        ((JP_KUMO, customer()), (OTHERS,), ["kumo"], set()),
        ((JP_KUMO, JP_TANUKI), (), ["kumo", "tanuki"], set()),
        ((JP_KUMO, JP_TANUKI), (FOR_KUMO,), ["tanuki"], set()),
        ((JP_KUMO, JP_TANUKI), (OWN,), ["kumo"], set()),
        ((JP_KUMO, JP_TANUKI), (FOR_KUMO, OWN), [], {"itself", "own"}),
        ((JP_KUMO, JP_TANUKI), (FOR_TANUKI,), [], {"named"}),
        ((KUMO, customer()), (), [], set()),
    ],
)
def test_a_rule_about_a_party_is_met_by_an_authorization_that_covers_that_party(
    parties: Any, grants: Any, lacking: list[str], counted: set[str], labels: dict[str, str]
) -> None:
    """The party's own; or, of an end customer, one of its reseller's that names it, which covers the reseller too."""
    verdict = world(*parties, *grants, ASKS, labels=labels).verdict()
    keys = {limit.key for scope in verdict.scopes for limit in scope.limits}

    assert sorted((finding.reason, finding.party) for finding in verdict.findings) == [
        ("AuthorizationRequired", name) for name in lacking
    ]
    assert not verdict.findings or not keys
    assert keys == {f"authorization/{name}" for name in counted}


def test_an_authorization_that_names_end_customers_covers_nothing_that_a_reseller_asks_for_itself() -> None:
    """A reseller that names nobody is denied for that too."""
    verdict = world(JP_KUMO, JP_TANUKI, FOR_TANUKI, ASKS, labels=ITSELF).verdict()
    assert [*map(str, verdict.reasons())] == ["EndCustomerMissing", "AuthorizationRequired"]
    assert [*map(str, world(JP_KUMO, FOR_KUMO, ASKS, labels=ITSELF).verdict().reasons())] == ["EndCustomerMissing"]


@pytest.mark.parametrize(
    ("labels", "parties", "named"),
    [(RESOLD, (KUMO, JP_TANUKI), "tanuki"), (SUPPLIED, (JP_KUMO, customer()), "tanuki")],
    ids=["the customer that lacks it", "no supplier"],
)
def test_who_lacks_an_authorization_is_named_to_whom_it_concerns(labels: Any, parties: Any, named: str) -> None:
    (finding,) = world(*parties, ASKS, labels=labels).verdict().findings
    assert finding.sentence == f"class h100-sxm needs an authorization that tenant {named} does not have; ask for one"


@pytest.mark.parametrize("name", ["kumo", "tanuki"])
@pytest.mark.parametrize(
    ("grants", "expected"),
    [((), "AuthorizationRequired"), ((OTHERS,), "AuthorizationRequired"), ((FOR_TANUKI,), None), ((OWN,), None)],
)
def test_what_is_shown_of_a_party_rests_on_the_authorizations_of_all_in_its_namespace(
    name: str, grants: Any, expected: str | None
) -> None:
    """Whichever of them holds it, what is kept of how it stands is looked at anew once there is one."""
    labels = RESOLD if name == "kumo" else SUPPLIED
    bare, registry = (world(KUMO, JP_TANUKI, *those, ASKS, labels=labels).registry() for those in ((), grants))
    assert obstacle(registry.standings[name], registry, NOW, "lab") == expected

    before = deciding_anywhere(bare.standings[name], bare, NOW, "lab")
    for each in grants:
        bare.put(each)
    changed = deciding_anywhere(bare.standings[name], bare, NOW, "lab")
    assert (changed == before) is (not grants)


def test_an_authorization_of_a_reseller_counts_those_it_covers_wherever_they_are_governed() -> None:
    asks = policy(ALLOW, rule("asks", "Authorization"))
    names = grant(holder="kumo", endCustomers=["tanuki", "kitsune"])
    at_home = limits_of(KUMO, customer(), asks, names, labels=RESOLD)
    abroad = limits_of(KUMO, customer(headquarters="JP"), asks, names, labels=RESOLD)
    assert at_home.keys() == abroad.keys() == {("authorization", "authorization/licence")}
    limit = at_home["authorization", "authorization/licence"]
    asked = {
        party: limit.asked(Charge(party, (("h100-sxm", 3),))) for party in ("kumo/kitsune", "kumo/other", "kitsune")
    }
    assert asked == {"kumo/kitsune": 3, "kumo/other": 0, "kitsune": 0}


def test_a_customer_reads_its_own_figures_under_its_resellers_limit() -> None:
    (limit,) = limits_of(KUMO, customer(), OPEN, quota(limits={}, perReseller={"devices": 8}), labels=RESOLD).values()
    assert limit.parties is not None
    assert limit.parties.has("kumo/other")
    assert not limit.own.has("kumo/other")
    assert limit.own.has("kumo/tanuki")


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
