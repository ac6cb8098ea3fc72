"""The chart's objects on a real API server: everything is accepted, and the CRDs say no by themselves."""

import json
from typing import Any

import pytest

from tests.chart.rendering import CHART, Chart
from tests.e2e.world import eventually
from tools.kubectl import Kubectl

KINDS = sorted(path.stem for path in (CHART / "files" / "crds").glob("*.yaml"))


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_the_api_server_accepts_every_object(installed: Kubectl, chart: Chart, mode: str) -> None:
    ca = json.loads(installed("get", "configmap", "kube-root-ca.crt", "-n", "default", "-o", "json").stdout)
    rendered = chart.text(
        "--set=tls.mode=provided",
        "--set=tls.existingSecret=serving",
        f"--set-literal=tls.caBundle={ca['data']['ca.crt']}",
        f"--set=config.mode={mode}",
        "--set=reference.existingSecret=hmac",
        "--set=networkPolicy.enabled=true",
        "--set=networkPolicy.apiServerCIDRs={10.0.0.1/32}",
        "--set=test.enabled=false",  # its pod needs what a dry run does not make
    )
    flags = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = installed(*flags, stdin=rendered)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == rendered.count("\nkind: ")


def test_the_crds_are_structural_and_their_names_are_free(installed: Kubectl) -> None:
    crds = json.loads(installed("get", "crd", "-o", "json").stdout)["items"]
    assert sorted(crd["spec"]["names"]["plural"] for crd in crds) == KINDS
    for crd in crds:
        conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
        assert conditions["Established"] == conditions["NamesAccepted"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"


def test_kubectl_get_compute_lists_every_kind(installed: Kubectl) -> None:
    listed = installed("api-resources", "--categories=compute", "--output=name").stdout.split()
    assert sorted(listed) == [f"{kind}.computegate.io" for kind in KINDS]
    assert installed("get", "compute").returncode == 0


def test_the_guards_have_no_type_errors(installed: Kubectl) -> None:
    guards = eventually(lambda: policies(installed), lambda found: all(map(is_checked, found)), 60)
    assert {guard["metadata"]["name"]: guard["status"]["typeChecking"] for guard in guards} == {
        guard["metadata"]["name"]: {} for guard in guards
    }


def policies(installed: Kubectl) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(installed("get", "validatingadmissionpolicies", "-o", "json").stdout)[
        "items"
    ]
    return found


def is_checked(guard: dict[str, Any]) -> bool:
    """Whether the API server has looked at the expressions as they are now."""
    return bool(guard.get("status", {}).get("observedGeneration") == guard["metadata"]["generation"])


def tenant(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "itself"},
        "spec": {"legalName": "Acme", "kind": "Company", **spec},
    }


HOLDING = {"id": "holding", "name": "Holding", "headquarters": "DE"}
OWNED = {"owner": "holding", "share": {"minimum": 25.5, "maximum": 50}}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        pytest.param(tenant(), "", id="least"),
        pytest.param(tenant(ultimateParent="holding", parties=[HOLDING], ownership=[OWNED]), "", id="parent"),
        pytest.param(tenant(ultimateParent="tenant"), "a tenant cannot be its own parent", id="own parent"),
        pytest.param(tenant(ultimateParent="holding"), "ultimateParent is not among parties", id="parent unknown"),
        pytest.param(tenant(ownership=[OWNED]), "an owner in ownership is not among parties", id="owner unknown"),
        pytest.param(
            tenant(independent=True, ultimateParent="holding", parties=[HOLDING]), "leave ultimateParent out", id="both"
        ),
        pytest.param(tenant(parties=[HOLDING, HOLDING]), "Duplicate value", id="party twice"),
        pytest.param(tenant(suppliedBy="itself"), "a tenant cannot supply itself", id="own supplier"),
        pytest.param(tenant(headquarters="Germany"), "spec.headquarters", id="not a country code"),
        pytest.param(tenant(kind="Shell"), "spec.kind: Unsupported value", id="unknown kind"),
        pytest.param(tenant(headquarter="DE"), 'unknown field "spec.headquarter"', id="misspelt"),
    ],
)
def test_a_tenant_that_contradicts_itself_is_refused_with_a_sentence(
    installed: Kubectl, manifest: dict[str, Any], words: str
) -> None:
    done = installed("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest), check=False)
    assert (done.returncode == 0) is (words == ""), done.stderr
    assert words in done.stderr
