"""The in-tree guards on a real API server, with our server down: who may change labels, ledgers, clearances, pods."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.conftest import ENFORCED
from tests.chart.rendering import NAMESPACE, RELEASE
from tests.chart.users import Grant, granted
from tools.kubectl import Kubectl

SERVER = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
WAYS = ["", "/status", "/finalize"]
"""Every path by which the labels of a namespace can be written."""

NAMESPACES = ["namespaces", "namespaces/status", "namespaces/finalize"]
OURS = "computegate.io"
WRITES = ["get", "create", "update", "patch", "delete", "deletecollection"]
GRANTS: list[Grant] = [
    ("nobody", "", NAMESPACES, [], ["*"]),
    ("nobody", OURS, ["quotaledgers", "quotaledgers/status", "usagejournals", "tenants/status"], [], WRITES),
    ("nobody", OURS, ["computegates", "computegates/status"], [], WRITES),
    ("nobody", OURS, ["tenants"], [], ["get", "update", "patch"]),
    ("nobody", "", ["pods", "pods/eviction"], [], ["create", "get", "delete", "deletecollection"]),
    ("deleters", "", ["pods"], [], ["get", "delete"]),
    ("binder", "", NAMESPACES, [], ["get", "create", "update", "patch"]),
    ("binder", OURS, ["tenants"], ["acme", "beta"], ["bind"]),
    ("releaser", "", ["pods", "pods/eviction"], [], ["create", "get", "delete", "deletecollection"]),
    ("releaser", OURS, ["tenants"], ["acme"], ["release"]),
    ("moder", "", NAMESPACES, [], ["get", "create", "update", "patch"]),
    ("moder", OURS, ["modes"], ["observe", "warn"], ["use"]),
]


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with users who hold one verb each, and with Tenants acme and beta."""
    tenants = [
        {
            "apiVersion": "computegate.io/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": name},
            "spec": {"legalName": name, "kind": "Company"},
        }
        for name in ("acme", "beta")
    ]
    manifests = [granted(GRANTS), *map(json.dumps, tenants)]
    installed("create", "-f", "-", stdin="\n---\n".join(manifests))
    return installed


