"""Which pods the API server sends to us: the chart's match conditions, evaluated by a real API server.

The server is down, so a review that is sent is refused with the entry's name; what is created was not sent.
"""

import json
from typing import Any

import msgspec
import pytest

from admission.demand.pod import demand_of
from admission.review.pod import Pod
from tests.chart.conftest import ENFORCED
from tests.demand.cluster import inventory
from tools.kubectl import Kubectl

SENT = 'failed calling webhook "enforced.computegate.io"'
NODE = ("--as=system:node:n", "--as-group=system:nodes")


def pod(container: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    annotations = fields.pop("annotations", {})
    spec = {"containers": [{"name": "main", "image": "i", **(container or {})}], **fields}
    metadata = {"name": "pod", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def was_sent(kubectl: Kubectl, manifest: dict[str, Any], *flags: str, namespace: str = ENFORCED) -> bool:
    command = ("create", "--dry-run=server", "-n", namespace, "-f", "-", *flags)
    done = kubectl(*command, stdin=json.dumps(manifest), check=False)
    assert done.returncode == 0 or SENT in done.stderr, done.stderr
    return done.returncode != 0


def limits(**names: str) -> dict[str, Any]:
    return {"resources": {"limits": names}}


def env(value: str) -> dict[str, Any]:
    return {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": value}]}


def extra(**fields: Any) -> dict[str, Any]:
    return {"name": "extra", "image": "i", **fields}


def capability(name: str) -> dict[str, Any]:
    return {"securityContext": {"capabilities": {"add": [name]}}}


GPU = limits(**{"nvidia.com/gpu": "1"})
DEVICES_AT = "/var//run/x/../nvidia-container-devices/all"
FROM_FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
HOST_PROCESS = {"windowsOptions": {"hostProcess": True}}
CERTIFICATES = {"name": "certificates", "hostPath": {"path": "/etc/ssl/certs"}}
LOCALTIME = {"name": "localtime", "hostPath": {"path": "/etc/localtime"}}
MOUNT = {"volumeMounts": [{"name": "certificates", "mountPath": "/certificates"}]}
READ_ONLY = {"volumeMounts": [{**mount, "readOnly": True} for mount in MOUNT["volumeMounts"]]}
PLAIN = {
    "resources": {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}},
    "env": [{"name": "VISIBLE_DEVICES_NOTE", "value": "all"}],
    "securityContext": {"privileged": False, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}},
}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pod(GPU), id="limit"),
        pytest.param(pod(limits(**{"example.com/rdma": "1"})), id="other vendor"),
        pytest.param(pod(limits(**{"deviceclass.resource.kubernetes.io/h100": "1"})), id="device class by name"),
        pytest.param(pod(initContainers=[extra(**GPU)]), id="init container"),
        pytest.param(pod(initContainers=[extra(restartPolicy="Always", **GPU)]), id="sidecar"),
        pytest.param(pod(resourceClaims=[{"name": "c", "resourceClaimName": "c"}]), id="claim"),
        pytest.param(pod(hostPID=True), id="processes of the node"),
        pytest.param(pod({"securityContext": HOST_PROCESS}, hostNetwork=True), id="Windows host process"),
        pytest.param(pod(securityContext=HOST_PROCESS, hostNetwork=True), id="Windows host process of the pod"),
        pytest.param(pod(volumes=[{"name": "v", "hostPath": {"path": "/dev"}}]), id="hostPath"),
        pytest.param(pod(volumes=[{"name": "v", "hostPath": {"path": "/etc/sslx"}}]), id="hostPath with a like name"),
        pytest.param(pod(MOUNT, volumes=[CERTIFICATES]), id="hostPath written to"),
        pytest.param(pod({"securityContext": {"privileged": True}}), id="privileged"),
        pytest.param(pod(capability("SYS_ADMIN")), id="SYS_ADMIN"),
        pytest.param(pod(capability("CAP_SYS_ADMIN")), id="CAP_SYS_ADMIN"),
        pytest.param(pod(capability("all")), id="all capabilities"),
        pytest.param(pod(capability("\u017fys_admin")), id="a letter that becomes an S"),
        pytest.param(pod(env("all")), id="variable"),
        pytest.param(
            pod({"env": [{"name": "HABANA_VISIBLE_DEVICES", "valueFrom": FROM_FIELD}]}), id="variable from elsewhere"
        ),
        pytest.param(pod({"env": [{"name": "HABANA_VISIBLE_MODULES", "value": "0"}]}), id="modules"),
        pytest.param(pod(initContainers=[extra(**env("0"))]), id="variable of an init container"),
        pytest.param(
            pod({"volumeMounts": [{"name": "v", "mountPath": DEVICES_AT}]}, volumes=[{"name": "v", "emptyDir": {}}]),
            id="device list by mount",
        ),
        *(
            pytest.param(pod(annotations={key: "x"}), id=key)
            for key in (
                "cdi.k8s.io/x",
                "nvidia.cdi.k8s.io/pod",
                "devices.gke.io/container.main",
                "devices.nri.io",
                "mounts.noderesource.dev/pod",
                "dev.gvisor.internal.nvproxy",
                "cdi-devices.nri.io/container.main",
                "io.kubernetes.cri-o.Devices",
                "gpu-fraction",
                "gpu-memory",
            )
        ),
    ],
)
def test_a_pod_that_can_reach_a_device_is_sent(installed: Kubectl, manifest: dict[str, Any]) -> None:
    assert was_sent(installed, manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pod(), id="least"),
        pytest.param(pod(PLAIN, initContainers=[extra(**PLAIN)], annotations={"example.com/gpu": "x"}), id="ordinary"),
        pytest.param(pod(env("void")), id="devices refused"),
        pytest.param(pod(env("none")), id="no devices"),
        pytest.param(pod(limits(**{"rdma/hca": "1", "nvidia.com/rdma_x": "1"})), id="other than accelerators"),
        pytest.param(pod(limits(**{"kubernetes.io/x": "1"})), id="native name"),
        pytest.param(pod({"env": [{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}]}), id="own devices narrowed"),
        pytest.param(pod(nodeName="n", hostNetwork=True, hostIPC=True), id="node chosen at creation"),
        pytest.param(pod(READ_ONLY, volumes=[CERTIFICATES, LOCALTIME]), id="harmless paths of the node"),
        pytest.param(pod(limits(**{"hugepages-2Mi": "2Mi", "memory": "1Gi", "cpu": "1"})), id="huge pages"),
        pytest.param(
            pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]), id="volumes"
        ),
    ],
)
def test_a_pod_that_is_not_sent_has_no_demand(installed: Kubectl, manifest: dict[str, Any]) -> None:
    assert not was_sent(installed, manifest)
    seen = msgspec.convert(manifest, Pod)
    assert demand_of(seen, inventory()).is_empty


