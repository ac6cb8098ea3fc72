"""The census of pods: attributed as their reservations were, whatever labels say later."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from admission.api.policy import Mode
from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.decide.limits import Charge
from admission.decide.registry import Registry
from admission.demand.inventory import Node
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry
from admission.review.pod import Pod
from tests.ledger.records import charged

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
H100, A100 = "NVIDIA-H100-80GB-HBM3", "NVIDIA-A100-SXM4-80GB"


@pytest.fixture
def registry() -> Registry:
    found = Registry(Catalogue.builtin(), default_mode=Mode.Enforce)
    for name, country in (("acme", "DE"), ("rival", "SG")):
        spec = {"legalName": name, "kind": "Company", "headquarters": country, "independent": True}
        found.put(Tenant.model_validate({"metadata": {"name": name}, "spec": spec}))
    for country in ("DE", "SG"):
        spec = {"jurisdictions": [country], "limits": {"devices": 8}}
        found.put(ComputeQuota.model_validate({"metadata": {"name": country.lower()}, "spec": spec}))
    for product in (H100, A100):
        found.put_node(Node(product, {"nvidia.com/gpu.product": product}, resources=frozenset({"nvidia.com/gpu"})))
    found.put_namespace("team", {"computegate.io/tenant": "acme"})
    return found


def pod(uid: str = "u1", *, node: str = "", phase: str = "Pending", gpus: int = 4) -> Pod:
    spec: dict[str, Any] = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}]}
    spec |= {"nodeName": node} if node else {}
    return msgspec.convert(
        {"metadata": {"uid": uid, "namespace": "team", "name": uid}, "spec": spec, "status": {"phase": phase}}, Pod
    )


def promise(uid: str = "u1", party: str = "acme", key: str = "a100-80gb|h100-sxm") -> dict[str, Entry]:
    return {uid: Entry(uid, "team", uid, Charge(party, ((key, 4),)), 0, "")}


def test_a_pending_pod_holds_every_class_it_may_land_on_and_a_bound_one_its_nodes(registry: Registry) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(pod())
    assert census.charges("DE") == {("acme", "a100-80gb|h100-sxm"): 4}
    census.take(pod(node=H100))
    assert census.charges("DE") == {("acme", "h100-sxm"): 4}
    assert census.charges("SG") == {}


@pytest.mark.parametrize("first", ["pod", "promise"])
def test_a_pod_is_charged_where_its_reservation_stands_whichever_is_seen_first(registry: Registry, first: str) -> None:
    registry.put_namespace("team", {"computegate.io/tenant": "rival"})
    census = PodCensus(registry, lambda: NOW)
    if first == "pod":
        census.take(pod())
    census.learn("DE", promise())
    census.take(pod())
    assert census.charges("DE") == {("acme", "a100-80gb|h100-sxm"): 4}


def test_a_label_that_changes_later_moves_nothing(registry: Registry) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(pod())
    registry.put_namespace("team", {"computegate.io/tenant": "rival"})
    census.take(pod(node=A100))
    assert census.charges("DE") == {("acme", "a100-80gb"): 4}


def test_a_recount_attributes_as_the_watch_does_and_counts_only_what_it_sees(registry: Registry) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(pod("u1"))
    census.take(pod("u2", node=H100))
    census.learn("DE", promise("u3", key="h100-sxm"))
    registry.put_namespace("team", {})
    registry.drop_node(H100)
    recount = census.heir()
    for uid, node in (("u1", A100), ("u2", H100), ("u3", "")):
        recount.take(pod(uid, node=node))
    assert recount.charges("DE") == {("acme", "a100-80gb"): 4, ("acme", "h100-sxm"): 8}
    assert census.heir().charges("DE") == {}


def test_devices_that_no_tenant_is_found_for_are_told_until_one_is(registry: Registry) -> None:
    registry.put_namespace("team", {})
    census = PodCensus(registry, lambda: NOW)
    for each in (pod("u1"), pod("u2", node=H100), pod("idle", gpus=0), pod("promised"), pod("ended", phase="Failed")):
        census.take(each)
    census.learn("DE", promise("promised"))
    assert census.unattributed() == 8
    census.lose("u2")
    assert census.unattributed() == 4
    registry.put_namespace("team", {"computegate.io/tenant": "acme"})
    census.charges("DE")
    assert census.unattributed() == 0


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_holds_nothing_and_was_seen(registry: Registry, phase: str) -> None:
    census = PodCensus(registry, lambda: NOW)
    census.take(pod())
    census.take(pod(phase=phase))
    assert census.charges("DE") == {}
    assert census.seen("u1")


def test_a_pod_that_ends_within_a_second_has_held_its_devices_for_one(registry: Registry) -> None:
    now = NOW
    census = PodCensus(registry, lambda: now)
    census.take(pod(node=H100))
    now += dt.timedelta(seconds=0.2)
    census.take(pod(node=H100, phase="Succeeded"))
    (stay,) = census.ended("DE")
    assert stay.until - stay.since == 1


def test_use_in_a_namespace_that_is_not_enforced_stands_beside_until_it_is(registry: Registry) -> None:
    registry.default_mode = Mode.Observe
    census = PodCensus(registry, lambda: NOW)
    census.take(pod(node=H100))
    assert (census.charges("DE"), census.observed("DE")) == ({}, {("acme", "h100-sxm"): 4})
    registry.put_namespace("team", {"computegate.io/tenant": "acme", "computegate.io/mode": "enforce"})
    assert (census.charges("DE"), census.observed("DE")) == ({("acme", "h100-sxm"): 4}, {})


RECORDED, MOVED = {"acme": "DE"}, {"kumo/acme": "SG"}


@pytest.mark.parametrize("seen", [True, False], ids=["is there", "came and went unseen"])
@pytest.mark.parametrize(
    ("record", "promised", "account"),
    [
        (RECORDED, "", "acme"),
        (RECORDED, "rival", "rival"),
        (RECORDED, "acme", "acme"),
        (MOVED, "acme", "kumo/acme"),
        ({}, "acme", "acme"),
        ({}, "", "rival"),
    ],
    ids=[
        "the record says so",
        "another tenant started it",
        "both say so",
        "it has moved to a supplier",
        "the promise says so",
        "nothing but the label says",
    ],
)
def test_who_is_charged_for_an_object_is_told_by_its_record_or_its_promise_before_todays_label(
    registry: Registry, seen: bool, record: dict[str, str], promised: str, account: str
) -> None:
    registry.put_namespace("team", {"computegate.io/tenant": "rival"})
    census = PodCensus(registry, lambda: NOW)
    if record:
        census.charging.homes.take(charged("acme", record, {"team": " ".join(record)}))
    if promised:
        census.learn("DE", promise(party=promised))
    if seen:
        census.take(pod(node=H100))
    assert census.account("u1", "team") == (account, registry.group_of(account))
