"""What the example's rules ask of each kind of customer, means of payment and end use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from admission.api.identity import TenantKind
from admission.api.policy import AccessPolicy
from admission.review.reasons import Reason
from tests.decide.questions import party, quota, tenant, world

FILE = Path(__file__).parents[2] / "examples" / "objects" / "policy.yaml"
EXAMPLE = AccessPolicy.model_validate(yaml.safe_load(FILE.read_text()))
SAID = {"facts": ["TenantKind"], "by": "Tenant", "at": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}

SCREENED = {"screening": {"state": "Clear", "listsAsOf": "2026-11-21T00:00:00Z"}}

LEAST: dict[TenantKind, int] = {
    TenantKind.Company: 2,
    TenantKind.Government: 3,
    TenantKind.StateBody: 3,
    TenantKind.Academic: 2,
    TenantKind.Individual: 3,
    TenantKind.Reseller: 2,
    TenantKind.ClusterReseller: 2,
    TenantKind.Broker: 4,
    TenantKind.Marketplace: 4,
    TenantKind.IaaSProvider: 3,
    TenantKind.InferenceProvider: 2,
}
SUPPLIES = {TenantKind.Reseller, TenantKind.ClusterReseller, TenantKind.Broker, TenantKind.Marketplace}


OF_A_STATE = {TenantKind.Government, TenantKind.StateBody}
STATE: dict[str, Any] = {
    "parties": [party("state")],
    "ultimateParent": "state",
    "ownership": [{"owner": "state", "share": {"exact": 100}}],
}


def _asked(level: int, labels: dict[str, str] | None = None, *others: Any, **spec: Any) -> list[str]:
    spec |= STATE if spec.get("kind") in OF_A_STATE else {}
    who = tenant("acme", {"kyc": {"level": level}, **SCREENED}, attestations=[SAID], **spec)
    return world(EXAMPLE, who, quota(), *others, **({"labels": labels} if labels else {})).reasons()


@pytest.mark.parametrize("kind", TenantKind)
def test_each_kind_needs_its_level_and_who_supplies_others_names_them(kind: TenantKind) -> None:
    missing = ["EndCustomerMissing"] if kind in SUPPLIES else []
    assert _asked(LEAST[kind], kind=kind) == missing
    assert _asked(LEAST[kind] - 1, kind=kind) == [*missing, "KYCLevelTooLow"]


@pytest.mark.parametrize("kind", sorted(SUPPLIES))
def test_who_supplies_others_and_whom_it_supplies_are_both_judged(kind: TenantKind) -> None:
    labels = {"computegate.io/tenant": "acme", "computegate.io/end-customer": "tanuki"}
    shallow, deep = (tenant("tanuki", {"kyc": {"level": level}, **SCREENED}, suppliedBy="acme") for level in (1, 2))
    assert _asked(LEAST[kind], labels, deep, kind=kind) == []
    assert _asked(LEAST[kind] - 1, labels, deep, kind=kind) == ["KYCLevelTooLow"]
    assert _asked(LEAST[kind], labels, shallow, kind=kind) == ["KYCLevelTooLow"]


@pytest.mark.parametrize("kind", TenantKind)
def test_who_resells_names_its_customers_or_attests_what_it_supplies(kind: TenantKind) -> None:
    labels = {"computegate.io/tenant": "acme", "computegate.io/end-customer": "tanuki"} if kind in SUPPLIES else None
    customer = tenant("tanuki", {"kyc": {"level": 4}, **SCREENED}, suppliedBy="acme")
    resells = {*SUPPLIES, TenantKind.InferenceProvider, TenantKind.IaaSProvider}
    expected = [] if kind in resells else ["EndUseNotCleared"]
    assert _asked(4, labels, customer, kind=kind, declaredUse=["Inference", "Resale"]) == expected


@pytest.mark.parametrize(
    ("spec", "level", "reasons"),
    [
        ({"payment": ["Invoice", "Cash"]}, 2, ["KYCLevelTooLow"]),
        ({"payment": ["VirtualCurrency"]}, 2, ["KYCLevelTooLow"]),
        ({"payment": ["VirtualCurrency"]}, 3, []),
        ({"payment": []}, 2, ["PaymentUnknown"]),
        ({"payment": []}, 3, []),
        ({"declaredUse": ["Training", "MilitaryOrIntelligence"]}, 4, ["EndUseNotCleared"]),
        ({"declaredUse": ["WeaponsOfMassDestruction"]}, 4, ["EndUseNotCleared"]),
        ({"declaredUse": []}, 4, ["EndUseMissing"]),
        ({"declaredUse": ["Other"]}, 4, ["EndUseMissing"]),
        ({"declaredUse": ["Training", "Other"]}, 4, ["EndUseMissing"]),
        ({"declaredUse": ["MilitaryOrIntelligence", "Other"]}, 4, ["EndUseMissing", "EndUseNotCleared"]),
    ],
    ids=str,
)
def test_payment_raises_the_level_and_an_end_use_can_close_it(
    spec: dict[str, Any], level: int, reasons: list[str]
) -> None:
    assert _asked(level, **spec) == reasons


@pytest.mark.parametrize(
    ("matched", "day", "expected"),
    [
        ("acme", "2024-06-01", [("access/listed-parties", "Law", "High")]),
        ("acme", "2026-06-01", [("access/listed-parties", "Law", "High")]),
        ("top", "2025-09-28", []),
        ("top", "2026-06-01", [("access/owned-by-listed-parties", "ProviderPolicy", "High")]),
        ("top", "2026-11-22", [("access/owned-by-listed-parties", "ProviderPolicy", "High")]),
    ],
)
def test_a_listed_party_is_refused_by_law_and_whom_it_owns_by_the_providers_own_word(
    matched: str, day: str, expected: list[tuple[str, str, str]]
) -> None:
    found = {
        "kyc": {"level": 4, "verifiedAt": "2020-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z"},
        "screening": {
            "state": "Match",
            "listsAsOf": f"{day}T00:00:00Z",
            "matchedParties": [matched.replace("acme", "tenant")],
        },
    }
    owned = {"parties": [party("top")], "ownership": [{"owner": "top", "share": {"exact": 60}}]}
    asked = world(EXAMPLE, tenant("acme", found, **owned), quota())
    rules = {f"access/{each.name}": each for each in EXAMPLE.spec.rules}
    asked = asked._replace(now=datetime.fromisoformat(day).replace(tzinfo=UTC))
    by = [each.rule for each in asked.verdict().findings if each.reason is Reason.ListedParty]

    assert [(each, rules[each].basis.type, rules[each].certainty) for each in by] == expected