def test_a_runtime_class_is_sent(installed: Kubectl) -> None:
    runtime = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "device-runtime"},
        "handler": "nvidia",
    }
    installed("create", "-f", "-", stdin=json.dumps(runtime))
    assert was_sent(installed, pod(runtimeClassName="device-runtime"))


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_an_accelerator_pod_elsewhere_does_not_wait_for_us(installed: Kubectl, namespace: str) -> None:
    installed("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=30s")
    assert not was_sent(installed, pod(GPU), namespace=namespace)


def test_only_the_kubelet_may_mirror_a_static_pod_unseen(installed: Kubectl) -> None:
    mirror = pod(GPU, nodeName="n", annotations={"kubernetes.io/config.mirror": "x"})
    assert not was_sent(installed, mirror, *NODE)
    assert was_sent(installed, mirror)
    assert was_sent(installed, pod(GPU, nodeName="n"), *NODE)


@pytest.mark.parametrize(("first", "sent"), [({}, False), (GPU, True)], ids=["cpu", "gpu"])
def test_a_large_pod_stays_within_the_cost_budget(installed: Kubectl, first: dict[str, Any], sent: bool) -> None:
    variables = [{"name": f"SOME_RATHER_LONG_VARIABLE_NAME_{n}", "value": "value"} for n in range(100)]
    containers = [{"name": f"c{n}", "image": "i", "env": variables} for n in range(60)]
    manifest = pod(first, annotations={f"example.com/{n}": "x" * 40 for n in range(1000)})
    manifest["spec"]["containers"] += containers
    assert was_sent(installed, manifest) is sent


def test_an_ephemeral_container_is_sent_when_it_reaches_for_a_device(installed: Kubectl) -> None:
    path = f"/api/v1/namespaces/{ENFORCED}/pods/bound"
    manifest = pod()
    manifest["metadata"]["name"] = "bound"
    installed("create", "-n", ENFORCED, "-f", "-", stdin=json.dumps(manifest))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "bound"},
        "target": {"kind": "Node", "name": "n"},
    }
    installed("create", "--raw", f"{path}/binding", "-f", "-", stdin=json.dumps(binding))
    stored = json.loads(installed("get", "--raw", path).stdout)

    def debug(**fields: Any) -> str:
        stored["spec"]["ephemeralContainers"] = [
            extra(terminationMessagePolicy="File", imagePullPolicy="Always", **fields)
        ]
        command = ("replace", "--raw", f"{path}/ephemeralcontainers?dryRun=All", "-f", "-")
        return installed(*command, stdin=json.dumps(stored), check=False).stderr

    assert debug() == ""
    assert SENT in debug(**env("all"))
    assert SENT in debug(securityContext={"privileged": True})
