"""Claims at the gate: charged once, on what a tenant submits; what is made for a pod is held against the pod."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.cluster.lookup import LookupFailed
from admission.review.claim import PodGroup
from admission.review.pod import Pod, PodStatus
from admission.server.claims import MAKERS
from tests.decide.questions import quota, world
from tests.demand.cluster import H100, node
from tests.demand.test_claimed_devices import (
    BY_DRIVER,
    CLASSES,
    DRIVER,
    NODES,
    SLICES,
    device_class,
    first,
    one,
    published,
)
from tests.effort import lines_run
from tests.gate.reviews import Door, review
from tests.gate.test_bindings import ONLY_A100

if TYPE_CHECKING:
    from admission.review.claim import ClaimSpec, ResourceClaim
    from tests.decide.questions import World

CONTROLLER, SCHEDULER = MAKERS[0], MAKERS[2]
CLAIMS = {"resource": {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"}}
USES = {"containers": [{"name": "main"}], "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}]}
SHARES = {"containers": [{"name": "main"}], "resourceClaims": [{"name": "gpu", "resourceClaimName": "big"}]}


class Cluster:
    """A gate in whose cluster pods and groups can be looked up; claims and templates come from its files."""

    def __init__(self, devices: int = 8, *, of: World | None = None, **fields: Any) -> None:
        self.pods: dict[str, Pod] = {}
        self.groups: dict[str, PodGroup] = {}
        self.failing = ""
        self.door = Door(of or world(quota(limits={"devices": devices})), **fields)
        for each in CLASSES:
            self.door.registry.put_device_class(each)
        for part in SLICES:
            self.door.registry.put_slice(part)
        self.files = self.door.lookup
        self.door.gate._lookup = self.door.workloads._reader._lookup = self

    async def template(self, namespace: str, name: str) -> ClaimSpec | None:
        if self.failing:
            raise LookupFailed(self.failing)
        return await self.files.template(namespace, name)

    async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
        return await self.files.claim(namespace, name)

    async def group(self, _namespace: str, name: str) -> PodGroup | None:
        return self.groups.get(name)

    async def pod(self, _namespace: str, name: str) -> Pod | None:
        return self.pods.get(name)

    def define(self, kind: str, name: str, *requests: dict[str, Any]) -> None:
        spec = {"devices": {"requests": list(requests)}}
        metadata = {"name": name, "namespace": "lab"}
        wrapped = {"spec": spec} if kind == "ResourceClaimTemplate" else spec
        self.files.put({"kind": kind, "metadata": metadata, "spec": wrapped})

    def create(self, spec: dict[str, Any], uid: str = "pod-1") -> dict[str, Any]:
        """Put the review of a pod; where it is admitted it is there."""
        answer = self._put(review(spec, uid))
        if answer["allowed"]:
            self.pods[uid] = msgspec.convert({"metadata": {"name": uid, "uid": uid}, "spec": spec}, Pod)
        return answer

    def claimed(
        self, *requests: dict[str, Any], caller: str = "alice", owner: str = "", uid: str = "claim-1", part: str = "gpu"
    ) -> dict[str, Any]:
        """Put the review of a claim, made for a pod where an owner is named."""
        metadata: dict[str, Any] = {"name": uid, "namespace": "lab", "uid": uid}
        if owner:
            metadata["ownerReferences"] = [{"kind": "Pod", "name": owner, "uid": owner, "controller": True}]
            metadata["annotations"] = {"resource.kubernetes.io/pod-claim-name": part} if part else {}
        claim = {"metadata": metadata, "spec": {"devices": {"requests": list(requests)}}}
        return self._put(review({}, uid, **CLAIMS, object=claim, userInfo={"username": caller}))

    def _put(self, body: bytes) -> dict[str, Any]:
        return asyncio.run(self.door.ask(body, "enforced"))

    def held(self) -> int:
        return self.door.held()


def message(answer: dict[str, Any]) -> str:
    return str(answer.get("status", {}).get("message", ""))


@pytest.fixture
def cluster() -> Cluster:
    found = Cluster()
    found.define("ResourceClaimTemplate", "one", one("big", 2))
    found.define("ResourceClaim", "big", one("big", 3))
    return found


def test_a_pod_is_charged_for_the_claims_that_are_made_for_it_and_these_are_not(cluster: Cluster) -> None:
    assert cluster.create(USES)["allowed"]
    assert cluster.held() == 2
    assert cluster.claimed(one("big", 2), caller=CONTROLLER, owner="pod-1")["allowed"]
    assert cluster.held() == 2
    asked = {"accelerator_class": "h100-sxm", "decision": "allowed"}
    assert cluster.door.sample("computegate_devices_total", **asked) == 2


@pytest.mark.parametrize(
    "swapped", [one("big", 4), one("gpu", 2), first("big", "gpu"), one("big", allocationMode="All")]
)
def test_a_template_swapped_between_a_pod_and_its_claim_is_found_out(cluster: Cluster, swapped: dict[str, Any]) -> None:
    assert cluster.create(USES)["allowed"]
    answer = cluster.claimed(swapped, caller=CONTROLLER, owner="pod-1")
    assert not answer["allowed"]
    assert "claim gpu asks for other devices than its pod was admitted with" in message(answer)
    assert cluster.held() == 2


@pytest.mark.parametrize(
    ("caller", "owner", "part"),
    [
        pytest.param("alice", "pod-1", "gpu", id="made by somebody else"),
        pytest.param(CONTROLLER, "pod-2", "gpu", id="for a pod that is not there"),
        pytest.param(CONTROLLER, "pod-1", "other", id="under a name that the pod has not"),
        pytest.param(CONTROLLER, "", "gpu", id="for nobody"),
        pytest.param(SCHEDULER, "pod-1", "", id="for resources that the pod does not ask for"),
    ],
)
def test_a_claim_that_no_pod_was_charged_for_is_charged_itself(
    cluster: Cluster, caller: str, owner: str, part: str
) -> None:
    assert cluster.create(USES)["allowed"]
    assert cluster.claimed(one("big", 2), caller=caller, owner=owner, part=part)["allowed"]
    assert cluster.held() == 4


def test_a_part_is_used_once(cluster: Cluster) -> None:
    assert cluster.create(USES)["allowed"]
    answers = [
        cluster.claimed(one("big", 2), caller=CONTROLLER, owner="pod-1", uid=f"claim-{number}") for number in range(5)
    ]
    assert [answer["allowed"] for answer in answers] == [True, True, True, True, False]
    assert cluster.held() == 8


def test_a_claim_made_for_a_pod_that_has_ended_is_charged_itself(cluster: Cluster) -> None:
    assert cluster.create(USES)["allowed"]
    cluster.pods["pod-1"] = msgspec.structs.replace(cluster.pods["pod-1"], status=PodStatus("Failed"))
    assert cluster.claimed(one("big", 2), caller=CONTROLLER, owner="pod-1")["allowed"]
    assert cluster.held() == 4


ZONED = {**USES, "nodeSelector": {"zone": "a"}, "tolerations": [{"operator": "Exists"}]}


def _two_quotas() -> Cluster:
    """A cluster with room for 64 A100s and one H100, and a template that leaves the class to the pod's node."""
    far, near = quota("far", classes=["h100-sxm"], limits={"devices": 1}), quota("near", classes=["a100-80gb"])
    found = Cluster(of=world(far, near, nodes=NODES))
    found.define("ResourceClaimTemplate", "one", one("gpu", 4))
    return found


