"""The chart with cert-manager's own controllers: they issue, inject and renew, and no request is lost meanwhile."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, NOT_CLEARED, UNCLEARED, everything, worker
from tools.installation import NAMESPACE
from tools.node.answers import Fate, fates, summary
from tools.node.release import Release
from tools.node.stream import Asked, Stream
from tools.process import Process, binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.controlplane import ControlPlane
    from tools.node.node import Node

RATE = 60.0


@pytest.fixture
def issued(plane: ControlPlane, node: Node, tmp_path: Path) -> Iterator[Release]:
    """A release whose certificates are cert-manager's."""
    assert node
    release = Release(plane, tmp_path / "release", IMAGE, {"tls": {"mode": "certManager"}})
    release.kubectl("apply", "--server-side", "-f", binaries("crds.yaml")["crds.yaml"])
    release.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    program = binaries("certmanager")["certmanager"]
    manager = Process.start("certmanager", program, [f"-kubeconfig={plane.kubeconfig}"], tmp_path)
    try:
        release.install()
        yield release
        release.kubectl("delete", "namespace", CLEARED, UNCLEARED, "--ignore-not-found")
        release.uninstall()
        release.kubectl("delete", "secrets", "computegate-tls", "computegate-ca", "-n", NAMESPACE)
    finally:
        manager.stop()


def test_cert_manager_issues_injects_and_renews_and_nothing_is_lost(
    issued: Release, cluster: Cluster, show: Callable[[str], None]
) -> None:
    cluster.apply(*everything())
    for name in (CLEARED, UNCLEARED):
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    cleared, refused = worker("cleared", CLEARED, IMAGE), worker("refused", UNCLEARED, IMAGE)
    eventually(lambda: cluster.try_create(refused, "--dry-run=server").stderr, lambda line: "[NotCleared]" in line)
    eventually(lambda: cluster.denial(cleared, "--dry-run=server"), lambda line: line == "")
    before = issued.serials()
    asked = [Asked(cleared), Asked(refused, NOT_CLEARED)]
    with Stream(issued.plane, asked, RATE) as stream:
        renew(issued)
        issued.await_renewal(before)
    assert set(fates(stream.answers)) == {Fate.Right}, summary(stream.answers)
    show(f"cert-manager renews the certificate: {summary(stream.answers)}")


def renew(release: Release) -> None:
    """Ask for a new certificate now, as `cmctl renew` does."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = json.loads(release.kubectl("get", "certificate", "computegate", "-n", NAMESPACE, "-o", "json").stdout)
    asked = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "lastTransitionTime": now}
    conditions = json.dumps({"status": {"conditions": [*found["status"]["conditions"], asked]}})
    patch = ("--subresource=status", "--type=merge", "-p", conditions)
    release.kubectl("patch", "certificate", "computegate", "-n", NAMESPACE, *patch)
