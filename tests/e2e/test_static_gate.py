"""Hard mode: the gate as files of the API server's host.  Nothing that the API can delete takes it away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from admission.cli.main import main
from tests.e2e.objects import examples, gpu_pod, namespace, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation, pod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GATES = ("ManifestBasedAdmissionControlConfig",)
COUNTRY, NAME = "DE", "static"
REGISTERED = (
    "validatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
)
UNSIGNED = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "unsigned"},
    "webhooks": [{"name": "enforced.computegate.io", "clientConfig": {"service": {"name": "computegate"}}}],
}


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation whose API server has the gate in files, and no longer in the API."""
    directory = tmp_path_factory.mktemp("static")
    values = {"mutation.hideDevices": "true"}
    plane = ControlPlane(directory / "plane", controllers=["kube-controller-manager"], gates=GATES)
    with plane, Installation(plane, directory / "gate", values=values) as gate:
        rendered, files = directory / "rendered.yaml", directory / "files"
        rendered.write_text(yaml.safe_dump_all(gate.rendered(values)))
        url = f"https://127.0.0.1:{gate.balancer.port}"
        assert main(["static", "-f", str(rendered), "--url", url, "--out", str(files)]) == 0
        plane._flags = (f"--admission-control-config-file={files / 'admission.yaml'}",)
        plane.restart_apiserver()
        world = World(gate)
        world.apply(*examples("policy", "pools"), quota(NAME, COUNTRY, 2), tenant(NAME, COUNTRY), namespace(NAME, NAME))
        for kind in REGISTERED:
            world.kubectl("delete", kind, "--selector=app.kubernetes.io/instance=computegate")
        yield world


def test_without_an_object_in_the_api_the_gate_still_stands(hardened: World) -> None:
    kinds = ",".join(REGISTERED)
    assert hardened.items(kinds, "--selector=app.kubernetes.io/instance=computegate") == []
    hardened.admit(gpu_pod("first", NAME), gpu_pod("second", NAME), pod("plain", NAME, {"cpu": "1"}))
    assert "exceeded quota" in hardened.denial(gpu_pod("third", NAME))
    hidden = hardened.get("pod", "plain", "-n", NAME)["spec"]["containers"][0]["env"]
    assert hidden == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]
    hardened.await_use(NAME, 2)


def test_the_guards_stand_too(hardened: World) -> None:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "ledger-editor"}}
    rule = {"apiGroups": ["computegate.io"], "resources": ["quotaledgers"], "verbs": ["get", "delete"]}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "editor"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ledger-editor"}
    hardened.apply({**rbac, "kind": "ClusterRole", "rules": [rule]})
    hardened.apply({**rbac, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]})
    name = hardened.items("quotaledgers")[0]["metadata"]["name"]
    done = hardened.kubectl("delete", "quotaledger", name, "--dry-run=server", user="editor", check=False)
    assert "needs the verb repair on them" in done.stderr


def test_such_names_cannot_be_taken_in_the_api(hardened: World) -> None:
    named = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    done = hardened.try_create({**named, "metadata": {"name": "computegate.static.k8s.io"}, "webhooks": []})
    assert "reserved for static manifest-based configurations" in done.stderr


def test_with_objects_in_the_api_beside_the_files_a_pod_is_charged_once(hardened: World) -> None:
    hardened.apply(quota("both", "FR", 2), tenant("both", "FR"), namespace("both", "both"))
    hardened.installed.apply()
    intact = lambda: value(hardened.metrics(), "computegate_gate_intact")  # noqa: E731
    eventually(intact, lambda figure: figure == 1)
    hardened.admit(gpu_pod("one", "both"))
    hardened.await_use("both", 1)


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("a: b", [], "no ValidatingWebhookConfiguration"),
        ("a: [", [], "is no YAML"),
        (json.dumps(UNSIGNED), [], "give it in --ca"),
        ("a: b", ["--url", "http://127.0.0.1"], "give an https:// URL"),
        ("a: b", ["--url", "https://10.96.0.50/path"], "give an https:// URL without a path"),
    ],
)
def test_what_cannot_be_made_into_files_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, flags: list[str], words: str
) -> None:
    (tmp_path / "rendered.yaml").write_text(text)
    command = ["static", "-f", str(tmp_path / "rendered.yaml"), "--out", str(tmp_path), "--url", "https://a:1", *flags]
    assert main(command) == 2
    assert words in capsys.readouterr().err