def test_a_claim_is_counted_as_all_that_it_leaves_open_since_another_pod_may_use_it_elsewhere() -> None:
    assert "exceeded quota: far" in message(_two_quotas().create(ZONED))


def test_a_pod_is_cleared_for_what_it_can_land_on_and_so_is_the_claim_that_is_made_for_it() -> None:
    cluster = Cluster(of=world(quota(classes=["l40s"]), ONLY_A100, nodes=NODES))
    cluster.define("ResourceClaimTemplate", "one", one("gpu", 4))
    assert cluster.create(ZONED)["allowed"]
    assert cluster.claimed(one("gpu", 4), caller=CONTROLLER, owner="pod-1")["allowed"], "no quota counts either"
    assert not cluster.claimed(one("gpu", 4), owner="pod-1", uid="made by somebody else")["allowed"]


SMALL = one("gpu", 1, selectors=[{"cel": {"expression": f"device.attributes['{DRIVER}'].size == 'small'"}}])


@pytest.mark.parametrize(("deadline", "allowed"), [(None, False), (7200, False), (1800, True)])
@pytest.mark.parametrize("spec", [USES, SHARES], ids=["a template", "a claim by name"])
def test_a_pod_with_claims_ends_within_every_hold_as_a_claim_may_be_another_by_then(
    spec: dict[str, Any], deadline: int | None, allowed: bool
) -> None:
    far = quota("far", classes=["h100-sxm"], limits={"devices": 8, "longestHold": "1h"})
    cluster = Cluster(of=world(far, quota("near", classes=["a100-80gb"]), nodes=NODES))
    cluster.define("ResourceClaimTemplate", "one", SMALL)
    cluster.define("ResourceClaim", "big", SMALL)
    assert cluster.create({**spec, "activeDeadlineSeconds": deadline})["allowed"] is allowed
    cluster.pods["pod-1"] = msgspec.convert(
        {"metadata": {"name": "pod-1", "uid": "pod-1"}, "spec": {**spec, "activeDeadlineSeconds": deadline}}, Pod
    )
    assert cluster.claimed(one("big", 1), caller=CONTROLLER, owner="pod-1", part="other")["allowed"] is allowed


