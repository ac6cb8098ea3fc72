"""Dynamic resource allocation on a real API server, with the real claim controller and the real scheduler.

No driver is needed: a node, a slice of devices and a class of devices are enough for the scheduler to allocate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.claims import (
    DEVICES,
    DRIVER,
    IMPLICIT,
    claim_template,
    device_class,
    device_slice,
    requests,
    resource_claim,
)
from tests.e2e.objects import gpu_pod, namespace, pool, quota, tenant
from tests.e2e.world import eventually
from tools.installation import pod

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World

TOLERATES = {"tolerations": [{"key": "example.com/dra", "operator": "Exists"}]}


@pytest.fixture(scope="module")
def drivers(world: World) -> None:
    """A node with H100s that a driver publishes, and classes for them: all, those of tomorrow, and an alias."""
    labels = {"pool.example.com/name": "dra-oslo"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "dra-node", "labels": labels},
        "spec": {"taints": [{"key": "example.com/dra", "effect": "NoSchedule"}]},
    }
    world.apply(
        pool("dra-oslo", "h100-sxm", "NO", f"{IMPLICIT}-none", nodeLabels=labels),
        *(
            device_class(DRIVER, resource="example.com/aliased"),
            device_class("mystery.example.com", driver="mystery.example.com"),
        ),
        node,
        device_slice("dra-node"),
    )
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    status = {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Here", "message": "", **_ONCE}],
    }
    patch = json.dumps({"status": status})
    world.kubectl("taint", "node", "dra-node", "node.kubernetes.io/not-ready:NoSchedule-")
    world.kubectl("patch", "node", "dra-node", "--subresource=status", "--type=merge", "-p", patch)


_ONCE = {"lastHeartbeatTime": "2026-11-01T00:00:00Z", "lastTransitionTime": "2026-11-01T00:00:00Z"}


def _user(name: str, where: str, **reference: str) -> Object:
    """Return a pod that uses a claim: by the template ``gpus`` unless it says which."""
    claim = {"name": "gpus", **(reference or {"resourceClaimTemplateName": "gpus"})}
    uses = {"resources": {"claims": [{"name": "gpus"}]}}
    return pod(name, where, {}, {"resourceClaims": [claim], **TOLERATES}, **uses)


def _at_home(world: World, unique: str, country: str, devices: int = 8) -> None:
    world.apply(quota(unique, country, devices), tenant(unique, country), namespace(unique, unique))


def _bound(world: World, name: str, where: str) -> Object:
    return eventually(lambda: world.get("pod", name, "-n", where), lambda found: "nodeName" in found["spec"])


def _end(world: World, *pods: str, where: str) -> None:
    world.kubectl("delete", "pods", *pods, "-n", where, "--force", "--grace-period=0")


@pytest.mark.usefixtures("drivers")
def test_a_pod_is_charged_for_its_claim_and_the_claim_is_counted_once(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, 5)
    world.admit(claim_template(unique, 3), _user("first", unique))
    assert "exceeded quota" in world.denial(_user("second", unique))
    world.await_use(unique, 3)
    _bound(world, "first", unique)
    world.await_use(unique, 3)
    (claim,) = world.items("resourceclaims", "-n", unique)
    assert len(claim["status"]["allocation"]["devices"]["results"]) == 3
    _end(world, "first", where=unique)
    world.await_use(unique, 0)


@pytest.mark.usefixtures("drivers")
def test_a_template_that_is_swapped_before_its_claim_is_made_gives_nothing(
    world: World, country: str, unique: str
) -> None:
    _at_home(world, unique, country)
    world.admit(claim_template(unique, 1))
    with world.installed.plane.paused("kube-controller-manager"):
        world.admit(_user("swapper", unique))
        world.kubectl("delete", "resourceclaimtemplate", "gpus", "-n", unique, "--wait=false")
        world.admit(claim_template(unique, 8))
    # The claim controller may still know the old template: then the claim is what the pod was charged for.
    events = ("events", "-n", unique, "--field-selector=reason=FailedResourceClaimCreation")
    seen = eventually(lambda: (world.items(*events), world.items("resourceclaims", "-n", unique)), any)
    assert [claim["spec"]["devices"]["requests"][0]["exactly"]["count"] for claim in seen[1]] in ([], [1])
    for failed in seen[0]:
        assert "claim gpus asks for other devices than its pod was admitted with" in failed["message"]
    ledger = world.ledger(country)
    assert f"{unique},h100-sxm:8" not in ledger.get("used", "") + ledger.get("inflight", "")


EDITOR = "editor-of-claims"
"""May do what the built-in role edit allows."""


@pytest.mark.usefixtures("drivers")
def test_a_claim_that_has_devices_cannot_be_freed_by_hand(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, 4)
    world.kubectl("create", "rolebinding", "editor", "--clusterrole=edit", f"--user={EDITOR}", "-n", unique)
    world.admit(resource_claim(unique, "held", requests(4)), _user("holder", unique, resourceClaimName="held"))
    _bound(world, "holder", unique)
    freed = '{"metadata":{"finalizers":null}}'
    patch = ("patch", "resourceclaim", "held", "-n", unique, "--type=merge", "-p", freed)
    tried = world.kubectl(*patch, user=EDITOR, check=False)
    assert "removing the finalizer resource.kubernetes.io/delete-protection would free" in tried.stderr
    world.kubectl("delete", "resourceclaim", "held", "-n", unique, "--wait=false", user=EDITOR)
    world.await_use(unique, 4)
    _end(world, "holder", where=unique)
    world.await_use(unique, 0)


@pytest.mark.usefixtures("drivers")
def test_an_owner_that_is_forged_buys_nothing(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, 4)
    world.admit(claim_template(unique, 1), _user("honest", unique))
    owner = world.get("pod", "honest", "-n", unique)["metadata"]["uid"]
    forged = {
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "honest", "uid": owner, "controller": True}],
        "annotations": {
            "resource.kubernetes.io/pod-claim-name": "gpus",
            "resource.kubernetes.io/extended-resource-claim": "true",
        },
    }
    world.admit(resource_claim(unique, "forged", requests(3), **forged))
    assert "exceeded quota" in world.denial(resource_claim(unique, "more", requests(1), **forged))
    world.await_use(unique, 4)


@pytest.mark.usefixtures("drivers")
def test_a_claim_by_name_is_charged_once_and_every_consumer_is_cleared(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, 4)
    assert "refers to resource claim shared, which does not exist" in world.denial(
        _user("early", unique, resourceClaimName="shared")
    )
    world.admit(resource_claim(unique, "shared", requests(4)))
    world.admit(*(_user(name, unique, resourceClaimName="shared") for name in ("one", "two")))
    _bound(world, "one", unique)
    _bound(world, "two", unique)
    world.await_use(unique, 4)
    _end(world, "one", "two", where=unique)
    world.await_use(unique, 4)
    world.kubectl("delete", "resourceclaim", "shared", "-n", unique)
    world.await_use(unique, 0)


@pytest.mark.usefixtures("drivers")
@pytest.mark.parametrize("resource", ["example.com/aliased", IMPLICIT])
def test_a_resource_that_stands_for_a_class_is_the_class_and_counted_once(
    world: World, country: str, unique: str, resource: str
) -> None:
    _at_home(world, unique, country, 5)
    world.admit(pod("aliased", unique, {resource: "3"}, TOLERATES))
    assert f"requested: {resource}=3, used: {resource}=3" in world.denial(
        pod("more", unique, {resource: "3"}, TOLERATES)
    )
    _bound(world, "aliased", unique)
    world.await_use(unique, 3)
    assert world.ledger(country)["used"] == f"{unique},h100-sxm:3"
    (claim,) = world.items("resourceclaims", "-n", unique)
    assert claim["metadata"]["annotations"]["resource.kubernetes.io/extended-resource-claim"] == "true"


@pytest.mark.usefixtures("drivers")
@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (requests(1, "mystery.example.com"), "[NotPermitted] which accelerator"),
        (
            {
                "devices": {
                    "requests": [
                        {
                            "name": "gpus",
                            "firstAvailable": [
                                {"name": "low", "deviceClassName": DRIVER},
                                {"name": "high", "deviceClassName": "mystery.example.com"},
                            ],
                        }
                    ]
                }
            },
            "[NotPermitted] which accelerator",
        ),
        (requests(1, adminAccess=True), "remove spec.devices.requests[gpus].exactly.adminAccess"),
    ],
    ids=["a class that nobody can name", "one behind another", "as administrator"],
)
def test_a_claim_is_denied_in_its_worst_case(world: World, country: str, unique: str, spec: Object, line: str) -> None:
    _at_home(world, unique, country)
    world.kubectl("label", "namespace", unique, "resource.kubernetes.io/admin-access=true")
    assert line in world.denial(resource_claim(unique, "claim", spec))


@pytest.mark.usefixtures("drivers")
@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_a_claim_of_an_older_version_is_judged_as_the_newest(
    world: World, country: str, unique: str, version: str
) -> None:
    _at_home(world, unique, country, 2)
    request = {"name": "gpus", "deviceClassName": DRIVER, "count": 3}
    spec = {"devices": {"requests": [request]}} if version == "v1beta1" else requests(3)
    older = {**resource_claim(unique, "older", spec), "apiVersion": f"resource.k8s.io/{version}"}
    assert f"requested: {IMPLICIT}=3, " in world.denial(older)


@pytest.mark.usefixtures("drivers")
def test_all_devices_of_a_node_are_as_many_as_its_driver_publishes(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, DEVICES - 1)
    every = {
        "devices": {"requests": [{"name": "gpus", "exactly": {"deviceClassName": DRIVER, "allocationMode": "All"}}]}
    }
    assert f"requested: {IMPLICIT}={DEVICES}, " in world.denial(resource_claim(unique, "every", every))


@pytest.mark.usefixtures("drivers")
def test_pods_of_a_group_share_one_claim_that_is_charged_once(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country, 3)
    shared = {"name": "gpus", "resourceClaimTemplateName": "gpus"}
    group = {
        "apiVersion": "scheduling.k8s.io/v1alpha2",
        "kind": "PodGroup",
        "metadata": {"name": "band", "namespace": unique},
        "spec": {"schedulingPolicy": {"basic": {}}, "resourceClaims": [shared]},
    }
    world.admit(claim_template(unique, 3), group)
    for name in ("one", "two"):
        member = _user(name, unique)
        member["spec"]["schedulingGroup"] = {"podGroupName": "band"}
        world.admit(member)
    _bound(world, "one", unique)
    _bound(world, "two", unique)
    world.await_use(unique, 3)
    assert len(world.items("resourceclaims", "-n", unique)) == 1


@pytest.mark.usefixtures("drivers")
def test_a_binding_is_judged_by_the_node_that_was_chosen(world: World, country: str, unique: str) -> None:
    _at_home(world, unique, country)
    world.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stranger"}, "spec": {"unschedulable": True}})
    world.admit(gpu_pod("trainer", unique))
    path = f"/api/v1/namespaces/{unique}/pods/trainer/binding"

    def bind(node: str) -> str:
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "trainer"},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        done = world.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False)
        return done.stderr

    assert "[NotPermitted] which accelerator nvidia.com/gpu gives is not known here" in bind("stranger")
    assert bind("dra-node") == ""
    assert _bound(world, "trainer", unique)["spec"]["nodeName"] == "dra-node"
    world.await_use(unique, 1)
    _end(world, "trainer", where=unique)
    world.kubectl("delete", "node", "stranger")
