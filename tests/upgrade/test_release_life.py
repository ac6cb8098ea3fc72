"""One release through real Helm on a real API server: install, upgrade, rollback, upgrade, uninstall."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.chart.gate import Gate
from tests.chart.rendering import CHART, RELEASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.upgrade.release import Release

GRACE = 20.0
NEW_FIELD = ("tenants", "attestations")
NEW_PARTS = ("test", "kyc", "deadlines", "apiPriorityAndFairness")
NEW_KEYS = ("keepSeconds", "log", "debugPort", "extraNames", "clientNames")
TENANT: dict[str, Any] = {
    "apiVersion": "computegate.io/v1alpha1",
    "kind": "Tenant",
    "metadata": {"name": "nordlicht"},
    "spec": {"legalName": "Nordlicht Ltd.", "kind": "Company"},
}


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
    dates = {"at": "2026-03-01T00:00:00Z", "validUntil": "2027-03-01T00:00:00Z"}
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
