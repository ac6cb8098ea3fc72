"""The gate's own alarm on a real API server: each way to take the gate away, and what is said of it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.enforce.alarm.watch import expected_of
from admission.server.settings import read_settings
from tests.chart.conftest import NOWHERE, without_webhooks
from tests.chart.gate import Gate
from tests.chart.rendering import NAMESPACE, OUTSIDE, RELEASE, Chart, configuration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chart.rendering import Manifest
    from tools.kubectl import Kubectl

WEBHOOK, POLICY, BINDING = (
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
LEDGERS = f"{RELEASE}-ledgers"
ENTRY = "webhooks[enforced.computegate.io]"
GRACE = 60.0
"""Longer than a test waits: what it sees counted without it."""


@pytest.fixture(scope="module")
def objects(installed: Kubectl, chart: Chart) -> dict[tuple[str, str], Manifest]:
    ca = f"--set-file=tls.caBundle={installed.plane.ca}"
    return chart.render(f"--set=webhook.url={NOWHERE}", ca, "--set=config.contact=access@example.com")


@pytest.fixture(scope="module")
def gate(installed: Kubectl) -> Iterator[Gate]:
    with contextlib.closing(Gate(installed, installed.plane.kubeconfig)) as gate:
        yield gate
    with without_webhooks(installed):  # made again by applying: what was replaced keeps what a later apply leaves out
        pass


def entry(operation: str, path: str, value: Any = None) -> str:
    """Return a patch of the entry that denies."""
    return json.dumps([{"op": operation, "path": f"/webhooks/1/{path}".rstrip("/"), "value": value}])


def spec(operation: str, path: str, value: Any = None) -> str:
    return json.dumps([{"op": operation, "path": f"/spec/{path}", "value": value}])


TAMPERINGS = [
    (WEBHOOK, RELEASE, "", "missing", ""),
    (WEBHOOK, RELEASE, entry("remove", ""), "changed", f"{ENTRY} is gone"),
    (WEBHOOK, RELEASE, entry("replace", "failurePolicy", "Ignore"), "changed", 'failurePolicy is "Ignore", not "Fail"'),
    (WEBHOOK, RELEASE, entry("replace", "timeoutSeconds", 1), "changed", f"{ENTRY}.timeoutSeconds is 1, not 10"),
    (WEBHOOK, RELEASE, entry("replace", "matchPolicy", "Exact"), "changed", 'matchPolicy is "Exact", not "Equivalent"'),
    (WEBHOOK, RELEASE, entry("remove", "rules/0"), "changed", f"{ENTRY}.rules is ["),
    (WEBHOOK, RELEASE, entry("replace", "rules/0/operations/0", "UPDATE"), "changed", 'operations[0] is "UPDATE"'),
    (WEBHOOK, RELEASE, entry("replace", "rules/0/scope", "Cluster"), "changed", 'rules[0].scope is "Cluster"'),
    (
        *(WEBHOOK, RELEASE, entry("add", "namespaceSelector/matchLabels", {"a": "b"}), "changed"),
        f'{ENTRY}.namespaceSelector.matchLabels was added: {{"a":"b"}}',
    ),
    (
        *(WEBHOOK, RELEASE, entry("add", "namespaceSelector/matchExpressions/0/values/-", "team-a"), "changed"),
        f"{ENTRY}.namespaceSelector.matchExpressions[0].values is [",
    ),
    (WEBHOOK, RELEASE, entry("add", "objectSelector/matchLabels", {"a": "b"}), "changed", ".objectSelector was added"),
    (
        *(WEBHOOK, RELEASE, entry("add", "matchConditions/-", {"name": "none", "expression": "false"}), "changed"),
        f"{ENTRY}.matchConditions[none] was added",
    ),
    (
        *(WEBHOOK, RELEASE, entry("replace", "matchConditions/1/expression", "false"), "changed"),
        '.matchConditions[can-reach-a-device].expression is "false"',
    ),
    (
        WEBHOOK,
        RELEASE,
        entry("replace", "clientConfig/url", "https://127.0.0.1:10/validate/enforced"),
        "changed",
        "url is",
    ),
    (POLICY, LEDGERS, "", "missing", ""),
    (
        POLICY,
        LEDGERS,
        spec("replace", "validations/0/expression", "true"),
        "changed",
        'validations[0].expression is "true"',
    ),
    (POLICY, LEDGERS, spec("replace", "failurePolicy", "Ignore"), "changed", 'spec.failurePolicy is "Ignore"'),
    (
        *(POLICY, LEDGERS, spec("add", "matchConditions", [{"name": "none", "expression": "false"}]), "changed"),
        "spec.matchConditions was added",
    ),
    (
        *(POLICY, LEDGERS),
        spec(
            "add",
            "matchConstraints/excludeResourceRules",
            [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["quotaledgers"]}],
        ),
        *("changed", "spec.matchConstraints.excludeResourceRules was added"),
    ),
    (BINDING, LEDGERS, "", "missing", ""),
    (BINDING, LEDGERS, spec("replace", "validationActions", ["Audit"]), "changed", 'validationActions[0] is "Audit"'),
    (
        *(BINDING, LEDGERS),
        spec("add", "matchResources", {"namespaceSelector": {"matchLabels": {"a": "b"}}}),
        *("changed", "spec.matchResources was added"),
    ),
]


@pytest.mark.parametrize(
    "tampering",
    TAMPERINGS,
    ids=[f"{kind} {(json.loads(patch)[0]['path'] if patch else 'deleted')}" for kind, _, patch, *_ in TAMPERINGS],
)
def test_what_was_taken_from_the_gate_is_named(
    gate: Gate, objects: dict[tuple[str, str], Manifest], tampering: tuple[str, str, str, str, str]
) -> None:
    kind, name, patch, problem, words = tampering
    gate.until(lambda found: found == frozenset())
    if patch:
        gate.kubectl("patch", kind, name, "--type=json", "-p", patch)
    else:
        gate.kubectl("delete", kind, name)
    (found,) = gate.until(bool)
    assert found[:3] == (kind, name, problem)
    assert words in found.detail
    gate.apply(objects[kind, name])
    gate.until(lambda found: found == frozenset())


def test_a_change_of_a_change_does_not_count_as_intact_between(
    gate: Gate, objects: dict[tuple[str, str], Manifest]
) -> None:
    gate.until(lambda found: found == frozenset())
    gate.told.clear()
    for action in (["Audit"], ["Warn"]):
        gate.kubectl("patch", BINDING, LEDGERS, "--type=json", "-p", spec("replace", "validationActions", action))
        gate.until(lambda found, action=action: bool(found) and action[0] in str(found))  # type: ignore[misc]
    gate.apply(objects[BINDING, LEDGERS])
    gate.until(lambda found: found == frozenset())
    assert [(len(began), len(ended)) for began, ended in gate.told] == [(1, 0), (1, 1), (0, 1)]


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--set=config.mode=enforce", "--set=webhook.bindings=true"), id="enforce"),
        pytest.param(("--set=mutation.hideDevices=true", "--set=deadlines.enabled=true"), id="mutation"),
        pytest.param(("--set=guards.exec=true", "--set=kyc.receiver.enabled=true"), id="more guards"),
    ],
)
def test_an_upgrade_with_new_values_is_intact_and_watched(
    gate: Gate, chart: Chart, objects: dict[tuple[str, str], Manifest], flags: tuple[str, ...]
) -> None:
    receiver = ("--set=kyc.receiver.existingSecret=s", "--set=kyc.receiver.providers[0].name=generic")
    ca = f"--set-file=tls.caBundle={gate.kubectl.plane.ca}"
    version = "--kube-version=1.36.0"
    newer = chart.render(f"--set=webhook.url={NOWHERE}", ca, version, *receiver, *flags)
    admission = [each for each in newer.values() if "admissionregistration" in each["apiVersion"]]
    gate.apply(newer["ConfigMap", f"{RELEASE}-gate"])
    gate.until(bool)  # an upgrade is under way: within the grace that a server allows it
    gate.apply(*admission)
    gate.until(lambda found: found == frozenset())
    added = [each for each in admission if (each["kind"], each["metadata"]["name"]) not in objects]
    for each in added:
        gate.kubectl("delete", each["kind"], each["metadata"]["name"])
    wanted = {(each["kind"], each["metadata"]["name"], "missing") for each in added}
    gate.until(lambda found: found is not None and {each[:3] for each in found} == wanted)
    gate.apply(*(each for each in objects.values() if "admissionregistration" in each["apiVersion"]))
    gate.apply(objects["ConfigMap", f"{RELEASE}-gate"])
    gate.until(lambda found: found == frozenset())


def test_what_is_taken_away_for_a_moment_is_told(installed: Kubectl, objects: dict[tuple[str, str], Manifest]) -> None:
    ahead = [0.0]
    with contextlib.closing(
        Gate(installed, installed.plane.kubeconfig, GRACE, clock=lambda: time.monotonic() + ahead[0])
    ) as gate:
        gate.until(lambda found: found == frozenset())
        ahead[0] = GRACE  # nothing was installed lately
        for change in (
            ("delete", WEBHOOK, RELEASE),
            ("patch", WEBHOOK, RELEASE, "--type=json", "-p", entry("replace", "failurePolicy", "Ignore")),
        ):
            gate.kubectl(*change)
            gate.until(bool)
            gate.apply(objects[WEBHOOK, RELEASE])
            gate.until(lambda found: found == frozenset())
    assert [([each.problem for each in began], len(ended)) for began, ended in gate.told] == [
        (["missing"], 0),
        ([], 1),
        (["changed"], 0),
        ([], 1),
    ]
    assert gate.watch is not None
    assert gate.watch.breaks == 2


def test_without_knowing_what_was_installed_it_is_not_intact(
    gate: Gate, objects: dict[tuple[str, str], Manifest]
) -> None:
    gate.until(lambda found: found == frozenset())
    config = f"{RELEASE}-gate"
    broken = ("patch", "configmap", config, "--type=merge", "-p", '{"data":{"expected.json":"["}}')
    for words, change in (("there is none", ("delete", "configmap", config)), ("DecodeError", broken)):
        gate.kubectl(*change, "-n", NAMESPACE)
        (found,) = gate.until(bool)
        assert found[:3] == ("ConfigMap", config, "unseen")
        assert words in found.detail
        gate.apply(objects["ConfigMap", config])
        gate.until(lambda found: found == frozenset())


def test_who_may_not_write_the_configuration_cannot_have_the_alarm_look_for_less(
    gate: Gate, objects: dict[tuple[str, str], Manifest]
) -> None:
    kubectl, config = gate.kubectl, f"{RELEASE}-gate"
    gate.until(lambda found: found == frozenset())
    for user, role in (("gates-nobody", "edit"), ("gates-admin", "cluster-admin")):
        kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", NAMESPACE)
    kubectl("create", "clusterrolebinding", "gates-admin", "--clusterrole=cluster-admin", "--user=gates-admin")
    patch = ("patch", "configmap", config, "-n", NAMESPACE, "--type=merge", "-p")
    less = kubectl(*patch, '{"data":{"expected.json":"[]"}}', "--as=gates-nobody", check=False)
    words = f"what computegate's alarm looks for is written by who may write the webhook configuration {RELEASE}"
    assert words in less.stderr
    kubectl("delete", "configmap", config, "-n", NAMESPACE, "--as=gates-nobody")
    made = json.dumps(objects["ConfigMap", config])
    assert words in kubectl("create", "-f", "-", "--as=gates-nobody", stdin=made, check=False).stderr
    kubectl("create", "-f", "-", "--as=gates-admin", stdin=made)
    kubectl(*patch, '{"metadata":{"annotations":{"a":"b"}}}', "--as=gates-admin")
    gate.apply(objects["ConfigMap", config])
    gate.until(lambda found: found == frozenset())


def test_who_is_on_call_cannot_write_what_the_alarm_looks_for(chart: Chart) -> None:
    rules = chart.render()["Role", f"{RELEASE}-oncall"]["rules"]
    writable = [rule.get("resourceNames") for rule in rules if {"update", "patch", "delete"} & set(rule["verbs"])]
    assert writable == [[f"{RELEASE}-off"]]


def test_who_may_not_look_does_not_call_it_intact(installed: Kubectl) -> None:
    with contextlib.closing(Gate(installed, installed.plane.kubeconfig_for("may-see-nothing"))) as blind:
        (found,) = blind.until(bool)
    assert found == ("ConfigMap", f"{RELEASE}-gate", "unseen", "it cannot be read")


@pytest.mark.parametrize("flags", [(), OUTSIDE, ("--set=guards.enabled=false",), ("--set=guards.exec=true",)])
def test_everything_that_admission_rests_on_is_expected(chart: Chart, flags: tuple[str, ...]) -> None:
    rendered = chart.render("--set=mutation.hideDevices=true", "--kube-version=1.36.0", *flags)
    expected = json.loads(rendered["ConfigMap", f"{RELEASE}-gate"]["data"]["expected.json"])
    kept = {(each["kind"], each["name"]): {k: v for k, v in each.items() if k != "name"} for each in expected}
    assert kept == {
        key: {part: value for part, value in each.items() if part != "metadata"}
        for key, each in rendered.items()
        if each["apiVersion"].startswith("admissionregistration.k8s.io/")
    }


def test_a_replica_is_told_the_digest_of_what_its_release_installed(chart: Chart) -> None:
    for flags in ((), ("--set=guards.exec=true",)):
        rendered = chart.render(*flags)
        expected = expected_of(json.dumps(rendered["ConfigMap", f"{RELEASE}-gate"]).encode())
        assert yaml.safe_load(configuration(rendered))["gate"]["digest"] == expected.digest


def test_what_is_expected_fits_into_a_config_map(chart: Chart) -> None:
    rendered = chart.render("--set=mutation.hideDevices=true", "--kube-version=1.36.0", "--set=guards.exec=true")
    assert len(yaml.safe_dump(rendered["ConfigMap", f"{RELEASE}-gate"])) < 512 * 1024


def test_what_the_replicas_are_given_is_known_to_the_gate_by_its_digest(chart: Chart, tmp_path: Path) -> None:
    """Downward API and YAML hand the annotation over byte by byte, whatever stands in it."""
    rendered = chart.render("--set=config.contact=<a> & 'b'", "--set=record.onFailure=Deny")
    file = tmp_path / "config.yaml"
    file.write_text(configuration(rendered))
    assert read_settings(file).digest == rendered["ConfigMap", f"{RELEASE}-gate"]["data"]["settings.sha256"]
    outside = chart.render(*OUTSIDE)["ConfigMap", f"{RELEASE}-gate"]["data"]
    assert [*outside] == ["expected.json"], "a server of your own is given its settings by you"