@pytest.fixture
def own(cluster: Kubectl) -> Iterator[str]:
    """A namespace without labels of ours."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    cluster("create", "namespace", name)
    yield name
    cluster("delete", "namespace", name, "--wait=false")


def relabel(cluster: Kubectl, name: str, labels: dict[str, str | None], user: str, way: str = "") -> str:
    """Write labels (None removes one) by one of the paths; return what the API server said against it."""
    path = f"/api/v1/namespaces/{name}"
    stored = json.loads(cluster("get", "--raw", path).stdout)
    merged = stored["metadata"]["labels"] | {f"computegate.io/{key}": value for key, value in labels.items()}
    stored["metadata"]["labels"] = {key: value for key, value in merged.items() if value is not None}
    command = ("replace", "--raw", path + way, "-f", "-", f"--as={user}")
    return cluster(*command, stdin=json.dumps(stored), check=False).stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("label", ["tenant", "end-customer"])
def test_relabelling_a_namespace_needs_bind_by_every_path(cluster: Kubectl, own: str, label: str, way: str) -> None:
    words = (
        "needs the verb bind on each of these tenants.computegate.io; "
        "ask the cluster's operator for it (access@example.com)"
    )
    assert words in relabel(cluster, own, {label: "acme"}, "nobody", way)
    assert relabel(cluster, own, {label: "acme"}, "binder", way) == ""
    assert words in relabel(cluster, own, {label: None}, "nobody", way)
    assert relabel(cluster, own, {"note": "x"}, "nobody", way) == "", "another label is not ours to guard"
    assert words in relabel(cluster, own, {label: "gamma"}, "binder", way), "bind on the old one alone is not enough"
    assert relabel(cluster, own, {label: None}, "binder", way) == ""


def test_only_the_server_says_where_a_tenant_is_charged_and_lets_go_of_it(cluster: Kubectl) -> None:
    record = {"chargedTo": [{"party": "beta", "jurisdictions": ["DE"]}], "namespaces": [{"name": "a", "parties": []}]}
    for field, value in record.items():
        written = {"status": {field: value}}
        assert f"status.{field} of tenants.computegate.io is written by computegate alone" in patched(
            cluster, written, "nobody", "--subresource=status"
        )
        assert patched(cluster, written, SERVER, "--subresource=status") == ""
    kept, free = ({"metadata": {"finalizers": each}} for each in (["computegate.io/charged"], None))
    assert "writes of a Tenant only its finalizer" in patched(cluster, {"spec": {"headquarters": "DE"}}, SERVER)
    assert "writes of a Tenant only its finalizer" in patched(cluster, {"metadata": {"labels": {"a": "b"}}}, SERVER)
    assert patched(cluster, kept, SERVER) == ""
    assert "finalizer computegate.io/charged leaves by itself" in patched(cluster, free, "nobody")
    assert patched(cluster, {"metadata": {"labels": {"a": "b"}}}, "nobody") == ""
    assert patched(cluster, free, SERVER) == ""


def patched(cluster: Kubectl, patch: dict[str, Any], user: str, *flags: str) -> str:
    """Patch Tenant beta; return what the API server said against it."""
    command = ("patch", "tenants.computegate.io", "beta", "--type=merge", "-p", json.dumps(patch), f"--as={user}")
    return cluster(*command, *flags, check=False).stderr


def test_a_namespace_cannot_be_created_into_a_tenant_without_bind(cluster: Kubectl) -> None:
    name = f"new-{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "labels": {"computegate.io/tenant": "acme"}}
    manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    create = ("create", "--dry-run=server", "-f", "-")
    assert "needs the verb bind" in cluster(*create, "--as=nobody", stdin=manifest, check=False).stderr
    assert cluster(*create, "--as=binder", stdin=manifest).returncode == 0
    del metadata["labels"]
    bare = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    assert cluster(*create, "--as=nobody", stdin=bare).returncode == 0


def test_a_namespace_never_moves_from_tenant_to_tenant_in_one_step(cluster: Kubectl, own: str) -> None:
    assert relabel(cluster, own, {"tenant": "acme"}, "binder") == ""
    assert "cannot go from tenant 'acme' to 'beta' in one step" in relabel(cluster, own, {"tenant": "beta"}, "binder")
    assert relabel(cluster, own, {"tenant": None}, "binder") == ""
    assert relabel(cluster, own, {"tenant": "beta"}, "binder") == ""


@pytest.mark.parametrize("way", WAYS)
def test_the_mode_of_a_namespace_needs_use_of_the_old_and_the_new_one(cluster: Kubectl, own: str, way: str) -> None:
    words = "(label computegate.io/mode) needs the verb use on both of these modes.computegate.io"
    assert words in relabel(cluster, own, {"mode": "warn"}, "nobody", way)
    assert relabel(cluster, own, {"mode": "observe"}, "nobody", way) == "", "the default mode's name changes nothing"
    assert relabel(cluster, own, {"mode": "warn"}, "moder", way) == ""
    assert words in relabel(cluster, own, {"mode": "enforce"}, "moder", way)
    assert words in relabel(cluster, own, {"mode": None}, "nobody", way)
    assert "set it to observe, warn or enforce" in relabel(cluster, own, {"mode": "off"}, "moder", way)
    assert relabel(cluster, own, {"mode": None}, "moder", way) == ""


def test_a_namespace_of_an_excluded_name_needs_the_verb_exempt(cluster: Kubectl) -> None:
    create = ("create", "namespace", "gpu-operator", "--dry-run=server")
    assert "needs the verb exempt on namespaces" in cluster(*create, "--as=binder", check=False).stderr
    assert cluster(*create).returncode == 0
    generated = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "gpu-operator-"}}
    made = cluster("create", "--dry-run=server", "-f", "-", "--as=binder", stdin=json.dumps(generated))
    assert made.returncode == 0, "the guard sees the name that was generated"


LEDGER = {
    "apiVersion": "computegate.io/v1alpha1",
    "kind": "QuotaLedger",
    "metadata": {"name": "de"},
    "spec": {"scope": "DE"},
}


def test_ledgers_are_written_by_the_server_alone(cluster: Kubectl) -> None:
    create = ("create", "-f", "-")
    patch = ("patch", "quotaledger", "de", "--type=merge", "--patch")
    status, spec = '{"status":{"used":"acme,h100:1"}}', '{"spec":{"scope":"FR"}}'
    words = "quotaledgers.computegate.io are written by computegate alone; a repair needs the verb repair on them"
    assert words in cluster(*create, "--as=nobody", stdin=json.dumps(LEDGER), check=False).stderr
    assert cluster(*create, f"--as={SERVER}", stdin=json.dumps(LEDGER)).returncode == 0
    stored = json.loads(cluster("get", "quotaledger", "de", "-o", "json").stdout)
    stored["status"] = {"used": "acme,h100:1"}
    path = "/apis/computegate.io/v1alpha1/quotaledgers/de/status"
    replace = ("replace", "--raw", path, "-f", "-")
    assert cluster(*replace, f"--as={SERVER}", stdin=json.dumps(stored)).returncode == 0
    assert words in cluster(*patch, status, "--subresource=status", "--as=nobody", check=False).stderr
    assert words in cluster(*patch, spec, "--as=nobody", check=False).stderr
    assert words in cluster("delete", "quotaledger", "de", "--as=nobody", check=False).stderr
    everything = ("delete", "--raw", "/apis/computegate.io/v1alpha1/quotaledgers", "--as=nobody")
    assert words in cluster(*everything, check=False).stderr
    assert cluster("delete", "quotaledger", "de").returncode == 0, "an administrator holds repair"


def test_the_journal_of_the_usage_record_is_written_by_the_server_alone(cluster: Kubectl) -> None:
    journal = {"apiVersion": "computegate.io/v1alpha1", "kind": "UsageJournal", "metadata": {"name": "page-0"}}
    create, words = ("create", "-f", "-"), "usagejournals.computegate.io are written by computegate alone"
    assert words in cluster(*create, "--as=nobody", stdin=json.dumps(journal), check=False).stderr
    assert cluster(*create, f"--as={SERVER}", stdin=json.dumps(journal)).returncode == 0
    stored = json.loads(cluster("get", "usagejournal", "page-0", "-o", "json").stdout)
    stored["spec"] = {"intervals": "x"}
    replace = ("replace", "--raw", "/apis/computegate.io/v1alpha1/usagejournals/page-0", "-f", "-")
    assert words in cluster(*replace, "--as=nobody", stdin=json.dumps(stored), check=False).stderr
    assert cluster(*replace, f"--as={SERVER}", stdin=json.dumps(stored)).returncode == 0
    assert words in cluster("delete", "usagejournal", "page-0", "--as=nobody", check=False).stderr
    assert cluster("delete", "usagejournal", "page-0").returncode == 0, "an administrator holds repair"


def test_how_the_installation_is_is_said_by_the_server_alone(cluster: Kubectl) -> None:
    path = f"/apis/computegate.io/v1alpha1/namespaces/{NAMESPACE}/computegates"
    gate: dict[str, Any] = {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": "ComputeGate",
        "metadata": {"name": "computegate", "namespace": NAMESPACE},
    }
    create, words = ("create", "--raw", path, "-f", "-"), "computegates.computegate.io are written by computegate alone"
    assert words in cluster(*create, "--as=nobody", stdin=json.dumps(gate), check=False).stderr
    assert cluster(*create, f"--as={SERVER}", stdin=json.dumps(gate)).returncode == 0
    stored = json.loads(cluster("get", "--raw", f"{path}/computegate").stdout)
    stored["status"] = {"replicas": [{"name": "one"}]}
    replace = ("replace", "--raw", f"{path}/computegate/status", "-f", "-")
    assert words in cluster(*replace, "--as=nobody", stdin=json.dumps(stored), check=False).stderr
    assert cluster(*replace, f"--as={SERVER}", stdin=json.dumps(stored)).returncode == 0
    gone = cluster("delete", "computegate", "computegate", "-n", NAMESPACE, "--as=nobody")
    assert gone.returncode == 0, "or the namespace could not be deleted"


@pytest.mark.parametrize("user", ["nobody", SERVER])
@pytest.mark.parametrize(
    ("evidence", "verb"),
    [
        ({"kyc": {"state": "Verified"}}, "attest"),
        ({"screening": {"state": "Clear"}}, "screen"),
        ({"access": {"countries": ["DE"]}}, "attest-access"),
    ],
    ids=["kyc", "screening", "access"],
)
def test_evidence_is_written_by_who_may_attest_it(
    cluster: Kubectl, user: str, evidence: dict[str, Any], verb: str
) -> None:
    patch = (
        "patch",
        "tenants.computegate.io",
        "acme",
        "--subresource=status",
        "--type=merge",
        "--dry-run=server",
        "-p",
    )
    (part,) = evidence
    refused = cluster(*patch, json.dumps({"status": evidence}), f"--as={user}", check=False).stderr
    assert f"status.{part} of tenant acme is written by who " in refused
    assert f": this needs the verb {verb} " in refused
    computed = cluster(*patch, '{"status": {"standing": {"governing": "DE"}}}', f"--as={user}", check=False).stderr
    assert ("status.standing of tenants.computegate.io is written by computegate alone" in computed) is (user != SERVER)


@pytest.mark.parametrize(
    ("role", "own", "other"),
    [
        ("kyc", {"kyc": {"state": "Pending"}}, {"screening": {"state": "Clear"}}),
        ("kyc", {"kyc": {"state": "Pending"}}, {"access": {"countries": ["DE"]}}),
        ("kyc", {"kyc": {"state": "Pending"}}, {"standing": {"governing": "DE"}}),
        ("access", {"access": {"countries": ["DE"]}}, {"kyc": {"state": "Pending"}}),
        ("screening", {"screening": {"state": "Clear"}}, {"kyc": {"state": "Pending"}}),
    ],
)
def test_each_integration_writes_its_own_part_and_nothing_else(
    cluster: Kubectl, role: str, own: dict[str, Any], other: dict[str, Any]
) -> None:
    user, (part,) = f"integration-{role}", other
    cluster("create", "clusterrolebinding", f"{user}-{part}", f"--clusterrole={RELEASE}-{role}", f"--user={user}")
    patch = ("patch", "tenants.computegate.io", "beta", "--type=merge", "--dry-run=server", f"--as={user}", "-p")
    assert cluster(*patch, json.dumps({"status": own}), "--subresource=status").returncode == 0
    refused = cluster(*patch, json.dumps({"status": other}), "--subresource=status", check=False).stderr
    assert f"status.{part} of tenant" in refused
    assert "is written by" in refused
    assert "forbidden" in cluster(*patch, '{"spec":{"headquarters":"DE"}}', check=False).stderr


GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
FORCED, GRACEFUL = ("--force", "--grace-period=0"), ()
COLLECTOR = "system:serviceaccount:kube-system:pod-garbage-collector"


@pytest.fixture(scope="module")
def running(cluster: Kubectl) -> str:
    """A namespace of acme, in enforce: pods gpu, cpu and ending (by now) are bound, and pending is not."""
    name = "running"
    cluster("create", "namespace", name)
    cluster("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    for pod, node, container in (("gpu", "n", GPU), ("ending", "n", GPU), ("cpu", "n", {}), ("pending", None, GPU)):
        spec = {"nodeName": node, "containers": [{"name": "c", "image": "i", **container}]}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}
        cluster("create", "-n", name, "-f", "-", stdin=json.dumps(manifest))
    cluster("delete", "pod", "ending", "-n", name, "--wait=false")
    cluster("label", "namespace", name, "computegate.io/tenant=acme", "computegate.io/mode=enforce")
    for _ in range(60):
        if cluster(*deletion(name, "gpu", FORCED), "--as=nobody", check=False).returncode != 0:
            return name
    pytest.fail("force deletion is still possible in a namespace that is enforced")


def deletion(namespace: str, pod: str, flags: tuple[str, ...]) -> tuple[str, ...]:
    return ("delete", "pod", pod, "-n", namespace, "--dry-run=server", *flags)


@pytest.mark.parametrize(
    ("pod", "flags", "user"),
    [
        pytest.param("gpu", GRACEFUL, ["nobody"], id="graceful"),
        pytest.param("cpu", FORCED, ["nobody"], id="no device"),
        pytest.param("pending", FORCED, ["nobody"], id="not bound"),
        pytest.param("gpu", FORCED, ["releaser"], id="verb release"),
        pytest.param("gpu", FORCED, [COLLECTOR], id="garbage collector"),
        pytest.param("gpu", FORCED, ["system:node:n", "system:nodes"], id="kubelet"),
    ],
)
def test_a_pod_that_holds_nothing_or_was_proved_gone_is_deleted(
    cluster: Kubectl, running: str, pod: str, flags: tuple[str, ...], user: list[str]
) -> None:
    identity = [f"--as={user[0]}", *(f"--as-group={group}" for group in user[1:])]
    assert cluster(*deletion(running, pod, flags), *identity).returncode == 0


@pytest.mark.parametrize("user", ["nobody", "system:node:n"], ids=["tenant", "a tenant named like a node"])
def test_devices_in_use_are_not_freed_by_force(cluster: Kubectl, running: str, user: str) -> None:
    done = cluster(*deletion(running, "gpu", FORCED), f"--as={user}", "--as-group=deleters", check=False)
    assert "needs the verb release on tenants.computegate.io acme" in done.stderr


NOW = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "dryRun": ["All"]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/gpu", NOW, id="in the body"),
        pytest.param("/gpu?gracePeriodSeconds=0&dryRun=All", None, id="in the query"),
        pytest.param("?labelSelector=!none", NOW, id="of the collection, in the body"),
        pytest.param("?gracePeriodSeconds=0&dryRun=All", None, id="of the collection, in the query"),
        pytest.param("/ending", NOW, id="of a pod that ends, in the body"),
        pytest.param("/ending?gracePeriodSeconds=0&dryRun=All", None, id="of a pod that ends, in the query"),
    ],
)
def test_a_force_deletion_needs_release_in_whatever_way_it_is_asked_for(
    cluster: Kubectl, running: str, path: str, body: dict[str, Any] | None
) -> None:
    command = ("delete", "--raw", f"/api/v1/namespaces/{running}/pods{path}", *(("-f", "-") if body else ()))
    refused, done = (
        cluster(*command, f"--as={user}", stdin=json.dumps(body) if body else "", check=False)
        for user in ("nobody", "releaser")
    )
    assert "needs the verb release on tenants.computegate.io acme" in refused.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("grace", "allowed"), [(0, False), (None, True), (30, True)])
def test_an_eviction_is_no_way_around(cluster: Kubectl, running: str, grace: int | None, allowed: bool) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "gpu"},
        "deleteOptions": {"gracePeriodSeconds": grace, "dryRun": ["All"]},
    }
    path = f"/api/v1/namespaces/{running}/pods/gpu/eviction?dryRun=All"
    done = cluster("create", "--raw", path, "-f", "-", "--as=nobody", stdin=json.dumps(eviction), check=False)
    assert (done.returncode == 0) is allowed, done.stderr


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("watch pods", "yes"),
        ("list tenants.computegate.io", "yes"),
        ("patch tenants.computegate.io --subresource=status", "yes"),
        ("update quotaledgers.computegate.io --subresource=status", "yes"),
        (f"update leases.coordination.k8s.io -n {NAMESPACE}", "yes"),
        (f"get secret/{RELEASE}-reference -n {NAMESPACE}", "yes"),
        (f"get secret/other -n {NAMESPACE}", "no"),
        ("get secrets -n default", "no"),
        ("update tenants.computegate.io", "no"),
        ("attest tenants.computegate.io", "no"),
        ("delete quotaledgers.computegate.io", "no"),
        ("create pods -n default", "no"),
    ],
)
def test_the_server_holds_what_it_needs_and_no_more(cluster: Kubectl, question: str, answer: str) -> None:
    done = cluster("auth", "can-i", *question.split(), f"--as={SERVER}", check=False)
    assert done.stdout.strip() == answer, done.stderr


def test_a_tenant_with_view_sees_its_allowance_and_no_tenant(cluster: Kubectl) -> None:
    cluster("create", "rolebinding", "viewer", "--clusterrole=view", "--user=viewer", "-n", ENFORCED)
    ask = ("auth", "can-i", "list")
    answers = [
        cluster(*ask, kind, "-n", ENFORCED, "--as=viewer", check=False).stdout.strip()
        for kind in ("allowances.computegate.io", "tenants.computegate.io", "quotaledgers.computegate.io")
    ]
    assert answers == ["yes", "no", "no"]