def test_a_claim_made_when_more_can_be_reached_must_fit_the_limits_of_that() -> None:
    cluster = _two_quotas()
    cluster.door.registry.drop_slice(SLICES[0].metadata.name)
    assert cluster.create(ZONED)["allowed"]
    cluster.door.registry.put_slice(SLICES[0])
    assert "exceeded quota: far" in message(cluster.claimed(one("gpu", 4), caller=CONTROLLER, owner="pod-1"))


def test_a_resource_that_is_harmless_by_its_name_hides_no_class_behind_it(cluster: Cluster) -> None:
    cluster.door.registry.put_device_class(device_class("sneaky", BY_DRIVER, resource="rdma/gpu"))
    assert cluster.create({"containers": [{"name": "main", "resources": {"limits": {"rdma/gpu": "4"}}}]})["allowed"]
    assert cluster.claimed(one("sneaky", 4), caller=SCHEDULER, owner="pod-1", part="")["allowed"]
    assert cluster.held() == 4


def test_many_selectors_cost_no_more_than_few_and_narrow_nothing() -> None:
    nodes = tuple(node(f"n{number}", resources=()) for number in range(50))
    cluster = Cluster(of=world(quota(), nodes=nodes))
    for each in nodes:
        cluster.door.registry.put_slice(published(each.name, H100, 8))
    assert cluster.door.registry.inventory

    def effort(number: int) -> int:
        texts = [f"device.attributes['{DRIVER}'].size == \"{mark}\"" for mark in range(32)]
        selectors = [{"cel": {"expression": text}} for text in texts]
        several = [
            {"name": f"r{each}", "exactly": {"deviceClassName": "gpu", "selectors": selectors[each % 32 :]}}
            for each in range(number)
        ]
        return lines_run(lambda: cluster.claimed(*several, uid=f"claim-{number}"))[1]

    effort(4)  # what is kept from then on is found
    few, many = effort(8), effort(32)
    assert many < 5 * few


def test_claims_of_a_forged_owner_end_where_the_quota_does(cluster: Cluster) -> None:
    assert cluster.create(USES)["allowed"]
    answers = [cluster.claimed(one("big", 2), owner="pod-1", uid=f"claim-{number}") for number in range(5)]
    assert [answer["allowed"] for answer in answers] == [True, True, True, False, False]
    assert cluster.held() == 8


def test_a_claim_that_pods_share_is_charged_once_and_each_pod_is_cleared(cluster: Cluster) -> None:
    assert cluster.claimed(one("big", 3), uid="big")["allowed"]
    assert cluster.create(SHARES, "pod-1")["allowed"]
    assert cluster.create(SHARES, "pod-2")["allowed"]
    assert cluster.held() == 3
    cluster.define("ResourceClaim", "big", one("nowhere"))
    assert "[NotPermitted] which accelerator" in message(cluster.create(SHARES, "pod-3"))


