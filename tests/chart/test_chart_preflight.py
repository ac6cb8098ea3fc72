"""`computegate preflight` against a real API server: what it finds before anything is enforced, and its exit codes."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from admission.cli.main import main
from tests.chart.rendering import NAMESPACE, RELEASE, Chart
from tools.kubectl import Kubectl

AGENT = "registry.example.com/agent@sha256:" + "0" * 64
PLAIN: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}
PRIVILEGED = {"containers": [{"name": "c", "image": AGENT, "securityContext": {"privileged": True}}]}
PATHS = {**PLAIN, "volumes": [{"name": "dev", "hostPath": {"path": "/dev"}}]}
GPU = {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}


def pod(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def workload(kind: str, name: str, spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    made = {"selector": {"matchLabels": {"app": name}}, "template": template, **fields}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": made}


def node(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


class Cluster:
    """The installation, and preflight asked about it."""

    def __init__(self, kubectl: Kubectl, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.kubectl, self.kubeconfig, self._capsys = kubectl, kubeconfig, capsys

    def namespace(self) -> str:
        name = f"flight-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", name)
        self.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
        return name

    def create(self, namespace: str, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(listed))

    def await_pods(self, namespace: str, what: str, figure: str, number: int) -> None:
        waited = f"--for=jsonpath={{.status.{figure}}}={number}"
        self.kubectl("wait", waited, what, "-n", namespace, "--timeout=50s")

    def ask(self, *flags: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["preflight", "--kubeconfig", str(self.kubeconfig), *flags])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def found(self, *flags: str) -> dict[str, Any]:
        return dict(json.loads(self.ask("-o", "json", *flags)[1]))


@pytest.fixture
def cluster(installed: Kubectl, capsys: pytest.CaptureFixture[str]) -> Cluster:
    return Cluster(installed, installed.plane.kubeconfig, capsys)


def test_it_tells_what_is_installed(cluster: Cluster, chart: Chart) -> None:
    features = cluster.found("-n", NAMESPACE)["features"]
    rendered = chart.render()
    guards = sorted(name for kind, name in rendered if kind == "ValidatingAdmissionPolicy")
    webhook = rendered["ValidatingWebhookConfiguration", RELEASE]["webhooks"][0]
    assert features == {
        "version": features["version"],
        "supported": True,
        "webhook": RELEASE,
        "problems": [],
        "exemptNamespaces": webhook["namespaceSelector"]["matchExpressions"][0]["values"],
        "guards": guards,
        "mutatingPolicies": "v1",
        "runtimeClasses": features["runtimeClasses"],
    }


def test_what_is_installed_and_does_not_do_its_work_is_a_break(cluster: Cluster) -> None:
    name = f"{RELEASE}-node-labels"
    binding = json.loads(cluster.kubectl("get", "validatingadmissionpolicybinding", name, "-o", "json").stdout)
    binding["metadata"] = {key: binding["metadata"][key] for key in ("name", "labels")}
    cluster.kubectl("delete", "validatingadmissionpolicybinding", name)
    code, table, _ = cluster.ask("-n", NAMESPACE)
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(binding))
    assert (code, f"policy {name} is not bound to deny" in table) == (1, True)
    assert cluster.ask("-n", NAMESPACE)[0] == 0


def test_runtime_classes_that_may_hand_out_devices_are_named(cluster: Cluster) -> None:
    made = {"flight-nvidia": "nvidia", "youki": "runc", "kata-fc": "nvidia-runsc"}
    for name, handler in made.items():
        runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}}
        cluster.kubectl("create", "-f", "-", stdin=json.dumps({**runtime, "handler": handler}))
    named = cluster.found("-n", NAMESPACE)["features"]["runtimeClasses"]
    assert sorted(made.keys() & set(named)) == ["flight-nvidia", "kata-fc"]
    cluster.kubectl("delete", "runtimeclasses", *made)


def test_pods_that_would_be_denied_are_counted_by_controller(cluster: Cluster) -> None:
    where = cluster.namespace()
    many = [pod(f"plain-{number}", PLAIN) for number in range(110)]
    cluster.create(where, *many, pod("alone", PATHS), workload("Deployment", "web", PRIVILEGED, replicas=2))
    cluster.await_pods(where, "deployment/web", "replicas", 2)
    code, table, _ = cluster.ask("-n", where)
    found = cluster.found("-n", where)["survey"]
    assert (code, found["pods"]) == (1, 113), "more than one page of a list"
    field = "spec.containers[c].securityContext.privileged"
    expected = [
        ("Deployment", "web", ["privileged"], [field], 2),
        ("Pod", "alone", ["hostPath"], ["spec.volumes[dev].hostPath (/dev)"], 1),
    ]
    assert [
        tuple(each[key] for key in ("kind", "name", "ways", "fields", "pods")) for each in found["denied"]
    ] == expected
    assert f"{where}  Deployment/web  pods: 2  privileged" in table
    assert cluster.ask("-n", where, "--exempt", where)[0] == 0


def test_a_daemon_set_of_drivers_is_found_where_it_runs(cluster: Cluster) -> None:
    where = cluster.namespace()
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(node(f"node-of-{where}", pool=where)))
    # Nobody says that the node is ready, so the taint with which it begins stays until it is taken away.
    cluster.kubectl("patch", "node", f"node-of-{where}", "--type=merge", "-p", '{"spec":{"taints":null}}')
    cluster.create(where, workload("DaemonSet", "driver", {**PRIVILEGED, "nodeSelector": {"pool": where}}))
    cluster.await_pods(where, "daemonset/driver", "currentNumberScheduled", 1)
    (denied,) = cluster.found("-n", where)["survey"]["denied"]
    assert (denied["kind"], denied["name"], denied["pods"]) == ("DaemonSet", "driver", 1)


def test_an_approved_exemption_is_counted_in(cluster: Cluster) -> None:
    where = cluster.namespace()
    cluster.create(where, pod("agent", PRIVILEGED))
    assert cluster.ask("-n", where)[0] == 1
    spec = {"namespace": where, "images": [AGENT], "ways": ["privileged"], "reason": "r", "requestedBy": "admin"}
    until = cluster.kubectl("get", "pod", "agent", "-n", where, "-o", "jsonpath={.metadata.creationTimestamp}").stdout
    spec["validUntil"] = f"{int(until[:4]) + 1}-01-01T00:00:00Z"
    made = {"apiVersion": "computegate.io/v1alpha1", "kind": "Exemption", "metadata": {"name": where}, "spec": spec}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(made))
    approval = json.dumps({"status": {"approval": {"by": "second", "at": "2026-01-01T00:00:00Z"}}})
    assert cluster.ask("-n", where)[0] == 1, "nobody has approved it"
    patch = ("patch", "exemption", where, "--subresource=status", "--type=merge", "-p", approval)
    cluster.kubectl(*patch, user="second", groups=["system:masters"])
    code, table, _ = cluster.ask("-n", where)
    assert code == 0, table
    assert table.rstrip().endswith("nothing would break")


def test_a_device_runtime_is_no_way_around_for_who_asks_by_a_claim(cluster: Cluster) -> None:
    where = cluster.namespace()
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": where}, "handler": "nvidia"}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(runtime))
    requests = [{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]
    claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"}}
    cluster.create(where, claim | {"spec": {"devices": {"requests": requests}}})
    cluster.create(where, pod("unasked", {**PLAIN, "runtimeClassName": where}))
    asking = {**PLAIN, "runtimeClassName": where, "resourceClaims": [{"name": "g", "resourceClaimName": "c"}]}
    cluster.create(where, pod("asking", asking))
    found = cluster.found("-n", where)["survey"]
    assert [(each["name"], each["ways"]) for each in found["denied"]] == [("unasked", ["runtimeClass"])]
    assert found["unowned"] == [{"namespace": where, "pods": 1}]
    cluster.kubectl("delete", "runtimeclass", where)


def test_accelerators_of_nobody_and_nodes_that_nobody_declares_are_named(cluster: Cluster) -> None:
    where = cluster.namespace()
    known = node(f"known-{where}", **{"nvidia.com/gpu.product": "Tesla-T4"})
    for each in (known, node(f"mystery-{where}")):
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(each))
        name, status = each["metadata"]["name"], {"status": {"allocatable": {"example.com/chip": "1"}}}
        cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    cluster.create(where, pod("gpu", GPU))
    found = cluster.found("-n", where)["survey"]
    assert found["unowned"] == [{"namespace": where, "pods": 1}]
    named = {each["name"]: each["acceleratorClass"] for each in found["nodes"]}
    assert (named[f"known-{where}"], named[f"mystery-{where}"]) == ("t4", "")
    for each in named:
        cluster.kubectl("delete", "node", each)


def test_a_cluster_that_cannot_be_asked_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubeconfig = cluster.kubectl.plane.kubeconfig_for("nobody-at-all")
    code, _, words = cluster.ask()
    assert (code, "Forbidden" in words, len(words.splitlines())) == (2, True, 1)
    cluster.kubeconfig = tmp_path / "missing"
    code, _, words = cluster.ask()
    assert (code, "no such file" in words) == (2, True)
