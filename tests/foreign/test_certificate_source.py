"""From an authority of our own to cert-manager's and back, by real Helm and cert-manager's own controllers."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import CHART, NAMESPACE, RELEASE
from tests.e2e.certified import SECRET, Certified
from tests.e2e.world import eventually
from tests.foreign.cluster import equipped
from tests.upgrade.release import Release
from tools.authority import Certificate
from tools.installation import Replica
from tools.process import Process, binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.controlplane import ControlPlane

ISSUED = f"{RELEASE}-tls"
SERVICE = f"{RELEASE}.{NAMESPACE}.svc"
INJECTED = "cert-manager.io/inject-ca-from"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with cert-manager's controllers."""
    directory = tmp_path_factory.mktemp("source-plane")
    with equipped(directory) as plane:
        program = binaries("certmanager")["certmanager"]
        manager = Process.start("certmanager", program, [f"-kubeconfig={plane.kubeconfig}"], directory)
        yield plane
        manager.stop()


@pytest.fixture(scope="module")
def release(plane: ControlPlane, helm: Path) -> Release:
    """The chart as it is by default, with an authority of its own."""
    release = Release(plane, helm)
    release.helm("install", RELEASE, CHART, "--create-namespace", "--set=config.mode=enforce")
    return release


@pytest.fixture(scope="module")
def former(plane: ControlPlane, release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    """A replica that was rendered for `selfManaged`."""
    assert release
    former = Certified(plane, tmp_path_factory.mktemp("former"))
    try:
        former.start()
        yield former
    finally:
        former.close()


def believed(gate: Certified, replica: Replica, name: str) -> bool:
    """Tell whether an API server that read the webhook configuration now would believe the replica."""
    bundle = b"".join(gate.trusted()).decode()
    if not bundle:
        return False
    context = ssl.create_default_context(cadata=bundle)
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", replica.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=name),
    ):
        return True
    return False


def mounted(release: Release, directory: Path) -> Certificate:
    """Wait for the Secret that cert-manager issues, and write what a kubelet would mount of it."""
    asked = ("get", "secret", ISSUED, "-n", NAMESPACE, "-o", "json", "--ignore-not-found")
    found = json.loads(eventually(lambda: release.kubectl(*asked).stdout))
    data = {key: base64.b64decode(text) for key, text in found["data"].items()}
    for key, held in data.items():
        (directory / key).write_bytes(held)
    return Certificate(directory / "tls.crt", directory / "tls.key", data["ca.crt"].decode())


def source(release: Release, mode: str, *flags: str) -> None:
    """Upgrade to another `tls.mode`; replicas are reached on loopback here, so certificates name that too."""
    names = "--set=tls.extraNames={localhost,127.0.0.1}"
    release.helm("upgrade", RELEASE, CHART, "--set=config.mode=enforce", names, f"--set=tls.mode={mode}", *flags)


@pytest.fixture
def issued(release: Release, former: Certified, tmp_path: Path) -> Iterator[Replica]:
    """A replica that was rendered for `certManager`, ready beside the former one."""
    eventually(lambda: believed(former, former.replicas[0], "localhost"))
    source(release, "certManager")
    settings = {"mode": "enforce", "excludedNamespaces": ["kube-system", NAMESPACE]}
    replica = Replica(release.plane, tmp_path / "issued", mounted(release, tmp_path), settings)
    try:
        replica.start()
        replica.wait()
        yield replica
    finally:
        replica.stop()


def test_a_release_goes_to_cert_manager_and_back_and_whoever_stays_is_believed(
    release: Release, former: Certified, issued: Replica
) -> None:
    for replica in former.replicas:
        replica.stop()  # until then both write the caBundle
    eventually(lambda: believed(former, issued, SERVICE))
    assert release.kubectl("get", "secret", SECRET, "-n", NAMESPACE, "--ignore-not-found").stdout == ""
    source(release, "selfManaged")
    former.start()  # as in a rolling update: ready while a replica leads that makes no certificates
    issued.stop()
    eventually(lambda: believed(former, former.replicas[0], "localhost"))
    assert INJECTED not in former.configuration()["metadata"]["annotations"]
    assert release.kubectl("get", "certificates", "-n", NAMESPACE, "-o", "name").stdout == ""
    assert "data" in json.loads(release.kubectl("get", "secret", ISSUED, "-n", NAMESPACE, "-o", "json").stdout)
