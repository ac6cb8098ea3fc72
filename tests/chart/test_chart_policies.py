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


def test_no_upgrade_rollback_or_uninstall_takes_a_profile_away(
    chart: Chart, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without one of two, what it denies would be allowed by the other: they go by hand alone."""
    with ControlPlane(tmp_path_factory.mktemp("policies-plane")) as plane:
        kubectl = Kubectl(plane)
        to = (f"--kubeconfig={plane.kubeconfig}", f"--namespace={NAMESPACE}")
        values = ("--set=webhook.url=https://127.0.0.1:9", f"--set-file=tls.caBundle={plane.ca}")

        def after(*command: str) -> dict[str, tuple[str, str]]:
            """Run helm; return uid and status of the affiliates rule by policy."""
            done = chart.run(*command, *to)
            assert done.returncode == 0, done.stderr
            listed = json.loads(kubectl("get", "accesspolicies", "-o", "json").stdout)["items"]
            return {each["metadata"]["name"]: (each["metadata"]["uid"], affiliates(each)) for each in listed}

        def release(verb: str, *wanted: str) -> dict[str, tuple[str, str]]:
            return after(verb, RELEASE, str(CHART), *values, *wanted)

        both = "--set=policies.profiles={access-as-regulated,transfer-tests}"
        stayed = "--set=policies.affiliatesRule=false"
        steps = [
            release("install", "--create-namespace", "--wait", both),  # or the hook may outrun the CRDs
            release("upgrade", both, stayed),
            after("rollback", RELEASE, "1"),  # as they are: that revision does not list them
            release("upgrade", both),
            after("rollback", RELEASE, "2"),
            release("upgrade", "--set=policies.profiles={transfer-tests}", stayed),
            after("uninstall", RELEASE),
            release("install", both),
        ]

    assert [step["access-as-regulated"][1] for step in steps] == [
        *("InForce", "Stayed", "Stayed", "InForce", "Stayed", "Stayed", "Stayed", "InForce")
    ]
    uids = [{name: uid for name, (uid, _) in step.items()} for step in steps]
    assert all(sorted(each) == ["access-as-regulated", "transfer-tests"] for each in uids)
    assert uids == [uids[0]] * len(uids)


def affiliates(policy: dict[str, Any]) -> str:
    """Return the status of the rule that a value switches, or nothing where there is none."""
    status: dict[str, str] = {rule["name"]: rule["status"] for rule in policy["spec"]["rules"]}
    return status.get("affiliates", "")


def test_a_rule_names_what_it_replaces_as_policy_and_rule(installed: Kubectl) -> None:
    rule = {"name": "ours", "basis": {"type": "ProviderPolicy", "title": "x"}, "effect": "Allow", "replaces": "listed"}
    body = {"apiVersion": "computegate.io/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": "own"}}
    refused = installed(
        *("create", "--dry-run=server", "-f", "-"), stdin=json.dumps({**body, "spec": {"rules": [rule]}}), check=False
    )

    assert "spec.rules[0].replaces" in refused.stderr
