"""The built-in rules as the chart installs them, on a real API server."""

import json
from typing import Any

import pytest

from admission.cli.profile import profiles
from tests.chart.rendering import CHART, NAMESPACE, PROVIDED, RELEASE, Chart
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

NAMES = sorted(profiles())
ALL = f"--set=policies.profiles={{{','.join(NAMES)}}}"


def policies(chart: Chart, *flags: str) -> dict[str, Any]:
    objects = chart.render(*PROVIDED, *flags)
    return {name: each for (kind, name), each in objects.items() if kind == "AccessPolicy"}


def test_no_rule_is_installed_that_nobody_asked_for(chart: Chart) -> None:
    assert policies(chart) == {}


def test_profiles_are_installed_rule_by_rule_as_they_are_printed(chart: Chart) -> None:
    rendered = policies(chart, ALL)

    assert sorted(rendered) == NAMES
    for name, profile in profiles().items():
        assert type(profile.policy).model_validate(rendered[name]).spec == profile.policy.spec
        assert rendered[name]["metadata"]["annotations"]["computegate.io/as-of"] == profile.as_of


@pytest.mark.parametrize(("flag", "status"), [((), "InForce"), (("--set=policies.affiliatesRule=false",), "Stayed")])
def test_the_affiliates_rule_is_a_switch(chart: Chart, flag: tuple[str, ...], status: str) -> None:
    rendered = policies(chart, "--set=policies.profiles={access-as-regulated}", *flag)
    rules = {rule["name"]: rule for rule in rendered["access-as-regulated"]["spec"]["rules"]}

    assert rules["affiliates"].get("status", "InForce") == status
    assert rules["affiliates"]["certainty"] == "Unconfirmed"
    assert "status" not in rules["affiliates-2025"]


def test_a_profile_that_does_not_exist_is_refused(chart: Chart) -> None:
    assert "policies/profiles/0" in chart.refusal(*PROVIDED, "--set=policies.profiles={transfer-test}")


def test_the_api_server_takes_every_profile_and_gives_it_back(installed: Kubectl, chart: Chart) -> None:
    items = [*policies(chart, ALL).values()]
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = installed(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-", stdin=listing
    )

    assert done.stderr == ""
    for item in json.loads(done.stdout)["items"]:
        known = profiles()[item["metadata"]["name"]].policy
        assert type(known).model_validate(item).spec == known.spec


def test_helm_installs_keeps_and_removes_profiles(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An upgrade changes the policy that the install made: it is never deleted in between."""
    with ControlPlane(tmp_path_factory.mktemp("policies-plane")) as plane:
        kubectl = Kubectl(plane)
        flags = (
            *(f"--kubeconfig={plane.kubeconfig}", f"--namespace={NAMESPACE}", "--set=webhook.url=https://127.0.0.1:9"),
            f"--set-file=tls.caBundle={plane.ca}",
        )

        def release(*wanted: str) -> dict[str, Any]:
            done = chart.run(*wanted[:1], RELEASE, str(CHART), *flags, *wanted[1:])
            assert done.returncode == 0, done.stderr
            listed = json.loads(kubectl("get", "accesspolicies", "-o", "json").stdout)["items"]
            return {each["metadata"]["name"]: each for each in listed}

        both = "--set=policies.profiles={access-as-regulated,transfer-tests}"
        first = release("install", "--create-namespace", both)
        second = release("upgrade", both, "--set=policies.affiliatesRule=false")
        third = release("upgrade", "--set=policies.profiles={transfer-tests}")

    assert sorted(first) == sorted(second) == ["access-as-regulated", "transfer-tests"]
    assert [each["metadata"]["uid"] for each in first.values()] == [each["metadata"]["uid"] for each in second.values()]
    status = {rule["name"]: rule["status"] for rule in second["access-as-regulated"]["spec"]["rules"]}
    assert (status["affiliates"], status["affiliates-2025"]) == ("Stayed", "InForce")
    assert sorted(third) == ["transfer-tests"]


def test_a_rule_names_what_it_replaces_as_policy_and_rule(installed: Kubectl) -> None:
    rule = {"name": "ours", "basis": {"type": "ProviderPolicy", "title": "x"}, "effect": "Allow", "replaces": "listed"}
    body = {"apiVersion": "computegate.io/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": "own"}}
    refused = installed(
        *("create", "--dry-run=server", "-f", "-"), stdin=json.dumps({**body, "spec": {"rules": [rule]}}), check=False
    )

    assert "spec.rules[0].replaces" in refused.stderr
