"""What holds of the chart however it is installed, and that real API servers take what it makes."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.features import FEATURES, RECEIVER
from tests.chart.rendering import CHART, NAMESPACE, RELEASE, Chart, Manifest
from tools.kubectl import Kubectl
from tools.process import binaries

Objects = dict[tuple[str, str], Manifest]
_rendered: dict[str, Objects] = {}

OF_EACH_RENDER = re.compile(r"\b(lookup|rand[A-Z]\w+|gen[A-Z]\w+|now|derivePassword|htpasswd|bcrypt)\b(?! \w+ as)")
"""Functions of Helm with another outcome each time, or none under `helm template` and in Argo CD."""


def rendered(chart: Chart, name: str) -> Objects:
    if name not in _rendered:
        _rendered[name] = chart.render(*FEATURES[name], "--kube-version=1.36.0")
    return _rendered[name]


@pytest.fixture(params=FEATURES, ids=[name.replace(" ", "-") for name in FEATURES])
def objects(request: pytest.FixtureRequest, chart: Chart) -> Objects:
    return rendered(chart, request.param)


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for (kind, name), each in objects.items():
        if kind == "Pod":
            yield name, each["spec"]
        elif kind in {"Deployment", "Job", "CronJob", "DaemonSet", "StatefulSet"}:
            yield name, each["spec"]["template"]["spec"]


def test_helm_lint_is_content_with_everything(chart: Chart) -> None:
    done = chart.run("lint", "--strict", str(CHART), *FEATURES["everything"], "--kube-version=1.36.0")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_pod_runs_our_image_without_privileges_and_with_a_short_lived_token(objects: Objects) -> None:
    for name, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["securityContext"]["runAsNonRoot"] is True
        token = next(v for v in pod["volumes"] if v["name"] == "token")["projected"]["sources"][0]
        assert 600 <= token["serviceAccountToken"]["expirationSeconds"] < 3607
        for container in pod["containers"] + pod.get("initContainers", []):
            assert re.fullmatch(r"(registry\.example\.com:5000/mirror/)?computegate:0\.1\.0", container["image"]), name
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", "kubectl describe says why"
            assert "cpu" in container["resources"]["requests"]
            assert set(container["resources"]["limits"]) == {"memory"}
            assert {
                "name": "token",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "readOnly": True,
            } in (container["volumeMounts"])


def test_every_account_role_and_selector_that_is_named_is_there(objects: Objects) -> None:
    for name, pod in pods(objects):
        account = pod["serviceAccountName"]
        assert account == "existing" or ("ServiceAccount", account) in objects, name
        wanted = {v["name"] for v in pod["volumes"]}
        assert {m["name"] for c in pod["containers"] for m in c["volumeMounts"]} == wanted
    for (kind, name), each in objects.items():
        if kind in {"RoleBinding", "ClusterRoleBinding"}:
            assert (each["roleRef"]["kind"], each["roleRef"]["name"]) in objects, name
            for subject in each["subjects"]:
                assert subject["name"] == "existing" or ("ServiceAccount", subject["name"]) in objects
        if kind == "Deployment":
            selected = each["spec"]["selector"]["matchLabels"].items()
            assert selected <= each["spec"]["template"]["metadata"]["labels"].items()


def test_hooks_leave_nothing_behind_but_the_tests_log(objects: Objects) -> None:
    hooks = {key: o["metadata"]["annotations"] for key, o in objects.items() if is_hook(o)}
    for key, annotations in hooks.items():
        kind = annotations["helm.sh/hook"]
        if key[0] == "AccessPolicy":
            assert (kind, annotations["argocd.argoproj.io/hook-delete-policy"]) == (
                "post-install",
                "HookFailed",
            )
        else:
            kept = "before-hook-creation" if key[0] == "Pod" else "before-hook-creation,hook-succeeded"
            assert (kind, annotations["helm.sh/hook-delete-policy"]) == ("test", kept)


def is_hook(each: Manifest) -> bool:
    return "helm.sh/hook" in each["metadata"].get("annotations", {})


def test_nothing_in_the_templates_differs_from_one_render_to_the_next() -> None:
    found = {
        str(path.relative_to(CHART)): OF_EACH_RENDER.findall(code)
        for path in (CHART / "templates").rglob("*")
        if path.is_file()
        for code in [" ".join(re.findall(r"\{\{-?(?!-? ?/\*)(.*?)\}\}", re.sub(r'"[^"]*"', '""', path.read_text())))]
    }
    assert {name: names for name, names in found.items() if names} == {}


@pytest.fixture
def knowing(installed: Kubectl) -> Iterator[Kubectl]:
    """The control plane with the CustomResourceDefinitions of the Prometheus operator and of cert-manager."""
    foreign = str(binaries("crds.yaml")["crds.yaml"])
    installed("apply", "--server-side", "-f", foreign)
    installed("wait", "--for=condition=Established", "-f", foreign, "--timeout=30s")
    yield installed
    installed("delete", "-f", foreign)


def test_the_api_server_accepts_every_object_of_every_installation(
    knowing: Kubectl, chart: Chart, tmp_path: Path
) -> None:
    ca = knowing("get", "configmap", "kube-root-ca.crt", "-n", "default", "-o", "jsonpath={.data.ca\\.crt}").stdout
    (tmp_path / "ca.crt").write_text(ca)
    unlike: dict[str, None] = {}
    for flags in FEATURES.values():
        given = [f"--set-file=tls.caBundle={tmp_path / 'ca.crt'}" if "caBundle" in flag else flag for flag in flags]
        for each in chart.render(*given, "--kube-version=1.36.0").values():
            if each["metadata"].get("namespace") == f"{RELEASE}-test":
                each["metadata"]["namespace"] = NAMESPACE  # a dry run makes no namespace
            if each["kind"] == "Pod":
                each["spec"]["serviceAccountName"] = "default"  # nor an account
            unlike[yaml.safe_dump(each)] = None
    strictly = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = knowing(*strictly, stdin="---\n".join(unlike))
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(unlike)


POD = "spec/template/spec"
EXACT: list[tuple[str, str, str, str, Any]] = [
    ("defaults", "Deployment", RELEASE, "spec/replicas", 3),
    ("defaults", "Deployment", RELEASE, "spec/strategy/rollingUpdate", {"maxUnavailable": 0, "maxSurge": 1}),
    ("defaults", "Deployment", RELEASE, f"{POD}/priorityClassName", "system-cluster-critical"),
    (
        "defaults",
        "Deployment",
        RELEASE,
        f"{POD}/topologySpreadConstraints/1/topologyKey",
        "topology.kubernetes.io/zone",
    ),
    (
        "defaults",
        "ResourceQuota",
        f"{RELEASE}-priority",
        "spec/scopeSelector/matchExpressions/0/values/0",
        "system-cluster-critical",
    ),
    ("defaults", "PodDisruptionBudget", RELEASE, "spec/maxUnavailable", 1),
    ("defaults", "PodDisruptionBudget", RELEASE, "spec/unhealthyPodEvictionPolicy", "AlwaysAllow"),
    ("on the nodes' network", "Deployment", RELEASE, f"{POD}/hostNetwork", True),
    ("on the nodes' network", "Deployment", RELEASE, f"{POD}/dnsPolicy", "ClusterFirstWithHostNet"),
    (
        "on the nodes' network",
        "Deployment",
        RELEASE,
        "spec/strategy/rollingUpdate",
        {"maxUnavailable": 1, "maxSurge": 0},
    ),
    ("on the nodes' network", "PodDisruptionBudget", RELEASE, "spec/minAvailable", "50%"),
    ("on the nodes' network", "PodDisruptionBudget", RELEASE, "spec/maxUnavailable", None),
    ("on the nodes' network", "PodMonitor", RELEASE, "spec/namespaceSelector/matchNames", [NAMESPACE]),
    ("everything", "NetworkPolicy", RELEASE, "spec/egress/0/to", [{"ipBlock": {"cidr": "10.0.0.1/32"}}]),
    ("everything", "NetworkPolicy", RELEASE, "spec/egress/2/ports/0/port", 3128),
    ("everything", "NetworkPolicy", f"{RELEASE}-screening", "spec/ingress", None),
    ("everything", "NetworkPolicy", f"{RELEASE}-screening", "spec/egress/0/to", [{"ipBlock": {"cidr": "10.0.0.1/32"}}]),
    ("everything", "NetworkPolicy", f"{RELEASE}-screening", "spec/egress/2/ports/0/port", 3129),
    ("everything", "NetworkPolicy", f"{RELEASE}-receiver", "spec/egress/2/ports/0/port", 3128),
    (
        "everything",
        "NetworkPolicy",
        f"{RELEASE}-receiver",
        "spec/ingress/2/from",
        [{"podSelector": {"matchLabels": {"app": "gateway"}}}],
    ),
    ("everything", "Deployment", f"{RELEASE}-receiver", f"{POD}/priorityClassName", "system-node-critical"),
    ("everything", "Deployment", f"{RELEASE}-screening", f"{POD}/priorityClassName", "high"),
    (
        "everything",
        "ResourceQuota",
        f"{RELEASE}-priority",
        "spec/scopeSelector/matchExpressions/0/values",
        ["system-cluster-critical", "system-node-critical"],
    ),
    ("everything", "FlowSchema", RELEASE, "spec/rules/0/subjects/0/serviceAccount/name", RELEASE),
    ("everything", "ValidatingWebhookConfiguration", RELEASE, "metadata/labels/admissions.enforcer~disabled", "yes"),
    ("a platform's ways", "Deployment", RELEASE, f"{POD}/securityContext/runAsUser", None),
    (
        "a platform's ways",
        "Deployment",
        RELEASE,
        f"{POD}/topologySpreadConstraints/0/labelSelector/matchLabels/app.kubernetes.io~name",
        RELEASE,
    ),
    ("a platform's ways", "Deployment", RELEASE, f"{POD}/affinity/podAntiAffinity", None),
    ("a platform's ways", "Deployment", RELEASE, "spec/strategy/rollingUpdate", {"maxUnavailable": "25%"}),
]


@pytest.mark.parametrize("case", EXACT, ids=lambda case: "-".join(case[2:4]))
def test_a_value_stands_where_it_counts(chart: Chart, case: tuple[str, str, str, str, Any]) -> None:
    name, kind, of, path, value = case
    found: Any = rendered(chart, name)[kind, of]
    for key in (each.replace("~", "/") for each in path.split("/")):
        found = found[int(key)] if isinstance(found, list) else (found or {}).get(key)
    assert found == value


def test_affinity_of_the_operator_stands_beside_ours(chart: Chart) -> None:
    pod = chart.render("--set=affinity.nodeAffinity.x=y")["Deployment", RELEASE]["spec"]["template"]["spec"]
    assert set(pod["affinity"]) == {"nodeAffinity", "podAntiAffinity"}
    own = chart.render("--set=affinity.podAntiAffinity.x=y")["Deployment", RELEASE]["spec"]["template"]["spec"]
    assert own["affinity"] == {"podAntiAffinity": {"x": "y"}}


@pytest.mark.parametrize(("asked", "most"), [("3607s", 366 * 86_400), ("3600s", 3700)], ids=["default", "ours"])
def test_a_token_of_the_charts_lasts_as_long_as_it_says_and_a_default_one_a_year(
    installed: Kubectl, asked: str, most: int
) -> None:
    container = {"name": "c", "image": "i"}
    bound = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bound"}, "spec": {"containers": [container]}}
    installed("apply", "--server-side", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump(bound))
    to = ("--bound-object-kind=Pod", "--bound-object-name=bound", f"--duration={asked}")
    token = installed("create", "token", "default", "-n", NAMESPACE, *to).stdout
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert most / 2 < claims["exp"] - claims["iat"] <= most


@pytest.mark.parametrize("name", [RELEASE, f"{RELEASE}-receiver"], ids=["server", "receiver"])
def test_what_a_replica_reads_at_its_start_is_a_part_of_its_pod(chart: Chart, name: str) -> None:
    """An older replica that starts anew, or comes back, must not read what was rendered for a newer version."""
    template = rendered(chart, "everything")["Deployment", name]["spec"]["template"]
    (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "config"]
    (item,) = volume["downwardAPI"]["items"]
    assert item == {"path": "config.yaml", "fieldRef": {"fieldPath": "metadata.annotations['computegate.io/config']"}}
    assert yaml.safe_load(template["metadata"]["annotations"]["computegate.io/config"])["listen"]
    stored = [each for (kind, _), each in rendered(chart, "everything").items() if kind == "ConfigMap"]
    assert [each["metadata"]["name"] for each in stored if "config.yaml" in each["data"]] == []


def test_the_receivers_replicas_stand_apart_and_leave_one_at_a_time(chart: Chart) -> None:
    name = f"{RELEASE}-receiver"
    objects = rendered(chart, "everything")
    pod = objects["Deployment", name]["spec"]["template"]
    spread = pod["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    budget = objects["PodDisruptionBudget", name]["spec"]
    for selector in (budget["selector"], *(each["labelSelector"] for each in spread)):
        assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert ("PodDisruptionBudget", name) not in chart.render(*RECEIVER, "--set=podDisruptionBudget.enabled=false")
