"""A misspelt group or class must not open what it was meant to close."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.object import Object
from admission.api.policy import AccessPolicy
from admission.api.quota import Authorization, ComputeQuota
from admission.catalogue.catalogue import Catalogue
from admission.decide.dangling import find_dangling
from admission.decide.idle import find_undecided
from admission.decide.registry import Registry
from tests.decide import questions

NOW = datetime(2026, 11, 26, tzinfo=UTC)
BASIS = {"type": "ProviderPolicy", "title": "test"}


def policy(rule: dict[str, Any], **spec: Any) -> AccessPolicy:
    rules = [{"name": "rule", "basis": BASIS, "effect": "Deny", **rule}]
    return AccessPolicy.model_validate(
        {"kind": "AccessPolicy", "metadata": {"name": "p"}, "spec": {"rules": rules, **spec}}
    )


def quota(**spec: Any) -> ComputeQuota:
    body = {"jurisdictions": ["DE"], "limits": {}, **spec}
    return ComputeQuota.model_validate({"kind": "ComputeQuota", "metadata": {"name": "q"}, "spec": body})


def grant(*classes: str) -> Authorization:
    until = {"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}
    body = {"number": "1", "tenant": "acme", "classes": classes, "devices": 1, **until}
    return Authorization.model_validate({"kind": "Authorization", "metadata": {"name": "a"}, "spec": body})


def pool(name: str) -> AcceleratorPool:
    body = {"nodeLabels": {"a": "b"}, "acceleratorClass": name, "resources": ["nvidia.com/gpu"]}
    return AcceleratorPool.model_validate({"kind": "AcceleratorPool", "metadata": {"name": "p"}, "spec": body})


def chip(name: str, *resources: str) -> AcceleratorClass:
    body = {"resources": resources}
    return AcceleratorClass.model_validate({"kind": "AcceleratorClass", "metadata": {"name": name}, "spec": body})


def test_of(values: list[str]) -> dict[str, Any]:
    return {"when": [{"fact": "Headquarters", "operator": "In", "values": values}]}


test_of.__test__ = False  # type: ignore[attr-defined]  # a builder


SCREENED = "Candidate, Clear, Match, MatchItself, MatchMinority, MatchOwners, MatchSignificantMinority"
NOBODY = "which nobody defines"


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (policy(test_of(["CN", "ear-d5"])), ""),
        (policy(test_of(["ours"]), groups=[{"name": "ours", "countries": ["DE"]}]), ""),
        (policy(test_of(["ear-d55"])), f"AccessPolicy p: rule rule names the group ear-d55, {NOBODY}"),
        (policy({"classes": ["h100-smx"]}), f"AccessPolicy p: rule rule names the class h100-smx, {NOBODY}"),
        (policy({"classes": ["h100-sxm", "3A090.a.1", "Controlled", "*"]}), ""),
        (policy({}, jurisdictionOrder=["d5"]), f"AccessPolicy p: jurisdictionOrder names the group d5, {NOBODY}"),
        (quota(jurisdictions=["europe"]), f"ComputeQuota q names the group europe, {NOBODY}"),
        (quota(classes=["h200"]), f"ComputeQuota q names the class h200, {NOBODY}"),
        (quota(classes=["h200-sxm"]), ""),
        (grant("b2000"), ""),
        (pool("h100"), ""),
        (policy({**test_of(["ear-d55"]), "effect": "Allow"}), ""),
        (policy({"classes": ["h100"], "effect": "Allow"}), ""),
        (
            policy({"when": [{"fact": "Headquarters", "operator": "NotIn", "values": ["ear-d55"]}], "effect": "Allow"}),
            f"AccessPolicy p: rule rule names the group ear-d55, {NOBODY}",
        ),
        (
            policy({"when": [{"fact": "Headquarters", "operator": "NotIn", "values": ["UK"]}], "effect": "Allow"}),
            "AccessPolicy p: rule rule names UK, which is no country code of ISO 3166-1; GB is",
        ),
        (
            policy({"when": [{"fact": "Screening", "operator": "NotIn", "values": ["match"]}], "effect": "Allow"}),
            f"AccessPolicy p: rule rule: Screening is never match; it is one of {SCREENED}",
        ),
        (
            policy({}, groups=[{"name": "ear-headquarters", "countries": ["BV"]}]),
            "AccessPolicy p: the group ear-headquarters has the name of a built-in one; give it another",
        ),
        (
            policy({}, groups=[{"name": "ours", "countries": ["DE", "UK"]}]),
            "AccessPolicy p: the group ours names UK, which is no country code of ISO 3166-1; GB is",
        ),
        (
            policy({"status": "ByLetter", "classes": ["h20", "Uncontrolled"]}),
            "AccessPolicy p: rule rule is ByLetter, so nothing that it names is Uncontrolled; name classes",
        ),
        (policy(test_of(["UK"])), "AccessPolicy p: rule rule names UK, which is no country code of ISO 3166-1; GB is"),
        (quota(jurisdictions=["EU"]), "ComputeQuota q names EU, which is no country code of ISO 3166-1"),
        (
            policy({"when": [{"fact": "Screening", "operator": "In", "values": ["match"]}]}),
            f"AccessPolicy p: rule rule: Screening is never match; it is one of {SCREENED}",
        ),
        (policy({"when": [{"fact": "DeclaredUse", "operator": "In", "values": ["Training"]}]}), ""),
        (policy({"when": [{"fact": "Payment", "operator": "NotIn", "values": ["Card"]}]}), ""),
        (policy({"when": [{"fact": "TenantKind", "operator": "In", "values": ["Broker"]}]}), ""),
        (chip("inhouse", "example.com/a", "example.com/a", "nvidia.com/h100"), ""),
    ],
)
def test_a_reference_that_leads_nowhere_holds_controlled_requests_back(obj: Any, said: str) -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(obj)
    assert registry.held_back_at(NOW) == said


@pytest.mark.parametrize(
    ("rule", "spec", "held"),
    [
        ({}, {}, True),
        ({"effective": "2027-01-01T00:00:00Z"}, {}, True),
        ({"status": "ByLetter"}, {}, True),
        ({"status": "Proposed"}, {}, False),
        ({"status": "Stayed"}, {}, False),
        ({"expires": "2026-11-26T00:00:00Z"}, {}, False),
        ({"expires": "2026-11-26T00:00:01Z"}, {}, True),
        ({}, {"mode": "observe"}, False),
        ({}, {"mode": "warn"}, False),
    ],
)
def test_only_what_decides_now_or_will_holds_back_and_the_rest_is_remarked_on(
    rule: dict[str, Any], spec: dict[str, Any], *, held: bool
) -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(policy({**test_of(["UK"]), **rule}, **spec))
    remarks = [each.field for each in find_undecided(registry.dangling(), registry.dangling(NOW))]
    place = ("spec", "rules", 0, "when", 0, "values", 0)
    assert (bool(registry.held_back_at(NOW)), remarks) == (held, [] if held else [place])


def test_a_misspelt_rule_that_ends_lets_requests_go_on_though_no_object_changes() -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(policy({**test_of(["UK"]), "expires": NOW.isoformat()}))
    moments = NOW - timedelta(seconds=1), NOW, NOW - timedelta(seconds=1)
    assert [bool(registry.held_back_at(each)) for each in moments] == [True, False, True]


def test_an_order_and_a_group_of_a_policy_that_observes_hold_back_only_where_a_quota_means_the_group() -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(policy({}, jurisdictionOrder=["d5"], mode="observe", groups=[{"name": "ours", "countries": ["UK"]}]))
    assert registry.held_back_at(NOW) == ""
    registry.put(quota(jurisdictions=["ours"]))
    said = "AccessPolicy p: the group ours names UK, which is no country code of ISO 3166-1; GB is"
    assert registry.held_back_at(NOW) == said


def test_defining_what_was_missing_lets_requests_go_on() -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(quota(jurisdictions=["europe"]))
    assert registry.held_back_at(NOW)
    registry.put(policy({}, groups=[{"name": "europe", "countries": ["DE", "FR"]}]))
    assert registry.held_back_at(NOW) == ""


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        (questions.tenant(), 1),
        (questions.exemption(images=["a@sha256:*"]), 1),
        (questions.override("KYCExpired"), 1),
        (quota(), 2),
        (policy({}), 2),
        (pool("h100"), 2),
        (grant("h100"), 2),
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_it_is_looked_for_anew_after_a_change_of_what_decides_and_of_nothing_else(
    change: Object, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, find = Registry(Catalogue.builtin()), Mock(wraps=find_dangling)
    monkeypatch.setattr("admission.decide.registry.find_dangling", find)
    registry.put(quota(jurisdictions=["europe"]))
    registry.held_back_at(NOW)
    registry.put(change)
    registry.held_back_at(NOW)
    assert find.call_count == looks


def test_two_orders_of_jurisdictions_have_no_order_between_them() -> None:
    registry = Registry(Catalogue.builtin())
    for name in ("one", "two"):
        made = policy({}, jurisdictionOrder=["CN"])
        registry.put(made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": name})}))
    assert registry.held_back_at(NOW) == "AccessPolicies one, two each set jurisdictionOrder; leave one"


def test_a_resource_that_two_classes_claim_holds_controlled_requests_back() -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(chip("one", "example.com/a", "example.com/b"))
    registry.put(chip("two", "example.com/b", "example.com/c"))
    said = "the resource example.com/b is claimed by the AcceleratorClasses one, two; leave one"
    assert registry.held_back_at(NOW) == said
    registry.drop(AcceleratorClass, "one")
    assert registry.held_back_at(NOW) == ""
