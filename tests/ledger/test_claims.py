"""The census of claims: with their pod until they are seen, then by themselves, never under a forged name."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.cluster.client import ApiError
from admission.decide.limits import Charge, Part
from admission.ledger.fold import fold
from admission.ledger.limits import Kind
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, State
from admission.ledger.witness import ClusterWitness
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod
from tests.demand.test_claimed_devices import BY_DRIVER, device_class, published
from tests.ledger.records import charged
from tests.ledger.test_pods import A100, H100, NOW, registry  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    from admission.decide.registry import Registry

PART = Part("gpus", "digest", (("h100-sxm", 2),))
WHOLE = Charge("acme", (("h100-sxm", 3),), (PART,))
ENTRY = Entry("pod", "team", "pod", WHOLE, 0, "")
"""A pod that asks for one device by resource and for two by a claim."""

REST = Entry("pod", "team", "pod", WHOLE.without(PART), 0, "")
OWN = Entry("uid-of-claim", "team", "claim", Charge("acme", PART.counts), 0, "", Kind.Claim)
"""The same when the claim has taken over its part."""


@pytest.fixture
def census(registry: Registry) -> PodCensus:  # noqa: F811 (the fixture above)
    """An empty census of a cluster in which a driver publishes four H100s."""
    registry.put_device_class(device_class("gpu", BY_DRIVER))
    registry.put_slice(published(H100, H100, 4))
    census = PodCensus(registry, lambda: NOW)
    census.charging.homes.take(charged("acme", {"acme": "DE"}, {"team": "acme"}))
    census.charging.homes.version = 1
    return census


def pod(uid: str = "pod", phase: str = "Pending", claim: str = "") -> Pod:
    spec = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    given = {"extendedResourceClaimStatus": {"resourceClaimName": claim}} if claim else {}
    status = {"phase": phase, **given}
    metadata = {"uid": uid, "namespace": "team", "name": uid}
    return msgspec.convert({"metadata": metadata, "spec": {**spec, "nodeName": H100}, "status": status}, Pod)


def claim(
    name: str = "claim",
    *,
    owner: str = "pod",
    part: str = "gpus",
    asks: str = "gpu",
    count: int = 2,
    given: int = 0,
    where: str = H100,
    uid: str = "",
    version: str = "1",
    reserved: str = "",
) -> ResourceClaim:
    metadata: dict[str, Any] = {"uid": uid or f"uid-of-{name}", "namespace": "team", "name": name}
    metadata["resourceVersion"] = version
    if owner:
        metadata["ownerReferences"] = [{"kind": "Pod", "name": owner, "uid": owner, "controller": True}]
        metadata["annotations"] = {"resource.kubernetes.io/pod-claim-name": part}
    exactly = {"deviceClassName": asks, "count": count}
    device = {"request": "r", "driver": "gpu.example.com", "pool": where}
    results = [{**device, "device": f"gpu-{number}"} for number in range(given)]
    status: dict[str, Any] = {"allocation": {"devices": {"results": results}}} if given else {}
    status |= {"reservedFor": [{"resource": "pods", "name": reserved, "uid": reserved}]} if reserved else {}
    spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, ResourceClaim)


def held(census: PodCensus, *promised: str) -> int:
    return sum(census.charges("DE", promised).values())


def folded(census: PodCensus, *entries: Entry) -> tuple[int, int]:
    """Return what a ledger with these entries shows after a fold: used, and promised."""
    state = State(initialized=True, inflight={entry.uid: entry for entry in entries})
    census.learn("DE", state.inflight)
    after = fold(state, "DE", census, ()) or state
    return sum(after.used.values()), sum(after.reserved().values())


def test_a_pods_charge_stays_whole_until_its_claim_has_taken_over_its_part(census: PodCensus) -> None:
    assert folded(census, ENTRY) == (0, 3)
    census.take(pod())
    assert folded(census, ENTRY) == (0, 3)
    assert folded(census, REST, OWN) == (1, 2)
    census.take_claim(claim())
    assert folded(census, REST, OWN) == (3, 0)


def test_a_claim_holds_its_devices_after_its_pod_has_ended_and_until_it_is_gone(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim(given=2))
    assert folded(census, REST, OWN) == (3, 0)
    census.take(pod(phase="Succeeded"))
    assert held(census) == 2
    census.lose("uid-of-claim")
    assert held(census) == 0


def test_a_claim_holds_all_that_it_may_be_given_whatever_it_was_given(registry: Registry) -> None:  # noqa: F811
    registry.put_device_class(device_class("gpu", BY_DRIVER))
    for product in (H100, A100):
        registry.put_slice(published(product, product, 4))
    census = PodCensus(registry, lambda: NOW)
    for where in ("", A100, "", H100):
        census.take_claim(claim(owner="", given=2 if where else 0, where=where))
        assert census.charges("DE") == {("acme", "a100-80gb|h100-sxm"): 2}


def test_a_claim_holds_besides_what_it_was_given_that_nothing_of_it_asks_for(census: PodCensus) -> None:
    census.take_claim(claim(owner="", given=2, where="of a driver that is gone"))
    assert census.charges("DE") == {("acme", "h100-sxm"): 2, ("acme", "unknown"): 2}


def test_network_cards_are_not_the_accelerators_of_their_node(registry: Registry) -> None:  # noqa: F811
    registry.put_device_class(device_class("netdev.google.com", BY_DRIVER))
    registry.put_slice(published(H100, "a network card", 8))
    census = PodCensus(registry, lambda: NOW)
    census.take_claim(claim(owner="", count=8, given=8, asks="netdev.google.com"))
    assert held(census) == 0


def test_a_forged_owner_hides_nothing(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim())
    census.take_claim(claim("forged", count=4))
    census.take_claim(claim("aliased", part="", count=4))
    assert folded(census, REST, OWN) == (3 + 4 + 4, 0)


def test_a_claim_that_the_scheduler_made_for_resources_is_the_pods_own_up_to_what_it_asked(census: PodCensus) -> None:
    made = claim(part="", count=1, given=1, reserved="pod")
    census.take(pod())
    census.take_claim(made)
    assert held(census) == 2, "until the scheduler says so, it counts twice: too much, never too little"
    census.take(pod(claim="claim"))
    assert held(census) == 1
    census.lose("pod")
    assert held(census) == 1, "the pod is gone, the device is still given"


@pytest.mark.parametrize(
    ("other", "counted"),
    [
        pytest.param(claim(owner="", count=4, uid="x", reserved="pod"), 5, id="one that asks for more"),
        pytest.param(claim(owner="", count=1, uid="x"), 2, id="one that nobody gave to the pod"),
        pytest.param(claim(owner="", count=1, uid="x", reserved="another"), 2, id="one that another pod uses"),
        pytest.param(claim("c", owner="", count=1, uid="x", reserved="pod"), 2, id="one of another name"),
        pytest.param(claim(owner="", count=1, uid="own", reserved="pod"), 2, id="one that was charged by itself"),
    ],
)
def test_no_other_claim_hides_behind_a_pod(census: PodCensus, other: ResourceClaim, counted: int) -> None:
    census.learn("DE", {"own": dataclasses.replace(OWN, uid="own", charge=Charge("acme", (("h100-sxm", 1),)))})
    census.take(pod(claim="claim"))
    census.take_claim(other)
    assert held(census) == counted


def test_a_claim_is_named_anew_when_its_devices_are_published(registry: Registry) -> None:  # noqa: F811
    registry.put_device_class(device_class("gpu", BY_DRIVER))
    census = PodCensus(registry, lambda: NOW)
    census.take_claim(claim(owner=""))
    for product, key in ((A100, "a100-80gb"), (H100, "a100-80gb|h100-sxm")):
        assert census.charges("DE").keys() != {("acme", key)}
        registry.put_slice(published(product, product, 4))
        assert census.charges("DE") == {("acme", key): 2}


def test_another_leader_counts_without_having_seen_a_reservation(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim(given=2))
    census.learn("DE", {"pod": REST, "uid-of-claim": OWN})
    for one in (census, census.heir()):
        one.take(pod())
        one.take_claim(claim(given=2))
        assert held(one) == 3


@pytest.mark.parametrize(("pods", "claims", "used"), [(5, 7, 3), (4, 7, 9), (5, 6, 9)])
def test_a_census_that_has_not_come_as_far_in_one_of_two_is_not_folded(
    census: PodCensus, pods: int, claims: int, used: int
) -> None:
    census.take(pod())
    census.take_claim(claim())
    census.resource_version, census.claims_version = pods, claims
    state = State(initialized=True, observed_pods=5, used={("acme", "h100-sxm"): 9}, observed_claims=7)
    after = fold(state, "DE", census, ()) or state
    assert sum(after.used.values()) == used


def test_where_nothing_is_written_no_fold_waits_for_a_watch_or_for_an_object_that_is_gone(census: PodCensus) -> None:
    census.take_claim(claim(version="10"))
    census.resource_version, census.claims_version = 90, 90
    state = fold(State(initialized=True), "DE", census, ())
    assert state is not None
    assert (state.observed_pods, state.observed_claims) == (0, 10)
    other = census.heir()
    other.resource_version, other.claims_version = 60, 60  # a watch that lags behind, and the claim is gone
    after = fold(state, "DE", other, ())
    assert after is not None
    assert (after.used, after.observed_claims) == ({}, 10)


class Cluster:
    """An API server that has these pods, and serves no claims."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self._pods = pods

    async def get(self, path: str, _query: dict[str, str]) -> bytes:
        if not path.endswith("/pods"):
            raise ApiError(404, "NotFound", path)
        return msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": self._pods})


@pytest.mark.parametrize(
    ("entry", "found", "there"),
    [
        pytest.param(ENTRY, {"uid": "pod"}, True, id="the pod"),
        pytest.param(ENTRY, {"uid": "another"}, False, id="another of its name"),
        pytest.param(ENTRY, {"uid": "pod", "phase": "Failed"}, False, id="the pod, which has ended"),
        pytest.param(OWN, {"uid": "pod"}, False, id="a claim where none are served"),
    ],
)
def test_a_witness_says_what_can_still_come(
    census: PodCensus, entry: Entry, found: dict[str, str], there: bool
) -> None:
    listed = {"metadata": {"name": "pod", "uid": found["uid"]}, "status": {"phase": found.get("phase", "Pending")}}
    witness = ClusterWitness(Cluster(listed), census)  # type: ignore[arg-type]  # one read is all it does
    assert asyncio.run(witness.probe(entry)) is there
