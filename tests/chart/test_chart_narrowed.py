"""While the webhook's configuration covers less than was installed, the API server refuses what it no longer sends."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.conftest import ENFORCED, NOWHERE
from tests.chart.rendering import NAMESPACE, OUTSIDE, RELEASE, Chart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.rendering import Manifest
    from tools.kubectl import Kubectl

PATIENCE = 30.0
SENT = 'failed calling webhook "enforced.computegate.io"'
NARROWED = "computegate is not asked about this, as its webhook configuration was changed: "
WEBHOOK = ("validatingwebhookconfiguration", RELEASE)


def pod(**limits: str) -> Manifest:
    container = {"name": "c", "image": "i", "resources": {"limits": limits}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {"containers": [container]}}


GPU, PLAIN = pod(**{"nvidia.com/gpu": "1"}), pod(cpu="1")


def tried(kubectl: Kubectl, manifest: Manifest, namespace: str = ENFORCED) -> str:
    """Return the refusal of a pod in a namespace; empty where it would be created."""
    flags = ("create", "--dry-run=server", "-n", namespace, "-f", "-")
    return kubectl(*flags, stdin=json.dumps(manifest), check=False).stderr


def until(kubectl: Kubectl, words: str, manifest: Manifest = GPU) -> None:
    """Wait until a pod of the enforced namespace is refused in these words, or is created where there are none."""
    end = time.monotonic() + PATIENCE
    while words not in (said := tried(kubectl, manifest)) or bool(words) != bool(said):
        assert time.monotonic() < end, said


@pytest.fixture
def restored(installed: Kubectl, chart: Chart) -> Iterator[Kubectl]:
    """The chart's plane, whose webhook configuration and binding are as installed before and after."""
    yield installed
    ca = f"--set-file=tls.caBundle={installed.plane.ca}"
    rendered = chart.render(f"--set=webhook.url={NOWHERE}", ca, "--set=config.contact=access@example.com")
    for kind in ("ValidatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding"):
        name = RELEASE if kind.endswith("Configuration") else f"{RELEASE}-narrowed"
        installed("delete", kind, name, check=False)
        installed("create", "-f", "-", stdin=json.dumps(rendered[kind, name]))
    until(installed, SENT)


def patched(path: str, value: Any = None, operation: str = "replace") -> str:
    return json.dumps([{"op": operation, "path": f"/webhooks/1{path}", "value": value}])


@pytest.mark.parametrize(
    ("patch", "lacks"),
    [
        (patched("", operation="remove"), "its entry enforced.computegate.io is gone"),
        (patched("/failurePolicy", "Ignore"), "its failurePolicy is not Fail"),
        (patched("/objectSelector", {"matchLabels": {"gpu": "judged"}}), "it has an objectSelector"),
        (patched("/matchPolicy", "Exact"), "its matchPolicy is not Equivalent"),
        (patched("/rules/0", operation="remove"), "its rules do not name this request"),
        (patched("/rules/0/operations", ["UPDATE"]), "its rules do not name this request"),
        (patched("/rules/0/scope", "Cluster"), "its rules do not name this request"),
        (
            patched("/namespaceSelector/matchExpressions/0/values/-", ENFORCED, "add"),
            "its namespaceSelector does not select this namespace",
        ),
        (
            patched("/namespaceSelector/matchLabels", {"team": "b"}, "add"),
            "its namespaceSelector does not select this namespace",
        ),
        (
            patched("/matchConditions/-", {"name": "none", "expression": "false"}, "add"),
            "its matchConditions are not those that were installed",
        ),
        (patched("/clientConfig/url", "https://127.0.0.1:9/validate/observed"), "it asks another server"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
def test_accelerators_are_refused_and_everything_else_is_not(restored: Kubectl, patch: str, lacks: str) -> None:
    until(restored, SENT)
    restored("patch", *WEBHOOK, "--type=json", "-p", patch)
    until(
        restored, f"{NARROWED}{lacks}; retrying helps when it is restored; ask the cluster's operator for it (access@"
    )
    assert tried(restored, PLAIN) == ""
    assert NARROWED not in tried(restored, GPU, "default"), "a namespace that is not enforced"


def test_a_selector_that_still_selects_the_namespace_is_none_the_less_enough(restored: Kubectl) -> None:
    until(restored, SENT)
    more = [{"key": "team", "operator": "DoesNotExist"}, {"key": "computegate.io/mode", "operator": "Exists"}]
    for each in more:
        restored("patch", *WEBHOOK, "--type=json", "-p", patched("/namespaceSelector/matchExpressions/-", each, "add"))
    assert SENT in tried(restored, GPU)
    restored("patch", *WEBHOOK, "--type=json", "-p", patched("/timeoutSeconds", 1))
    assert SENT in tried(restored, GPU)


def test_an_upgrade_that_is_under_way_refuses_nothing(restored: Kubectl) -> None:
    until(restored, SENT)
    restored("annotate", *WEBHOOK, "--overwrite", "computegate.io/rendered=another")
    newer = {"name": "newer", "expression": "true"}
    restored("patch", *WEBHOOK, "--type=json", "-p", patched("/matchConditions/-", newer, "add"))
    assert SENT in tried(restored, GPU)
    restored("annotate", *WEBHOOK, "computegate.io/rendered-")
    until(restored, NARROWED)


def test_without_the_configuration_pods_start_unless_that_is_asked_for(restored: Kubectl) -> None:
    until(restored, SENT)
    restored("delete", *WEBHOOK)
    until(restored, "")
    binding = ("validatingadmissionpolicybinding", f"{RELEASE}-narrowed")
    deny = '{"spec":{"paramRef":{"parameterNotFoundAction":"Deny"}}}'
    restored("patch", *binding, "--type=merge", "-p", deny)
    until(restored, "no params found for policy binding with `Deny` parameterNotFoundAction", PLAIN)
    assert "no params found" in tried(restored, GPU)
    assert tried(restored, PLAIN, "kube-system") == "", "and none is refused where nothing is enforced"
    assert tried(restored, PLAIN, NAMESPACE) == "", "least of all our own"
    restored("delete", *binding)
    until(restored, "", PLAIN)


@pytest.mark.parametrize(("flag", "action"), [("false", "Allow"), ("true", "Deny")])
def test_blocking_is_a_value_of_the_chart(chart: Chart, flag: str, action: str) -> None:
    rendered = chart.render(f"--set=guards.blockWhenMissing={flag}", *OUTSIDE)
    binding = rendered["ValidatingAdmissionPolicyBinding", f"{RELEASE}-narrowed"]
    assert binding["spec"]["paramRef"] == {"name": RELEASE, "parameterNotFoundAction": action}


def test_blocking_without_the_guard_is_refused(chart: Chart) -> None:
    words = "guards.blockWhenMissing is a part of guards.narrowed"
    assert words in chart.refusal("--set=guards.blockWhenMissing=true", "--set=guards.narrowed=false", *OUTSIDE)


def test_the_guard_knows_the_service_that_is_asked(chart: Chart) -> None:
    variables = chart.render()["ValidatingAdmissionPolicy", f"{RELEASE}-narrowed"]["spec"]["variables"]
    lacks = {each["name"]: each["expression"] for each in variables}["lacks"]
    for words in (f"name.orValue('') != \"{RELEASE}\"", f'"{NAMESPACE}"', '"/validate/enforced"', "!= 443"):
        assert words in lacks
