"""The guard of what a pod can reach, on a real API server: nothing that was judged at creation grows by an update."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.kubectl import Kubectl

NAME = "reach"
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "500m"}}}
GATED = {"schedulingGates": [{"name": "example.com/wait"}]}
PODS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "pending": (GPU, {}, {}),
    "gated": (GPU, GATED, {}),
    "claiming": ({}, {"resourceClaims": [{"name": "c", "resourceClaimName": "c"}]}, {}),
    "sharing": ({}, {}, {"gpu-fraction": "0.5"}),
    "bound": (GPU, {"nodeName": NAME}, {}),
    "bound-sharing": ({}, {"nodeName": NAME}, {"gpu-fraction": "0.5"}),
    "bound-network": ({"resources": {"limits": {"rdma/hca": "1"}}}, {"nodeName": NAME}, {}),
    "plain": ({}, {}, {}),
}
"""Container, spec and annotations by the pod's name."""

KEPT = {"key": "team", "operator": "Equal", "value": "a", "effect": "NoExecute", "tolerationSeconds": 60}
SET = "set them at creation, create the pod anew"
TOLERATION = {"key": "h100", "operator": "Exists", "effect": "NoSchedule"}
NO_TOLERATION, NO_ANNOTATION = "cannot gain tolerations; " + SET, "cannot change; " + SET


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Iterator[Kubectl]:
    """The installation with a namespace in enforce, and in it pods that were created before it was."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
    installed("create", "-f", "-", stdin=json.dumps(node))  # a pod of a node that is not there is collected
    installed("create", "namespace", NAME)
    installed("wait", "--for=create", "serviceaccount/default", "-n", NAME, "--timeout=30s")
    for name, (container, spec, annotations) in PODS.items():
        full = {"containers": [{"name": "c", "image": "i", **container}], "tolerations": [KEPT], **spec}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "annotations": annotations},
            "spec": full,
        }
        installed("create", "-n", NAME, "-f", "-", stdin=json.dumps(manifest))
    installed("create", "role", "remover", "-n", NAME, "--verb=get,delete", "--resource=pods")
    installed("create", "rolebinding", "remover", "-n", NAME, "--role=remover", "--user=remover")
    installed("label", "namespace", NAME, "computegate.io/mode=enforce")
    for _ in range(60):
        if tolerate(installed, "pending", TOLERATION):
            break
    else:
        pytest.fail("a pending pod can still gain tolerations in a namespace that is enforced")
    yield installed
    installed("delete", "node", NAME)


def patch(cluster: Kubectl, pod: str, change: Any, *flags: str) -> str:
    """Return what the API server says against a patch; a list is a JSON patch."""
    kind = "json" if isinstance(change, list) else "merge"
    command = ("patch", "pod", pod, "-n", NAME, "--dry-run=server", f"--type={kind}", "--patch", json.dumps(change))
    return cluster(*command, *flags, check=False).stderr


def tolerate(cluster: Kubectl, pod: str, toleration: dict[str, Any]) -> str:
    return patch(cluster, pod, [{"op": "add", "path": "/spec/tolerations/-", "value": toleration}])


@pytest.mark.parametrize("pod", ["pending", "gated", "claiming", "sharing"])
@pytest.mark.parametrize(
    "toleration",
    [
        TOLERATION,
        {"operator": "Exists"},
        {"key": "node.kubernetes.io", "operator": "Exists"},
        {"key": "team", "operator": "Equal", "value": "b", "effect": "NoExecute"},
        {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"},
        {"key": "team", "operator": "Exists", "effect": "NoExecute"},
    ],
    ids=["a taint", "every taint", "a key like the nodes' own", "another value", "another effect", "any value"],
)
def test_a_pod_that_waits_for_devices_gains_no_toleration(
    cluster: Kubectl, pod: str, toleration: dict[str, Any]
) -> None:
    assert NO_TOLERATION in tolerate(cluster, pod, toleration)


@pytest.mark.parametrize(
    ("pod", "toleration"),
    [
        ("pending", {"key": "node.kubernetes.io/disk-pressure", "operator": "Exists"}),
        ("bound", TOLERATION),
        ("plain", TOLERATION),
    ],
    ids=["of a node's health", "where it runs already", "without devices"],
)
def test_other_tolerations_are_gained(cluster: Kubectl, pod: str, toleration: dict[str, Any]) -> None:
    assert tolerate(cluster, pod, toleration) == ""


def test_a_toleration_that_is_held_may_end_sooner_or_later(cluster: Kubectl) -> None:
    stored = json.loads(cluster("get", "pod", "pending", "-n", NAME, "-o", "json").stdout)["spec"]["tolerations"]
    changed = [each | {"tolerationSeconds": 5} for each in stored]
    assert changed != stored
    assert patch(cluster, "pending", {"spec": {"tolerations": changed}}) == ""


@pytest.mark.parametrize("way", [(), ("--subresource=status",)], ids=["pods", "pods/status"])
@pytest.mark.parametrize(
    ("pod", "key", "value"),
    [
        *(
            ("plain", key, "nvidia.com/gpu=all")
            for key in (
                "cdi.k8s.io/x",
                "nvidia.cdi.k8s.io/container.c",
                "devices.gke.io/container.c",
                "devices.nri.io",
                "mounts.noderesource.dev/pod",
                "dev.gvisor.internal.nvproxy",
                "cdi-devices.nri.io/container.c",
                "io.kubernetes.cri-o.Devices",
            )
        ),
        ("plain", "gpu-memory", ""),
        ("bound", "cdi.k8s.io/x", "nvidia.com/gpu=all"),
        ("sharing", "gpu-fraction-num-devices", "8"),
        ("sharing", "gpu-fraction", "1"),
        ("sharing", "gpu-fraction", None),
    ],
)
def test_annotations_that_give_devices_do_not_change(
    cluster: Kubectl, pod: str, key: str, value: str | None, way: tuple[str, ...]
) -> None:
    assert NO_ANNOTATION in patch(cluster, pod, {"metadata": {"annotations": {key: value}}}, *way)


@pytest.mark.parametrize("way", [(), ("--subresource=status",)], ids=["pods", "pods/status"])
@pytest.mark.parametrize("pod", PODS)
def test_other_annotations_and_the_status_change(cluster: Kubectl, pod: str, way: tuple[str, ...]) -> None:
    change = {"metadata": {"annotations": {"example.com/gpu": "x"}}, "status": {"message": "x"}}
    assert patch(cluster, pod, change, *way) == ""


@pytest.mark.parametrize(
    ("pod", "held"), [("bound", True), ("bound-sharing", True), ("bound-network", False), ("pending", False)]
)
def test_what_holds_devices_is_told_as_what_asks_for_them(cluster: Kubectl, pod: str, held: bool) -> None:
    command = ("delete", "pod", pod, "-n", NAME, "--dry-run=server", "--force", "--grace-period=0")
    done = cluster(*command, "--as=remover", check=False)
    assert (done.returncode != 0, "would free accelerators" in done.stderr) == (held, held)


def test_an_accelerator_pod_is_resized_without_waiting_for_us(cluster: Kubectl) -> None:
    change = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}}
    flags = ("--subresource=resize", "--type=strategic", "--dry-run=server", "--patch", json.dumps(change))
    done = cluster("patch", "pod", "pending", "-n", NAME, *flags, check=False)
    assert done.stderr == ""


def bind(cluster: Kubectl, pod: str, namespace: str, annotations: dict[str, str], resource: str) -> str:
    """Bind a pod by either resource that can; return what the API server says against it."""
    path = f"/api/v1/namespaces/{namespace}/{'bindings' if resource == 'bindings' else f'pods/{pod}/binding'}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod, "annotations": annotations},
        "target": {"kind": "Node", "name": "n"},
    }
    return cluster("create", "--raw", path, "-f", "-", stdin=json.dumps(manifest), check=False).stderr


@pytest.mark.parametrize("resource", ["bindings", "pods/binding"])
def test_a_binding_writes_annotations_and_may_write_none_that_give_devices(cluster: Kubectl, resource: str) -> None:
    name = f"bound-by-{resource.replace('/', '-')}"
    for namespace in (NAME, "default"):
        spec = {"containers": [{"name": "c", "image": "i"}]}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        cluster("create", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    given = {"cdi.k8s.io/x": "nvidia.com/gpu=all"}
    assert bind(cluster, name, "default", given, resource) == ""
    stored = json.loads(cluster("get", "pod", name, "-n", "default", "-o", "json").stdout)
    assert stored["metadata"]["annotations"].items() >= given.items()
    assert "a binding cannot give a pod annotations that open devices" in bind(cluster, name, NAME, given, resource)
    assert bind(cluster, name, NAME, {"example.com/x": "y"}, resource) == ""


def test_a_namespace_that_is_not_enforced_is_left_alone(cluster: Kubectl) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pending"}}
    spec = {"containers": [{"name": "c", "image": "i", **GPU}]}
    cluster("create", "-n", "default", "-f", "-", stdin=json.dumps(manifest | {"spec": spec}))
    change = {"metadata": {"annotations": {"gpu-fraction": "0.5"}}}
    flags = ("-n", "default", "--type=merge", "--dry-run=server", "--patch", json.dumps(change))
    assert cluster("patch", "pod", "pending", *flags).returncode == 0
    cluster("delete", "pod", "pending", "-n", "default", "--wait=false")
