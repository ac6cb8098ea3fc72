"""The census of claims: with their pod until they are seen, then by themselves, never under a forged name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.decide.limits import Charge, Part
from admission.ledger.fold import fold
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, State
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod
from tests.demand.test_claimed_devices import BY_DRIVER, device_class, published
from tests.ledger.test_pods import A100, H100, NOW, registry  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    from admission.decide.registry import Registry

PART = Part("gpus", "digest", (("h100-sxm", 2),))
ENTRY = Entry("pod", "team", "pod", Charge("acme", (("h100-sxm", 3),), (PART,)), 0, "")
"""A pod that asks for one device by resource and for two by a claim."""


@pytest.fixture
def census(registry: Registry) -> PodCensus:  # noqa: F811 (the fixture above)
    """An empty census of a cluster in which a driver publishes four H100s."""
    registry.put_device_class(device_class("gpu", BY_DRIVER))
    registry.put_slice(published(H100, H100, 4))
    return PodCensus(registry, lambda: NOW)


def pod(uid: str = "pod", phase: str = "Pending", claim: str = "") -> Pod:
    spec = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    given = {"extendedResourceClaimStatus": {"resourceClaimName": claim}} if claim else {}
    status = {"phase": phase, **given}
    metadata = {"uid": uid, "namespace": "team", "name": uid}
    return msgspec.convert({"metadata": metadata, "spec": {**spec, "nodeName": H100}, "status": status}, Pod)


def claim(
    name: str = "claim", *, owner: str = "pod", part: str = "gpus", count: int = 2, given: int = 0
) -> ResourceClaim:
    metadata: dict[str, Any] = {"uid": f"uid-of-{name}", "namespace": "team", "name": name}
    if owner:
        metadata["ownerReferences"] = [{"kind": "Pod", "name": owner, "uid": owner, "controller": True}]
        metadata["annotations"] = {"resource.kubernetes.io/pod-claim-name": part}
    exactly = {"deviceClassName": "gpu", "count": count}
    results = [{"driver": "gpu.example.com", "pool": H100, "device": f"gpu-{number}"} for number in range(given)]
    status = {"allocation": {"devices": {"results": results}}} if given else {}
    spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, ResourceClaim)


def held(census: PodCensus, *promised: str) -> int:
    return sum(census.charges("DE", promised).values())


def folded(census: PodCensus) -> tuple[int, int]:
    """Return what a ledger with the pod's entry shows after a fold: used, and promised."""
    state = State(initialized=True, inflight={"pod": ENTRY})
    census.learn("DE", state.inflight)
    after = fold(state, "DE", census, ()) or state
    return sum(after.used.values()), sum(after.reserved().values())


def test_a_pods_charge_stays_whole_until_its_claim_is_seen(census: PodCensus) -> None:
    assert folded(census) == (0, 3)
    census.take(pod())
    assert folded(census) == (0, 3)
    census.take_claim(claim())
    assert folded(census) == (3, 0)


def test_a_claim_that_is_seen_before_its_pod_counts_above_the_pods_charge(census: PodCensus) -> None:
    census.take_claim(claim())
    assert folded(census) == (2, 3)
    census.take(pod())
    assert folded(census) == (3, 0)


def test_a_claim_holds_its_devices_after_its_pod_has_ended_and_until_it_is_gone(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim(given=2))
    assert folded(census) == (3, 0)
    census.take(pod(phase="Succeeded"))
    assert held(census) == 2
    census.lose("uid-of-claim")
    assert held(census) == 0


def test_a_claim_holds_what_it_was_given(census: PodCensus) -> None:
    census.take_claim(claim(owner="", count=4))
    assert held(census) == 4
    census.take_claim(claim(owner="", count=4, given=3))
    assert held(census) == 3


def test_a_forged_owner_hides_nothing(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim())
    census.take_claim(claim("forged", count=2))
    census.take_claim(claim("aliased", part="", count=4))
    assert folded(census) == (3 + 2 + 4, 0)


def test_a_claim_that_the_scheduler_made_for_resources_is_the_pods_own(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim(part="", count=1, given=1))
    assert held(census) == 2, "until the scheduler says so, it counts twice: too much, never too little"
    census.take(pod(claim="claim"))
    assert held(census) == 1
    census.lose("pod")
    assert held(census) == 1, "the pod is gone, the device is still given"
    census.lose("uid-of-claim")
    assert held(census) == 0


def test_another_leader_counts_claims_without_their_reservations(census: PodCensus) -> None:
    census.take(pod())
    census.take_claim(claim(given=2))
    census.learn("DE", {"pod": ENTRY})
    assert held(census) == 3
    heir = census.heir()
    heir.take(pod())
    heir.take_claim(claim(given=2))
    assert held(heir) == 3


@pytest.mark.parametrize(("pods", "claims", "used"), [(5, 7, 3), (4, 7, 9), (5, 6, 9)])
def test_a_census_that_is_older_in_one_of_two_is_not_folded(
    census: PodCensus, pods: int, claims: int, used: int
) -> None:
    census.take(pod())
    census.take_claim(claim())
    census.resource_version, census.claims_version = pods, claims
    state = State(initialized=True, observed_pods=5, used={("acme", "h100-sxm"): 9}, observed_claims=7)
    after = fold(state, "DE", census, ()) or state
    assert sum(after.used.values()) == used


def test_a_census_is_as_new_as_the_newest_claim_it_saw_so_that_a_quiet_collection_holds_nothing_back(
    census: PodCensus,
) -> None:
    for version, seen in (("7", 7), ("5", 7), ("9", 9)):
        one = claim(f"claim-{version}")
        metadata = msgspec.structs.replace(one.metadata, resource_version=version)
        census.take_claim(msgspec.structs.replace(one, metadata=metadata))
        assert census.claims_version == seen
