"""What makes pods is sent to the entry that foretells, and nothing else is: rendered, and on a real API server.

There the server is down, so a review that is sent fails open, which the API server counts by the entry's name.
"""

import json
import re
from typing import Any

import pytest
import yaml

from admission.demand.workloads.registration import ELSEWHERE, GONE, rendered
from admission.demand.workloads.table import builtin
from admission.server.settings import read_settings
from tests.chart.conftest import ENFORCED
from tests.chart.rendering import CHART, RELEASE, Chart, Manifest, configuration
from tools.kubectl import Kubectl

RULES = CHART / "files" / "workloads.yaml"
NAME = "workloads.computegate.io"
FLEETS = ('--set-json=workloads.extraRules=[{"apiGroups":["example.com"],"resources":["fleets"]}]',)
KINDS = '[[workload]]\nkinds = ["example.com/Fleet"]\n'


def entry(chart: Chart, *flags: str) -> Manifest | None:
    webhooks = chart.render(*flags)["ValidatingWebhookConfiguration", RELEASE]["webhooks"]
    return next((each for each in webhooks if each["name"] == NAME), None)


def test_the_committed_rules_are_what_the_table_gives() -> None:
    assert RULES.read_text() == rendered(), "run `make workloads`"


def test_every_kind_that_makes_pods_is_sent_and_neither_pods_nor_subresources_are() -> None:
    rules = yaml.safe_load(RULES.read_text())
    for name, kind in builtin().kinds.items():
        group, _, short = name.partition("/")
        if not (kind.other or kind.template or name in ELSEWHERE or group in GONE):
            (resources,) = [rule["resources"] for rule in rules if group in rule["apiGroups"]]
            assert resources == ["*"] or f"{short.lower()}s" in resources, name
    assert not any("pods" in rule["resources"] or "/" in "".join(rule["resources"]) for rule in rules)
    assert not any("." not in group for rule in rules if "*" in rule["resources"] for group in rule["apiGroups"])


def test_the_entry_never_refuses_by_itself_and_sees_every_judged_namespace(chart: Chart) -> None:
    found = entry(chart, *FLEETS)
    assert found is not None
    assert (found["failurePolicy"], found["timeoutSeconds"]) == ("Ignore", 2)
    assert found["clientConfig"]["service"]["path"] == "/validate/workloads"
    (outside,) = found["namespaceSelector"]["matchExpressions"]
    assert (outside["key"], outside["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
    assert [(rule["apiGroups"], rule["resources"]) for rule in found["rules"]][-1] == (["example.com"], ["fleets"])
    assert {(rule["scope"], *rule["operations"]) for rule in found["rules"]} == {("Namespaced", "CREATE", "UPDATE")}
    assert entry(chart, "--set=workloads.enabled=false") is None


def test_the_operators_kinds_reach_the_server_without_a_restart(chart: Chart, tmp_path: Any) -> None:
    given = [chart.render(f"--set-literal=workloads.kinds={text}") for text in (KINDS, KINDS + " # more")]
    config, path = given[0]["ConfigMap", RELEASE]["data"], tmp_path / "config.yaml"
    path.write_text(configuration(given[0]))
    table = read_settings(path).workloads.kinds_file
    assert config["kinds.toml"] == KINDS
    pods = [each["Deployment", RELEASE]["spec"]["template"] for each in given]
    assert pods[0] == pods[1]
    mounts = {each["mountPath"]: each["name"] for each in pods[0]["spec"]["containers"][0]["volumeMounts"]}
    assert table is not None
    assert mounts[str(table.parent)] == "kinds"
    bare = chart.render("--set=workloads.deny=true")
    path.write_text(configuration(bare))
    settings = read_settings(path).workloads
    assert (settings.deny, settings.kinds_file) == (True, None)
    assert [name for name, each in bare.items() if "kinds.toml" in each.get("data", {})] == []


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""], "resources": ["pods"]},
        {"apiGroups": ["*"], "resources": ["*"]},
        {"apiGroups": ["example.com"], "resources": ["*/*"]},
        {"apiGroups": ["example.com"], "resources": ["fleets/scale"]},
        {"apiGroups": ["example.com"]},
    ],
    ids=json.dumps,
)
def test_no_rule_of_the_operator_can_name_pods_or_subresources(chart: Chart, rule: dict[str, Any]) -> None:
    assert "/workloads/extraRules/0" in chart.refusal(f"--set-json=workloads.extraRules=[{json.dumps(rule)}]")


def failed_open(kubectl: Kubectl) -> int:
    """Return how many reviews of the entry did not get an answer so far."""
    exposition = kubectl("get", "--raw", "/metrics").stdout
    counts = re.findall(rf'apiserver_admission_webhook_fail_open_count\{{name="{NAME}".*\}} (\d+)', exposition)
    return sum(map(int, counts))


def apply(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-n", ENFORCED, "-f", "-", stdin=json.dumps(manifest))


def deployment(name: str, *, owner: str = "", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "i"}]}}
    reference = {"apiVersion": "example.com/v1", "kind": "Fleet", "name": owner, "uid": "u", "controller": True}
    metadata = {"name": name, "ownerReferences": [reference] if owner else []}
    selector = {"matchLabels": labels}
    fields = {"replicas": 0, "selector": selector, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": fields}


def test_a_workload_is_sent_when_it_is_created_and_when_its_spec_changes(installed: Kubectl) -> None:
    made = deployment("sent")
    before = failed_open(installed)
    apply(installed, made)
    assert failed_open(installed) == before + 1
    apply(installed, {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    installed("scale", "deployment/sent", "-n", ENFORCED, "--replicas=1")
    installed("delete", "deployment/sent", "-n", ENFORCED, "--cascade=orphan")
    assert failed_open(installed) == before + 1
    apply(installed, deployment("sent"))
    apply(installed, deployment("sent", paused=True))
    assert failed_open(installed) == before + 3


def test_what_a_controller_made_is_not_sent_and_neither_is_a_pod_without_devices(installed: Kubectl) -> None:
    before = failed_open(installed)
    apply(installed, deployment("owned", owner="fleet"))
    plain = {"containers": [{"name": "main", "image": "i", "resources": {"limits": {"cpu": "1"}}}]}
    apply(installed, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": plain})
    template = {"metadata": {"labels": {"app": "t"}}, "spec": plain}
    apply(installed, {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t"}, "template": template})
    assert failed_open(installed) == before
    apply(installed, deployment("running", replicas=1))  # its ReplicaSet and its pod are the controllers'
    installed("wait", "--for=create", "pod", "-l", "app=running", "-n", ENFORCED, "--timeout=30s")
    assert failed_open(installed) == before + 1
