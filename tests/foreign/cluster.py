"""A cluster that knows the kinds of others that the chart may make: cert-manager's and Prometheus' among them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl
from tools.process import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def equipped(directory: Path) -> Iterator[ControlPlane]:
    """Yield a control plane with them and with the controller manager; it ends with the block."""
    with ControlPlane(directory, controllers=["kube-controller-manager"]) as plane:
        kubectl = Kubectl(plane)
        kubectl("apply", "--server-side", "-f", str(binaries("crds.yaml")["crds.yaml"]))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield plane
