"""One release through real Helm on a real API server: install, upgrade, rollback, upgrade, uninstall."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.chart.gate import Gate
from tests.chart.rendering import CHART, NAMESPACE, RELEASE
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30.0
GRACE = 20.0
NEW_FIELD = ("tenants", "attestations")
NEW_PARTS = ("test", "kyc", "deadlines", "apiPriorityAndFairness")
NEW_KEYS = ("keepSeconds", "log", "debugPort", "extraNames", "clientNames")
REGISTERED = (
    "validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,"
    "mutatingadmissionpolicies,mutatingadmissionpolicybindings"
)
TENANT: dict[str, Any] = {
    "apiVersion": "computegate.io/v1alpha1",
    "kind": "Tenant",
    "metadata": {"name": "nordlicht"},
    "spec": {"legalName": "Nordlicht Ltd.", "kind": "Company"},
}


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
        more = ("--create-namespace",) if verb == "install" else ()
        self.helm(verb, RELEASE, chart, *more, *tls, "--set=config.mode=enforce", *flags)
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


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, helm: Path) -> Iterator[Release]:
    directory = tmp_path_factory.mktemp("release")
    with ControlPlane(directory, controllers=["kube-controller-manager"]) as plane:
        yield Release(plane, helm)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The chart as an earlier version might have been: without one field of Tenants, and with a guard less."""
    chart = tmp_path / "older"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.0.9", "appVersion": "0.0.9"}))
    plural, field = NEW_FIELD
    path = chart / "files" / "crds" / f"{plural}.yaml"
    crd = yaml.safe_load(path.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"][field]
    spec["x-kubernetes-validations"] = [
        each for each in spec.get("x-kubernetes-validations", ()) if field not in each["rule"]
    ]
    path.write_text(yaml.safe_dump(crd, sort_keys=False))
    (chart / "templates" / "guard-screening.yaml").write_text("")
    values = yaml.safe_load((chart / "values.yaml").read_text())
    (chart / "values.yaml").write_text(yaml.safe_dump(_fewer(values), sort_keys=False))
    return chart


def _fewer(values: dict[str, Any]) -> dict[str, Any]:
    """Return values that know neither the parts nor the keys that came later."""
    parts = {key: each for key, each in values.items() if key not in NEW_PARTS}
    return {
        key: {k: v for k, v in each.items() if k not in NEW_KEYS} if key in ("config", "tls") else each
        for key, each in parts.items()
    }


def test_an_upgrade_and_its_rollback_keep_everything_and_are_intact_throughout(release: Release, older: Path) -> None:
    release.put("install", older)
    gate = Gate(release.kubectl, release.plane.kubeconfig, grace=GRACE)
    gate.until(lambda found: found == frozenset())
    release.kubectl("create", "-f", "-", stdin=json.dumps(TENANT))
    release.until('failed calling webhook "enforced.computegate.io"', **{"nvidia.com/gpu": "1"})
    dates = {"at": "2026-03-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"}
    attested = {"spec": {"attestations": [{"facts": ["TenantKind"], "by": "Tenant", **dates}]}}
    for step in ("upgrade", "rollback", "upgrade"):
        if step == "upgrade":
            release.helm("upgrade", RELEASE, CHART, "--reuse-values", "--set=webhook.bindings=true")
            release.kubectl("patch", "tenants.computegate.io", "nordlicht", "--type=merge", "-p", json.dumps(attested))
        else:
            release.helm("rollback", RELEASE)
        has_field = "attestations" in release.tenant()
        assert ({**release.tenant(), "attestations": []}, has_field) == (
            {**TENANT["spec"], "attestations": []},
            step == "upgrade",
        )
        assert ("computegate-screenings" in release.registered()) is (step == "upgrade")
        assert release.versions() == {("v1alpha1",)}
        release.until('failed calling webhook "enforced.computegate.io"', **{"nvidia.com/gpu": "1"})
        gate.until(lambda found: found == frozenset())
        release.plane.restart_apiserver(crash=True)
    gate.close()
    assert gate.told == []


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "asked for"])
def test_what_is_uninstalled_leaves_a_cluster_in_which_pods_are_created(release: Release, keep: bool) -> None:
    release.helm("upgrade", RELEASE, CHART, "--reuse-values", f"--set=crds.keep={str(keep).lower()}")
    release.helm("uninstall", RELEASE)
    assert release.registered() == ""
    release.until("", **{"nvidia.com/gpu": "1"})
    left = release.kubectl("get", "crd", "-o", "name").stdout.splitlines()
    assert bool(left) is keep
    if keep:
        assert release.tenant()["legalName"] == "Nordlicht Ltd."
        release.put("install", CHART)
        assert release.tenant()["legalName"] == "Nordlicht Ltd."
        release.until('failed calling webhook "enforced.computegate.io"', **{"nvidia.com/gpu": "1"})
