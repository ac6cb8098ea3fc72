"""deadlines.enabled on a real API server: which pods get an end, which end, and who is left alone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.conftest import ENFORCED, without_webhooks
from tests.chart.rendering import PROVIDED, RELEASE, Chart, configuration
from tools.kubectl import Kubectl

ENABLED = ("--set=deadlines.enabled=true", "--set=deadlines.seconds=7200")
LABEL = "computegate.io/default-deadline-seconds"
NAMES = tuple((f"MutatingAdmissionPolicy{part}", f"{RELEASE}-default-deadline") for part in ("", "Binding"))


def container(**names: str) -> dict[str, Any]:
    return {"name": "c", "image": "i", "resources": {"limits": names}}


GPU = container(**{"nvidia.com/gpu": "1"})
CPU = container(cpu="1", memory="1Gi")
CLAIMS = [{"name": "g", "resourceClaimTemplateName": "t"}]


def pod(spec: dict[str, Any], annotations: dict[str, str] | None = None) -> str:
    metadata = {"name": "pod", "annotations": annotations or {}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [CPU], **spec}})


def end(kubectl: Kubectl, manifest: str, namespace: str = ENFORCED) -> int | None:
    """Return the activeDeadlineSeconds of the pod as it would be stored."""
    command = ("create", "--dry-run=server", "-o", "json", "-n", namespace, "-f", "-")
    seconds: int | None = json.loads(kubectl(*command, stdin=manifest).stdout)["spec"].get("activeDeadlineSeconds")
    return seconds


@pytest.fixture(scope="module")
def cluster(installed: Kubectl, chart: Chart) -> Iterator[Kubectl]:
    """The installation with the policy, and without the webhooks, whose server is down."""
    rendered = chart.render(*PROVIDED, *ENABLED)
    manifest = "\n---\n".join(json.dumps(rendered[name]) for name in NAMES)
    with without_webhooks(installed):
        installed("create", "-f", "-", stdin=manifest)
        for _ in range(60):
            if end(installed, pod({"containers": [GPU]})):
                break
        yield installed
        installed("delete", "-f", "-", stdin=manifest)


@pytest.mark.parametrize(
    ("spec", "annotations"),
    [
        ({"containers": [GPU]}, {}),
        ({"containers": [CPU, {**GPU, "name": "d"}]}, {}),
        ({"initContainers": [{**GPU, "name": "i", "restartPolicy": "Always"}]}, {}),
        ({"resourceClaims": CLAIMS}, {}),
        ({}, {"gpu-fraction": "0.5"}),
        ({"containers": [GPU], "restartPolicy": "Never"}, {}),
    ],
    ids=["device", "second container", "sidecar", "claim", "share by annotation", "as a Job's"],
)
def test_a_pod_that_asks_for_accelerators_and_names_no_end_gets_one(
    cluster: Kubectl, spec: dict[str, Any], annotations: dict[str, str]
) -> None:
    assert end(cluster, pod(spec, annotations)) == 7200


@pytest.mark.parametrize("seconds", [1, 60, 7200, 2_000_000_000])
def test_a_pod_that_names_its_end_keeps_it(cluster: Kubectl, seconds: int) -> None:
    assert end(cluster, pod({"containers": [GPU], "activeDeadlineSeconds": seconds})) == seconds


@pytest.mark.parametrize(
    "limits",
    [{}, {"cpu": "1"}, {"hugepages-2Mi": "2Mi", "memory": "1Gi", "cpu": "1"}, {"rdma/hca": "1"}, {"amd.com/nic": "1"}],
    ids=str,
)
def test_a_pod_that_asks_for_no_accelerator_is_left_alone(cluster: Kubectl, limits: dict[str, str]) -> None:
    assert end(cluster, pod({"containers": [container(**limits)]})) is None


def test_nothing_changes_outside_enforced_namespaces(cluster: Kubectl) -> None:
    cluster("create", "namespace", "endless", check=False)
    cluster("wait", "--for=create", "serviceaccount/default", "-n", "endless", "--timeout=30s")
    assert end(cluster, pod({"containers": [GPU]}), "endless") is None


@pytest.mark.parametrize(
    ("label", "seconds"),
    [
        ("1", 1),
        ("3600", 3600),
        ("999999999", 999_999_999),
        *((word, 7200) for word in ("", "0", "1h", "5-5", "1e3", "1000000000", "08")),
    ],
)
def test_a_namespace_may_name_another_end_in_whole_seconds(cluster: Kubectl, label: str, seconds: int) -> None:
    def labelled(value: str, *, unlike: int) -> int | None:
        """The API server's own watch of namespaces lags by moments: look until the end is another one."""
        cluster("label", "namespace", ENFORCED, f"{LABEL}={value}", "--overwrite")
        for _ in range(60):
            if (found := end(cluster, pod({"containers": [GPU]}))) != unlike:
                break
        return found

    assert labelled("11", unlike=7200) == 11
    assert labelled(label, unlike=11) == seconds
    cluster("label", "namespace", ENFORCED, f"{LABEL}=12", "--overwrite")
    assert labelled("", unlike=12) == 7200


def test_an_update_gives_no_end(cluster: Kubectl) -> None:
    running = json.loads(pod({"containers": [GPU], "activeDeadlineSeconds": 60}))
    running["metadata"]["name"] = "running"
    cluster("create", "-n", ENFORCED, "-f", "-", stdin=json.dumps(running))
    cluster("label", "pod", "running", "-n", ENFORCED, "a=b")
    stored = json.loads(cluster("get", "pod", "running", "-n", ENFORCED, "-o", "json").stdout)
    assert stored["spec"]["activeDeadlineSeconds"] == 60


def test_it_is_off_unless_it_is_asked_for_and_then_the_server_is_told(chart: Chart) -> None:
    assert not set(NAMES) & set(chart.render(*PROVIDED))
    rendered = chart.render(*PROVIDED, *ENABLED)
    config = yaml.safe_load(configuration(rendered))
    assert config["workloads"]["deadlineSeconds"] == 7200


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1000000000", "1h"])
def test_seconds_that_no_pod_could_have_are_refused(chart: Chart, value: str) -> None:
    assert "seconds" in chart.refusal(*PROVIDED, "--set=deadlines.enabled=true", f"--set=deadlines.seconds={value}")


def test_a_cluster_without_the_policies_is_told(chart: Chart) -> None:
    refusal = chart.refusal(*PROVIDED, "--set=deadlines.enabled=true", "--kube-version=1.35.0")
    assert "deadlines.enabled needs MutatingAdmissionPolicy, which this cluster does not serve" in refusal
