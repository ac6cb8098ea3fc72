"""Objects that make no sense are refused by the API server itself, in our words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.clearance import TRANSITIONS, KYCState
from tests.e2e.objects import of

if TYPE_CHECKING:
    from tests.e2e.world import World

FACTS = {"legalName": "Acme", "kind": "Company"}
RULE = {"name": "r", "basis": {"type": "Law", "title": "T"}, "effect": "Deny"}
GRANT = {"number": "L-1", "tenant": "acme", "classes": ["*"], "devices": 1}
GRANT |= {"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}
SAID = {"facts": ["Headquarters"], "by": "Operator", "at": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}
POOL = {"nodeLabels": {"a": "b"}, "acceleratorClass": "t4", "resources": ["nvidia.com/gpu"]}
OWNER = {"owner": "top", "owned": "tenant"}
TOP = {"id": "top", "name": "Top"}

BAD: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "its own parent",
        "Tenant",
        {**FACTS, "ultimateParent": "tenant"},
        "a tenant cannot be its own parent; leave ultimateParent out and set independent: true",
    ),
    (
        "independent below a parent",
        "Tenant",
        {**FACTS, "independent": True, "ultimateParent": "top", "parties": [TOP]},
        "independent: true says that there is no parent; leave ultimateParent out",
    ),
    (
        "a parent nobody named",
        "Tenant",
        {**FACTS, "ultimateParent": "top"},
        "ultimateParent is not among parties; add the party, with its headquarters",
    ),
    (
        "an owner nobody named",
        "Tenant",
        {**FACTS, "ownership": [OWNER]},
        "an owner in ownership is not among parties; add the party",
    ),
    (
        "an owner of itself",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{"owner": "top", "owned": "top"}]},
        "a party cannot own itself; correct owner or owned",
    ),
    (
        "a party called tenant",
        "Tenant",
        {**FACTS, "parties": [{"id": "tenant", "name": "X"}]},
        "the id 'tenant' stands for the tenant itself; choose another",
    ),
    (
        "two shares at once",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"exact": 5, "minimum": 3}}]},
        "give either exact, or minimum and maximum",
    ),
    (
        "a range upside down",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"minimum": 9, "maximum": 3}}]},
        "minimum is above maximum",
    ),
    (
        "more than everything",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"exact": 101}}]},
        "spec.ownership[0].share.exact",
    ),
    (
        "an open range with nothing in it",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"minimum": 50, "exclusiveMaximum": 50}}]},
        "nothing lies between minimum and maximum",
    ),
    (
        "more than half of at most half",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"exclusiveMinimum": 50, "maximum": 50}}]},
        "nothing lies between minimum and maximum",
    ),
    (
        "two lower bounds",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "share": {"minimum": 9, "exclusiveMinimum": 9}}]},
        "give either minimum or exclusiveMinimum",
    ),
    (
        "more than everything together",
        "Tenant",
        {
            **FACTS,
            "parties": [TOP, {"id": "other", "name": "Other"}],
            "ownership": [{**OWNER, "share": {"exact": 60}}, {"owner": "other", "share": {"minimum": 41}}],
        },
        "the direct shares of the tenant exceed 100 percent together",
    ),
    (
        "a part of nobody",
        "Tenant",
        {**FACTS, "parties": [TOP], "ownership": [{**OWNER, "owned": "nobody"}]},
        "what is owned in ownership is neither the tenant nor among parties; add the party",
    ),
    (
        "its own supplier",
        "Tenant",
        {**FACTS, "suppliedBy": "bad"},
        "a tenant cannot supply itself; name the reseller's Tenant in suppliedBy",
    ),
    (
        "an attestation that ends before it begins",
        "Tenant",
        {**FACTS, "attestations": [{**SAID, "validUntil": "2025-01-01T00:00:00Z"}]},
        "at is not before validUntil; say until when it holds",
    ),
    (
        "an attestation without an end",
        "Tenant",
        {**FACTS, "attestations": [{key: SAID[key] for key in ("facts", "by", "at")}]},
        "spec.attestations[0].validUntil: Required value",
    ),
    (
        "an attestation of what nobody can attest",
        "Tenant",
        {**FACTS, "attestations": [{**SAID, "facts": ["Screening"]}]},
        'Unsupported value: "Screening"',
    ),
    (
        "an attestation by a stranger",
        "Tenant",
        {**FACTS, "attestations": [{**SAID, "by": "Friend"}]},
        "spec.attestations",
    ),
    ("an unknown kind of customer", "Tenant", {**FACTS, "kind": "Friend"}, 'spec.kind: Unsupported value: "Friend"'),
    ("a country's name", "Tenant", {**FACTS, "headquarters": "China"}, "spec.headquarters"),
    ("a country in lower case", "Tenant", {**FACTS, "headquarters": "cn"}, "spec.headquarters"),
    ("nobody's name", "Tenant", {**FACTS, "legalName": ""}, "spec.legalName"),
    ("a misspelt field", "Tenant", {**FACTS, "headquaters": "DE"}, 'unknown field "spec.headquaters"'),
    (
        "a rule that ends before it begins",
        "AccessPolicy",
        {"rules": [{**RULE, "effective": "2027-01-01T00:00:00Z", "expires": "2026-01-01T00:00:00Z"}]},
        "effective is not before expires",
    ),
    ("a level without a level", "AccessPolicy", {"rules": [{**RULE, "effect": "Level"}]}, "effect Level needs level"),
    (
        "a higher level that is none",
        "AccessPolicy",
        {"rules": [{**RULE, "effect": "Level", "level": 3, "levels": [{"devices": 9, "level": 3}]}]},
        "levels are of effect Level, and each is above level: more compute only raises it",
    ),
    (
        "levels of another effect",
        "AccessPolicy",
        {"rules": [{**RULE, "levels": [{"devices": 9, "level": 3}]}]},
        "levels are of effect Level, and each is above level: more compute only raises it",
    ),
    (
        "an amount of two kinds",
        "AccessPolicy",
        {"rules": [{**RULE, "effect": "Level", "level": 1, "levels": [{"devices": 9, "tpp": 9, "level": 3}]}]},
        "give either devices or tpp",
    ),
    (
        "an age of a fact that has none",
        "AccessPolicy",
        {"factAges": [{"fact": "Place", "maxAge": "1d"}]},
        'Unsupported value: "Place"',
    ),
    ("an age in weeks", "AccessPolicy", {"factAges": [{"fact": "Payment", "maxAge": "2w"}]}, "spec.factAges[0].maxAge"),
    (
        "two ages of a fact",
        "AccessPolicy",
        {"factAges": [{"fact": "Payment", "maxAge": "1d"}, {"fact": "Payment", "maxAge": "2d"}]},
        "Duplicate value",
    ),
    (
        "a test without values",
        "AccessPolicy",
        {"rules": [{**RULE, "when": [{"fact": "Headquarters", "operator": "In"}]}]},
        "In and NotIn need values; Exists and Unknown take none",
    ),
    (
        "an unknown fact",
        "AccessPolicy",
        {"rules": [{**RULE, "when": [{"fact": "Mood", "operator": "Exists"}]}]},
        'Unsupported value: "Mood"',
    ),
    ("the same rule twice", "AccessPolicy", {"rules": [RULE, RULE]}, "Duplicate value"),
    ("an unknown mode", "AccessPolicy", {"mode": "dream"}, 'spec.mode: Unsupported value: "dream"'),
    (
        "less than nothing",
        "ComputeQuota",
        {"jurisdictions": ["DE"], "limits": {"devices": -1}},
        "spec.limits.devices",
    ),
    ("for no jurisdiction", "ComputeQuota", {"jurisdictions": [], "limits": {}}, "spec.jurisdictions"),
    (
        "a hold without a unit",
        "ComputeQuota",
        {"jurisdictions": ["DE"], "limits": {"longestHold": "30"}},
        "spec.limits.longestHold",
    ),
    (
        "a licence that ends before it begins",
        "Authorization",
        {**GRANT, "validUntil": "2025-01-01T00:00:00Z"},
        "validFrom is not before validUntil",
    ),
    ("a pool nowhere on Earth", "AcceleratorPool", {**POOL, "place": {"country": "Mars"}}, "spec.place.country"),
    ("a chip of no speed", "AcceleratorClass", {"throughput": [{"bits": 16, "teraOps": 0}]}, "teraOps"),
]


@pytest.mark.parametrize(("kind", "spec", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_an_object_that_makes_no_sense_is_refused(world: World, kind: str, spec: dict[str, Any], says: str) -> None:
    refused = world.try_create(of(kind, "bad", spec), "--dry-run=server")
    assert refused.returncode == 1
    assert says in refused.stderr


def test_a_clearance_takes_only_the_steps_there_are(world: World, unique: str) -> None:
    world.kubectl("create", "-f", "-", stdin=json.dumps(of("Tenant", unique, FACTS)))
    patch = ("patch", "tenants.computegate.io", unique, "--subresource=status", "--type=merge", "-p")

    def become(state: str) -> str:
        return world.kubectl(*patch, json.dumps({"status": {"kyc": {"state": state}}}), check=False).stderr

    words = "this transition is not allowed: Unverified > Pending > Verified or Rejected"
    assert become("Unverified") == ""
    for forbidden in set(KYCState) - {KYCState.Unverified, *TRANSITIONS[KYCState.Unverified]}:
        assert words in become(forbidden)
    for state in ("Pending", "Verified", "Revoked"):
        assert become(state) == ""
    assert words in become("Verified"), "a revoked clearance starts again at Pending"
    assert 'Unsupported value: "Blessed"' in become("Blessed")
    for nothing in ('{"status":{"kyc":null}}', '{"status":null}'):
        assert "status.kyc is never taken away" in world.kubectl(*patch, nothing, check=False).stderr
