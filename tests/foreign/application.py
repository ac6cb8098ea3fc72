"""The chart as an Application of Argo CD: rendered as its repository server does, synced and compared by its engine."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.chart.rendering import NAMESPACE
from tools.kubectl import Kubectl
from tools.process import binaries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.rendering import Chart
    from tools.controlplane import ControlPlane

ACCOUNT = "system:serviceaccount:argocd:argocd-application-controller"
SERVER_SIDE, DRY_RUNS = "-server-side", "-server-side-diff"
WAYS: dict[str, tuple[str, ...]] = {
    "three ways": (),
    "structured merge": (SERVER_SIDE,),
    "dry runs": (SERVER_SIDE, DRY_RUNS),
}
"""How the engine compares: by default, with the option ServerSideApply=true, and with ServerSideDiff=true besides."""


class Shown(NamedTuple):
    """What Argo CD shows of an Application: what is not as rendered, and which healths its objects have."""

    differs: dict[str, Any]
    healths: set[str]


AS_RENDERED = Shown({}, {"", "Healthy"})


class Application:
    """An Application named as the release, whose controller may do everything in the cluster."""

    def __init__(self, plane: ControlPlane, chart: Chart, *values: str) -> None:
        self.kubectl, self._chart, self._values = Kubectl(plane), chart, values
        self.kubectl("create", "clusterrolebinding", "argocd", "--clusterrole=cluster-admin", f"--user={ACCOUNT}")
        self._kubeconfig = plane.kubeconfig_for(ACCOUNT)
        self._program = binaries("argocd")["argocd"]

    def sync(self, *values: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
        """Sync with these further values, as automated sync with pruning would; return what it says at the end."""
        said: dict[str, Any] = self._engine("sync", self._rendered(values), options)
        assert said["phase"] == "Succeeded", said
        return said

    def remove(self) -> None:
        """Prune everything."""
        said = self._engine("sync", "", ())
        assert said["phase"] == "Succeeded", said

    def compare(self, *values: str, options: tuple[str, ...] = ()) -> Shown:
        """Return what would be shown with these further values."""
        states = self._engine("compare", self._rendered(values), options)
        differs = {
            f"{each['kind']} {each['name']}": "prune" if each["prune"] else each.get("predicted")
            for each in states
            if each["sync"] != "Synced"
        }
        return Shown(differs, {each["health"] for each in states})

    def _rendered(self, values: tuple[str, ...]) -> str:
        flags = [f"--api-versions={each}" for each in self._kinds()]
        return self._chart.text(*self._values, *values, "--kube-version=1.36.0", "--include-crds", *flags)

    def _kinds(self) -> list[str]:
        """Return each kind that the cluster serves, with its version."""
        lines = self.kubectl("api-resources", "--no-headers").stdout.splitlines()
        return sorted({f"{version}/{kind}" for *_, version, _, kind in map(str.split, lines)})

    def _engine(self, command: str, manifests: str, options: tuple[str, ...]) -> Any:
        argv: list[str | Path] = [self._program, "-kubeconfig", self._kubeconfig, "-namespace", NAMESPACE]
        argv += [*options, command]
        done = subprocess.run(argv, input=manifests, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)
