"""The chart, rendered, and applied to a control plane of its own: its guards would bind every other test."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.rendering import NAMESPACE, RELEASE, Chart
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

ENFORCED = "enforced"
"""A namespace in enforce."""

NOWHERE = "https://127.0.0.1:9"
"""No server listens here: a review that is sent fails, and the answer names the entry that sent it."""


@pytest.fixture(scope="session")
def chart(helm: Path) -> Chart:
    return Chart(helm)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, chart: Chart) -> Iterator[Kubectl]:
    """A control plane where the chart is installed, in observe, with its server down, as kubectl."""
    directory = tmp_path_factory.mktemp("chart-plane")
    with ControlPlane(directory, controllers=["kube-controller-manager"]) as plane:
        kubectl = Kubectl(plane)
        rendered = chart.text(
            f"--set=webhook.url={NOWHERE}",
            f"--set-file=tls.caBundle={plane.ca}",
            "--set=config.contact=access@example.com",
        )
        kubectl("create", "namespace", NAMESPACE)
        kubectl("apply", "--server-side", "-f", "-", stdin=rendered)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        _await_guards(kubectl)
        yield kubectl


def _await_guards(kubectl: Kubectl) -> None:
    """The API server takes up policies and webhooks within a second or so, and says nothing of when."""
    kubectl("create", "namespace", ENFORCED)
    kubectl("label", "namespace", ENFORCED, "computegate.io/mode=enforce")
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", ENFORCED, "--timeout=30s")
    unjudged = {"metadata": {"name": "probe", "labels": {"computegate.io/mode": "none"}}}
    unseen = {"metadata": {"name": "probe"}, "spec": {"hostPID": True, "containers": [{"name": "c", "image": "i"}]}}
    for kind, fields in (("Namespace", unjudged), ("Pod", unseen)):
        manifest = json.dumps({"apiVersion": "v1", "kind": kind, **fields})
        for _ in range(60):
            done = kubectl("create", "--dry-run=server", "-n", ENFORCED, "-f", "-", stdin=manifest, check=False)
            if done.returncode != 0:
                break
        else:
            pytest.fail(f"the API server has not taken up the chart: it still accepts {manifest}")


@contextlib.contextmanager
def without_webhooks(kubectl: Kubectl) -> Iterator[None]:
    """Take the webhooks away for the block: they refuse a pod with devices while their server is down."""
    held = json.loads(kubectl("get", "validatingwebhookconfiguration", RELEASE, "-o", "json").stdout)
    held["metadata"] = {key: held["metadata"][key] for key in ("name", "labels")}
    kubectl("delete", "validatingwebhookconfiguration", RELEASE)
    _await_answer(kubectl, "")
    yield
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(held))
    _await_answer(kubectl, 'failed calling webhook "enforced.computegate.io"')


def _await_answer(kubectl: Kubectl, refusal: str) -> None:
    """Wait until a pod with a device is created, or refused in these words."""
    container = {"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    probe = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {"containers": [container]}}
    for _ in range(60):
        tried = kubectl("create", "--dry-run=server", "-n", ENFORCED, "-f", "-", stdin=json.dumps(probe), check=False)
        if (refusal in tried.stderr) if refusal else tried.returncode == 0:
            return
