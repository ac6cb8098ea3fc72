"""A release of the chart through real Helm on a real API server."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.chart.rendering import NAMESPACE, RELEASE
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from pathlib import Path

    from tools.controlplane import ControlPlane

PATIENCE = 30.0
REGISTERED = (
    "validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,"
    "mutatingadmissionpolicies,mutatingadmissionpolicybindings"
)


class Release:
    """A release, as the administrator of a cluster handles it."""

    def __init__(self, plane: ControlPlane, helm: Path) -> None:
        self.kubectl, self.plane, self._helm = Kubectl(plane), plane, helm

    def helm(self, *arguments: str | Path) -> str:
        """Run helm to its end; fail with its words if it fails."""
        command = [self._helm, *arguments, "--namespace", NAMESPACE, "--kubeconfig", self.plane.kubeconfig]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def put(self, verb: str, chart: Path, *flags: str) -> None:
        """Install or upgrade to a chart, with the certificate of a Secret that need not be there."""
        authority = f"--set-file=tls.caBundle={self.plane.ca}"
        tls = ("--set=tls.mode=provided", "--set=tls.existingSecret=serving", authority)
        new = ("--create-namespace",) if verb == "install" else ()
        self.helm(verb, RELEASE, chart, *new, *tls, "--set=config.mode=enforce", *flags)
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

    def try_pod(self, name: str, **limits: str) -> str:
        """Create a pod in an enforced namespace; return why it was refused, or nothing."""
        container = {"name": "c", "image": "i", "resources": {"limits": limits}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
        flags = ("create", "--dry-run=server", "-n", "default", "-f", "-")
        return self.kubectl(*flags, stdin=json.dumps(pod), check=False).stderr

    def until(self, words: str, **limits: str) -> None:
        """Wait until the API server has taken up that such pods are refused, or created, as the words say."""
        end = time.monotonic() + PATIENCE
        while words not in (said := self.try_pod("probe", **limits)) or bool(words) != bool(said):
            assert time.monotonic() < end, said

    def tenant(self) -> dict[str, Any]:
        """Return the spec of the Tenant that was made at first."""
        return dict(json.loads(self.kubectl("get", "tenants.computegate.io", "nordlicht", "-o", "json").stdout)["spec"])

    def registered(self) -> str:
        """Return what of ours the API server asks, or refuses by."""
        return self.kubectl("get", REGISTERED, "-o", "name").stdout

    def versions(self) -> set[tuple[str, ...]]:
        """Return the stored versions of all CRDs."""
        crds = json.loads(self.kubectl("get", "crd", "-o", "json").stdout)["items"]
        return {tuple(crd["status"]["storedVersions"]) for crd in crds}