def test_pods_of_a_group_share_the_claim_that_the_group_names(cluster: Cluster) -> None:
    named = {"name": "gpu", "resourceClaimTemplateName": "one"}
    cluster.groups["band"] = msgspec.convert({"spec": {"resourceClaims": [named]}}, PodGroup)
    spec = {**USES, "schedulingGroup": {"podGroupName": "band"}}
    assert cluster.create(spec, "pod-1")["allowed"]
    assert cluster.create(spec, "pod-2")["allowed"]
    assert cluster.held() == 0
    assert cluster.claimed(one("big", 2), caller=CONTROLLER)["allowed"]
    assert cluster.held() == 2


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ({"resourceClaimTemplateName": "none"}, "resource claim template none"),
        ({"resourceClaimName": "none"}, "resource claim none"),
        ({}, "claim gpu"),
    ],
)
def test_a_pod_whose_claim_is_not_there_waits_for_it(cluster: Cluster, claim: dict[str, Any], missing: str) -> None:
    answer = cluster.create({"containers": [], "resourceClaims": [{"name": "gpu", **claim}]})
    assert f"[InfoNeeded] this pod refers to {missing}, which does not exist; create it before the pod" in message(
        answer
    )


def test_where_nobody_can_tell_what_a_claim_is_the_pod_may_try_again(cluster: Cluster) -> None:
    cluster.failing = "no answer"
    answer = cluster.create(USES)
    assert (answer["allowed"], answer["status"]["code"]) == (False, 429)
    cluster.failing = ""
    assert cluster.create(USES)["allowed"]


RESOURCE = {"containers": [{"name": "main", "resources": {"limits": {"example.com/gpu": "2"}}}]}


@pytest.mark.parametrize(
    ("request_", "held"),
    [(one("gpu", 2), 2), (one("gpu", 1), 2), (one("gpu", 3), 5), (one("big", 2), 4), (first("gpu", "big"), 3)],
)
def test_a_claim_that_the_scheduler_makes_for_resources_is_the_pods_up_to_what_it_asked(
    cluster: Cluster, request_: dict[str, Any], held: int
) -> None:
    assert cluster.create(RESOURCE)["allowed"]
    assert cluster.held() == 2
    assert cluster.claimed(request_, caller=SCHEDULER, owner="pod-1", part="")["allowed"]
    assert cluster.held() == held


def test_a_clearance_that_ended_meanwhile_stops_the_claim_that_the_scheduler_makes(cluster: Cluster) -> None:
    assert cluster.create(RESOURCE)["allowed"]
    cluster.door.registry.put_namespace("lab", {})
    answer = cluster.claimed(one("gpu", 2), caller=SCHEDULER, owner="pod-1", part="")
    assert "[InfoNeeded] namespace lab belongs to no known tenant" in message(answer)


def test_access_as_administrator_is_denied_in_a_claim_and_in_a_pod(cluster: Cluster) -> None:
    cluster.define("ResourceClaimTemplate", "one", one("big", adminAccess=True))
    expected = "devices.requests[r].exactly.adminAccess"
    assert f"this claim can reach devices it does not ask for; remove spec.{expected}" in message(
        cluster.claimed(one("big", adminAccess=True))
    )
    assert f"this pod can reach devices it does not ask for; remove claim gpu.{expected}" in message(
        cluster.create(USES)
    )


def test_a_claim_that_cannot_be_read_is_refused_and_holds_nothing(cluster: Cluster) -> None:
    answer = cluster.claimed(one("big", allocationMode="Most"))
    assert "this claim cannot be judged: spec.devices.requests[r].allocationMode: 'Most' is not known" in message(
        answer
    )
    assert cluster.held() == 0


def test_a_claim_says_its_kind_in_the_record(cluster: Cluster) -> None:
    cluster.claimed(one("big"), uid="big")
    line = json.loads(msgspec.json.encode(cluster.door.records[-1]))
    assert (line["object"]["resource"], line["demand"][0]["classes"]) == ("resourceclaims", ["h100-sxm"])
