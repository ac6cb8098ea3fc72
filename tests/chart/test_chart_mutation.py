"""mutation.hideDevices on a real API server: who gets NVIDIA_VISIBLE_DEVICES=void, and who is left alone."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from admission.catalogue import tables
from admission.demand.access import find_access
from admission.review.pod import Pod
from tests.chart.conftest import ENFORCED, NOWHERE, without_webhooks
from tests.chart.rendering import Chart
from tools.kubectl import Kubectl

NAME = "NVIDIA_VISIBLE_DEVICES"
VOID = {"name": NAME, "value": "void"}
OTHER = {"name": "OTHER", "value": "x"}
KINDS = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")


def limits(**names: str) -> dict[str, Any]:
    return {"resources": {"limits": names}}


GPU = limits(**{"nvidia.com/gpu": "1"})


def policies(chart: Chart, *flags: str) -> list[dict[str, Any]]:
    outside = (f"--set=webhook.url={NOWHERE}", "--set-literal=tls.caBundle=-----BEGIN CERTIFICATE-----")
    rendered = chart.render(*outside, "--set=mutation.hideDevices=true", *flags)
    return [each for (kind, _), each in rendered.items() if kind in KINDS]


def pod(*containers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> str:
    made = [{"name": f"c{number}", "image": "i", **each} for number, each in enumerate(containers)]
    metadata = {"name": "pod", "annotations": annotations or {}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": made, **spec}})


def created(cluster: Kubectl, manifest: str, namespace: str = ENFORCED) -> dict[str, Any]:
    command = ("create", "--dry-run=server", "-o", "json", "-n", namespace, "-f", "-")
    return dict(json.loads(cluster(*command, stdin=manifest).stdout))


@pytest.fixture(scope="module")
def cluster(installed: Kubectl, chart: Chart) -> Iterator[Kubectl]:
    """The installation with the policies, and without the webhooks, which would refuse every pod with devices."""
    manifest = "\n---\n".join(map(json.dumps, policies(chart)))
    installed("create", "-f", "-", stdin=manifest)
    for _ in range(60):
        if created(installed, pod({}))["spec"]["containers"][0].get("env"):
            break
    yield installed
    installed("delete", "-f", "-", stdin=manifest)


@pytest.fixture
def unguarded(cluster: Kubectl) -> Iterator[Kubectl]:
    """The same without the webhooks, which refuse a pod with devices while their server is down."""
    with without_webhooks(cluster):
        yield cluster


@pytest.mark.parametrize(
    ("container", "env"),
    [
        ({}, [VOID]),
        ({"env": []}, [VOID]),
        ({"env": [OTHER]}, [OTHER, VOID]),
        ({"envFrom": [{"configMapRef": {"name": "m"}}]}, [VOID]),
        (limits(cpu="1", memory="1Gi"), [VOID]),
        (limits(**{"hugepages-2Mi": "2Mi", "memory": "1Gi", "cpu": "1"}), [VOID]),
        ({"env": [VOID | {"value": "none"}]}, [VOID | {"value": "none"}]),
    ],
)
def test_a_container_that_asks_for_nothing_gets_nothing(
    cluster: Kubectl, container: dict[str, Any], env: list[dict[str, str]]
) -> None:
    made = created(cluster, pod(container))
    assert made["spec"]["containers"][0]["env"] == env
    assert find_access(msgspec.convert(made, Pod), granted=False) == ()


@pytest.mark.parametrize(
    ("container", "spec"),
    [
        (GPU, {}),
        (GPU | {"env": [OTHER]}, {}),
        (limits(**{"nvidia.com/gpumem": "1024"}), {}),
        (limits(**{"deviceclass.resource.kubernetes.io/gpu": "1"}), {}),
        (
            {"resources": {"claims": [{"name": "g"}]}},
            {"resourceClaims": [{"name": "g", "resourceClaimTemplateName": "t"}]},
        ),
        ({}, {"annotations": {"gpu-fraction": "0.5"}}),
        ({"env": [{"name": NAME, "value": "all"}]}, {}),
    ],
    ids=["device", "device and env", "qualifier", "device class", "claim", "share by annotation", "named by the pod"],
)
def test_a_container_with_a_device_is_left_alone(
    unguarded: Kubectl, container: dict[str, Any], spec: dict[str, Any]
) -> None:
    (made,) = created(unguarded, pod(container, **spec))["spec"]["containers"]
    assert made.get("env") == container.get("env")


def test_what_the_catalogue_calls_harmless_is_no_device(unguarded: Kubectl) -> None:
    sections = tables.document("resources.toml")["resource"]
    names = [name.replace("*", "x") for each in sections for name in each.get("harmless", ())]
    made = created(unguarded, pod(*(limits(**{name: "1"}) for name in names)))
    bare = [name for name, each in zip(names, made["spec"]["containers"], strict=True) if each.get("env") != [VOID]]
    assert bare == []


def test_beside_a_container_with_a_device_the_others_are_hidden_from_it(unguarded: Kubectl) -> None:
    init = [{"name": "i", "image": "i"}, {"name": "s", "image": "i", "restartPolicy": "Always", **GPU}]
    made = created(unguarded, pod({}, GPU, {"env": [OTHER]}, initContainers=init))
    spec = made["spec"]
    assert [each.get("env") for each in spec["containers"]] == [[VOID], None, [OTHER, VOID]]
    assert [each.get("env") for each in spec["initContainers"]] == [[VOID], None]
    assert find_access(msgspec.convert(made, Pod), granted=True) == ()


def test_the_webhook_is_not_asked_about_what_was_hidden(cluster: Kubectl) -> None:
    made = created(cluster, pod({}, initContainers=[{"name": "i", "image": "i"}]))
    assert made["spec"]["initContainers"][0]["env"] == [VOID], "and it was created though our server is down"


def test_a_container_added_for_debugging_gets_nothing_either(cluster: Kubectl) -> None:
    cluster("create", "-n", ENFORCED, "-f", "-", stdin=pod({}).replace('"pod"', '"debugged"'))
    path = f"/api/v1/namespaces/{ENFORCED}/pods/debugged"
    for number in (1, 2):
        stored = json.loads(cluster("get", "--raw", path).stdout)
        stored["spec"].setdefault("ephemeralContainers", []).append({"name": f"d{number}", "image": "i"})
        cluster("replace", "--raw", f"{path}/ephemeralcontainers", "-f", "-", stdin=json.dumps(stored))
    stored = json.loads(cluster("get", "--raw", path).stdout)
    assert [each["env"] for each in stored["spec"]["ephemeralContainers"]] == [[VOID], [VOID]]


def test_nothing_changes_outside_enforced_namespaces(cluster: Kubectl) -> None:
    cluster("create", "namespace", "observed-only", check=False)
    cluster("wait", "--for=create", "serviceaccount/default", "-n", "observed-only", "--timeout=30s")
    assert "env" not in created(cluster, pod({}), "observed-only")["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        (["--kube-version=1.36.0"], "v1"),
        (
            ["--kube-version=1.35.0", "--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"],
            "v1beta1",
        ),
    ],
)
def test_the_version_is_one_that_the_cluster_serves(chart: Chart, flags: list[str], version: str) -> None:
    found = {each["apiVersion"] for each in policies(chart, *flags)}
    assert found == {f"admissionregistration.k8s.io/{version}"}


def test_a_cluster_without_the_policies_is_told(chart: Chart) -> None:
    refusal = chart.refusal("--set=mutation.hideDevices=true", "--kube-version=1.35.0")
    assert "mutation.hideDevices needs MutatingAdmissionPolicy, which this cluster does not serve" in refusal
