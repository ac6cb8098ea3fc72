"""Values of an older release, and keys that are null: what is not there is as by default, or is taken away."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.features import RECEIVER, SCREENING
from tests.chart.rendering import CHART, RELEASE, Chart

TAKEN_AWAY = {
    "grafana": ["labels"],
    "kyc.receiver": ["resources"],
    "podDisruptionBudget": ["maxUnavailable"],
    "": ["podSecurityContext", "priorityClassName", "resources", "securityContext"],
    "screening": ["resources"],
}
"""Keys of which null means none."""

EVERYTHING = (*RECEIVER, *SCREENING, "--set=serviceMonitor.enabled=true", "--set=networkPolicy.enabled=true")
FEATURES = """
kyc: {receiver: {enabled: true, providers: [{name: generic}], existingSecret: kyc-secrets}}
screening: {enabled: true, volume: {emptyDir: {}}}
prometheusRule: {enabled: true}
networkPolicy: {enabled: true}
webhook: {bindings: true}
"""


def without(values: dict[str, Any], depth: int, under: str = "") -> dict[str, Any]:
    """Return what takes every key of a depth away, as null, but for those of which that means none."""
    kept = TAKEN_AWAY.get(under, [])
    if depth == 0:
        return {key: None for key in values if key not in kept}
    inner = {key: each for key, each in values.items() if isinstance(each, dict) and each and key not in kept}
    return {key: without(each, depth - 1, f"{under}.{key}".lstrip(".")) for key, each in inner.items()}


@pytest.fixture(params=range(4), ids=lambda depth: f"depth-{depth}")
def older(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(without(values, request.param)))
    return f"--values={path}"


def test_keys_that_an_older_release_did_not_know_are_as_by_default(chart: Chart, older: str, tmp_path: Path) -> None:
    assert chart.text(older) == chart.text()
    (tmp_path / "features.yaml").write_text(FEATURES)
    features = f"--values={tmp_path / 'features.yaml'}"
    assert chart.text(older, features) == chart.text(features)


def test_what_is_off_stays_off_beside_keys_that_are_not_there(chart: Chart) -> None:
    objects = chart.render("--set=guards.enabled=false", "--set=guards.exec=null", "--set=priorityQuota=false")
    assert "ValidatingAdmissionPolicy" not in {kind for kind, _ in objects}
    assert ("ResourceQuota", f"{RELEASE}-priority") not in objects


@pytest.mark.parametrize("key", ["resources", "kyc.receiver.resources", "screening.resources", "grafana.labels"])
def test_null_takes_a_default_away(chart: Chart, key: str) -> None:
    objects = chart.render(*EVERYTHING, "--set=grafana.enabled=true", f"--set={key}=null")
    deployments = {name: o["spec"]["template"]["spec"] for (kind, name), o in objects.items() if kind == "Deployment"}
    found = {
        "resources": deployments[RELEASE]["containers"][0]["resources"],
        "kyc.receiver.resources": deployments[f"{RELEASE}-receiver"]["containers"][0]["resources"],
        "screening.resources": deployments[f"{RELEASE}-screening"]["containers"][0]["resources"],
        "grafana.labels": objects["ConfigMap", f"{RELEASE}-dashboard"]["metadata"]["labels"],
    }
    assert {name: len(each) for name, each in found.items() if name != key} == {
        name: count for name, count in {**dict.fromkeys(found, 2), "grafana.labels": 6}.items() if name != key
    }
    assert len(found[key]) == (5 if key == "grafana.labels" else 0)


def test_null_takes_a_priority_and_one_side_of_a_budget_away(chart: Chart) -> None:
    pod = chart.render("--set=priorityClassName=null")["Deployment", RELEASE]["spec"]["template"]["spec"]
    assert "priorityClassName" not in pod
    flags = ("--set=podDisruptionBudget.maxUnavailable=null", "--set=podDisruptionBudget.minAvailable=2")
    assert chart.render(*flags)["PodDisruptionBudget", RELEASE]["spec"]["minAvailable"] == 2
    assert "podSecurityContext.runAsNonRoot must be true" in chart.refusal("--set=podSecurityContext=null")


def test_every_template_knows_all_keys() -> None:
    templates = [*(CHART / "templates").rglob("*.yaml"), CHART / "templates" / "NOTES.txt"]
    first = {path.name: path.read_text().partition("\n")[0] for path in templates}
    assert {name for name, line in first.items() if line != '{{- include "computegate.values" . -}}'} == set()
