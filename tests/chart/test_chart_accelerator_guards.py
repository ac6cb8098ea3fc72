"""Guards around the devices themselves: admin access of claims, labels of nodes, and entering a tenant's pods."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.conftest import ENFORCED, NOWHERE
from tests.chart.rendering import RELEASE, Chart
from tests.chart.test_chart_guards import NAMESPACES, WAYS
from tests.chart.users import Grant, granted
from tools.kubectl import Kubectl

OURS, DRA = "computegate.io", "resource.k8s.io"
WRITES = ["get", "create", "update", "patch", "delete"]
NODES = ["nodes", "nodes/status"]
CLAIMS = ["resourceclaims", "resourceclaimtemplates", "resourceclaims/status"]
ENTRIES = ["pods", "pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers"]
GRANTS: list[Grant] = [
    ("tina", "", NAMESPACES, [], WRITES),
    ("tina", "", NODES, [], WRITES),
    ("tina", DRA, CLAIMS, [], WRITES),
    ("tina", "", ENTRIES, [], [*WRITES, "connect"]),
    ("admin-of-devices", "", NAMESPACES, [], [*WRITES, "admin-access"]),
    ("admin-of-devices", DRA, CLAIMS, [], WRITES),
    ("labeller", "", NODES, [], WRITES),
    ("labeller", OURS, ["nodes"], [], ["label"]),
    ("member", "", ENTRIES, [], [*WRITES, "connect"]),
    ("member", OURS, ["tenants"], ["acme"], ["use"]),
]
KUBELET = ("--as=system:node:n1", "--as-group=system:nodes")
SENT = 'failed calling webhook "enforced.computegate.io"'
"""What passed every guard is sent to the webhook, whose server is down here."""

CONTROLLER = "system:serviceaccount:kube-system:resource-claim-controller"


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with users who hold one verb each beside the writing of everything, and a node n1."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    installed("create", "-f", "-", stdin=f"{granted(GRANTS)}\n---\n{json.dumps(node)}")
    return installed


def replace(cluster: Kubectl, path: str, way: str, user: tuple[str, ...], **metadata: Any) -> str:
    """Write metadata and taints of an object by one of its paths; return what the API server said against it."""
    stored = json.loads(cluster("get", "--raw", path).stdout)
    taints = metadata.pop("taints", None)
    if taints is not None:
        stored["spec"]["taints"] = taints
    stored["metadata"]["labels"] = {**stored["metadata"].get("labels", {}), **metadata}
    stored["metadata"]["labels"] = {
        key: value for key, value in stored["metadata"]["labels"].items() if value is not None
    }
    return cluster("replace", "--raw", path + way, "-f", "-", *user, stdin=json.dumps(stored), check=False).stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("label", ["resource.kubernetes.io/admin-access", "resource.k8s.io/admin-access"])
def test_opening_admin_access_needs_a_verb_by_every_path(cluster: Kubectl, label: str, way: str) -> None:
    name = f"own-{uuid.uuid4().hex[:8]}"
    cluster("create", "namespace", name)
    path, words = f"/api/v1/namespaces/{name}", "needs the verb admin-access on namespaces"
    assert words in replace(cluster, path, way, ("--as=tina",), **{label: "true"})
    assert replace(cluster, path, way, ("--as=admin-of-devices",), **{label: "true"}) == ""
    assert words in replace(cluster, path, way, ("--as=tina",), **{label: None})
    assert replace(cluster, path, way, ("--as=tina",), note="x") == ""
    new = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{name}-2", "labels": {label: "true"}}}
    create = ("create", "--dry-run=server", "-f", "-")
    assert words in cluster(*create, "--as=tina", stdin=json.dumps(new), check=False).stderr


def claim(kind: str, **exactly: Any) -> str:
    devices = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", **exactly}}]}}
    spec = {"spec": devices} if kind == "ResourceClaimTemplate" else devices
    return json.dumps({"apiVersion": f"{DRA}/v1", "kind": kind, "metadata": {"name": "c"}, "spec": spec})


@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
def test_a_claim_for_admin_access_needs_the_verb_where_a_namespace_is_enforced(cluster: Kubectl, kind: str) -> None:
    cluster("label", "namespace", ENFORCED, "resource.kubernetes.io/admin-access=true", "--overwrite")
    create = ("create", "--dry-run=server", "-f", "-", "-n", ENFORCED)
    asked = claim(kind, adminAccess=True)
    words = f"so it needs the verb admin-access on namespaces {ENFORCED}; remove it"

    def said(user: str, manifest: str) -> str:
        return cluster(*create, f"--as={user}", stdin=manifest, check=False).stderr

    assert words in said("tina", asked)
    for user, manifest in (
        ("admin-of-devices", asked),
        ("tina", claim(kind, adminAccess=False)),
        ("tina", claim(kind)),
    ):
        assert said(user, manifest) == "" or SENT in said(user, manifest)


def test_the_controller_makes_claims_of_a_template_that_was_judged(cluster: Kubectl) -> None:
    cluster("label", "namespace", ENFORCED, "resource.kubernetes.io/admin-access=true", "--overwrite")
    create = ("create", "--dry-run=server", "-f", "-", "-n", ENFORCED, f"--as={CONTROLLER}")
    assert SENT in cluster(*create, stdin=claim("ResourceClaim", adminAccess=True), check=False).stderr


def test_the_api_server_lets_nobody_allocate_by_the_right_to_write_a_claims_status(cluster: Kubectl) -> None:
    name = f"c-{uuid.uuid4().hex[:8]}"
    made = json.loads(claim("ResourceClaim")) | {"metadata": {"name": name}}
    cluster("create", "-f", "-", "-n", "default", stdin=json.dumps(made))
    given = {"allocation": {"devices": {"results": [{"request": "r", "driver": "d.io", "pool": "p", "device": "g"}]}}}
    shared = {"reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]}
    patch = ("patch", "resourceclaim", name, "-n", "default", "--subresource=status", "--type=merge", "-p")
    for status in (given, shared):
        change = json.dumps({"status": status})
        words = 'requires resource="resourceclaims/binding"'
        assert words in cluster(*patch, change, "--as=tina", check=False).stderr
        cluster(*patch, change)


@pytest.mark.parametrize("way", ["", "/status"])
def test_labels_of_ours_on_a_node_need_a_verb_that_no_kubelet_holds(cluster: Kubectl, way: str) -> None:
    path, key = "/api/v1/nodes/n1", "computegate.io/class"
    words = "so changing them needs the verb label on nodes.computegate.io"
    for user in (("--as=tina",), KUBELET):
        assert words in replace(cluster, path, way, user, **{key: "t4"})
        assert replace(cluster, path, way, user, note=uuid.uuid4().hex) == ""
    assert replace(cluster, path, way, ("--as=labeller",), **{key: "h100-sxm"}) == ""
    for user in (("--as=tina",), KUBELET):
        assert words in replace(cluster, path, way, user, **{key: None})
        assert words in replace(cluster, path, way, user, **{key: "t4"})
    assert replace(cluster, path, way, ("--as=labeller",), **{key: None}) == ""


def test_taints_of_ours_on_a_node_need_the_verb_too(cluster: Kubectl) -> None:
    path, ours = "/api/v1/nodes/n1", {"key": "computegate.io/new", "effect": "NoSchedule"}
    others = [{"key": "other", "effect": "NoSchedule"}]
    assert "needs the verb label" in replace(cluster, path, "", ("--as=tina",), taints=[ours])
    assert replace(cluster, path, "", ("--as=labeller",), taints=[ours]) == ""
    assert replace(cluster, path, "", ("--as=tina",), taints=[*others, ours]) == ""
    assert "needs the verb label" in replace(cluster, path, "", ("--as=tina",), taints=others)


def test_a_kubelet_registers_its_node_without_labels_of_ours(cluster: Kubectl) -> None:
    labels = {"computegate.io/class": "t4"}
    for named, words in (({}, ""), (labels, "needs the verb label on nodes.computegate.io")):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2", "labels": named}}
        as_n2 = ("--as=system:node:n2", "--as-group=system:nodes")
        done = cluster("create", "--dry-run=server", "-f", "-", *as_n2, stdin=json.dumps(node), check=False)
        assert words in done.stderr
        assert (done.returncode == 0) is (not words)


@pytest.fixture(scope="module")
def entered(cluster: Kubectl, chart: Chart) -> Iterator[str]:
    """A pod of acme in a namespace that is enforced, with guards.exec; its node has no kubelet."""
    flags = (f"--set=webhook.url={NOWHERE}", "--set-literal=tls.caBundle=-----BEGIN CERTIFICATE-----")
    rendered = chart.render(*flags, "--set=guards.exec=true")
    guard = "\n---\n".join(json.dumps(each) for (_, name), each in rendered.items() if name == f"{RELEASE}-exec")
    name = f"entered-{uuid.uuid4().hex[:8]}"
    cluster("create", "namespace", name)
    cluster("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}
    cluster("create", "-n", name, "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Pod", **pod}))
    cluster("label", "namespace", name, "computegate.io/tenant=acme", "computegate.io/mode=enforce")
    cluster("create", "-f", "-", stdin=guard)
    for _ in range(60):
        if "needs the verb use" in enter(cluster, name, "exec", "tina"):
            break
    yield name
    cluster("delete", "-f", "-", stdin=guard)


def enter(cluster: Kubectl, namespace: str, way: str, user: str) -> str:
    """Enter the pod by one of the ways; return what the API server says, which finds no kubelet behind it."""
    path = f"/api/v1/namespaces/{namespace}/pods/p/{way}"
    if way == "ephemeralcontainers":
        stored = json.loads(cluster("get", "pod", "p", "-n", namespace, "-o", "json").stdout)
        stored["spec"]["ephemeralContainers"] = [{"name": "d", "image": "i"}]
        command = ("replace", "--raw", f"{path}?dryRun=All", "-f", "-", f"--as={user}")
        return cluster(*command, stdin=json.dumps(stored), check=False).stderr
    query = {"exec": "?command=id&stdout=true", "attach": "?stdout=true", "portforward": "?ports=80"}.get(way, "")
    return cluster("create", "--raw", path + query, "-f", "-", f"--as={user}", stdin="{}", check=False).stderr


@pytest.mark.parametrize("way", ["exec", "attach", "portforward", "proxy", "ephemeralcontainers"])
def test_entering_a_tenants_pod_needs_the_use_of_the_tenant(cluster: Kubectl, entered: str, way: str) -> None:
    words = "needs the verb use on tenants.computegate.io acme"
    assert words in enter(cluster, entered, way, "tina")
    assert "needs the verb" not in enter(cluster, entered, way, "member")


def test_pods_of_no_tenant_are_entered_as_ever(cluster: Kubectl, entered: str) -> None:
    cluster("label", "namespace", entered, "computegate.io/tenant-")
    assert "needs the verb" not in enter(cluster, entered, "exec", "tina")
    cluster("label", "namespace", entered, "computegate.io/tenant=acme")
