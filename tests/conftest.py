"""The real things tests run against: a control plane, kubectl, helm.  Each is made when a test first asks for it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.interrupts import stop_in_order
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl
from tools.process import binaries

# The machine may be busy: how long an example takes says nothing.  The same tree gives the same answer each time;
# --hypothesis-profile=exploring draws other examples in each run, as `make worlds ARGS="--first N"` plays others.
UNTIMED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("exploring", UNTIMED)
hypothesis.settings.register_profile("repeatable", UNTIMED, derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    stop_in_order(worker=hasattr(config, "workerinput"))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One control plane for the whole run; tests keep apart by namespaces and object names."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """kubectl, as the control plane's administrator unless a user is named."""
    return Kubectl(control_plane)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """Name of a new namespace in which pods can be created; deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubectl("create", "namespace", name)
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
    # No kubelet ends a pod that was bound to a node.  A test's own policy may forbid this; the pod then stays behind.
    kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0", check=False)


@pytest.fixture(scope="session")
def helm() -> Path:
    """Path of helm."""
    return binaries("helm")["helm"]
