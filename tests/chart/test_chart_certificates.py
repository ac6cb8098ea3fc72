"""Where the chart has its certificates from; and what Helm itself does to those that the server keeps."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.server.keyring import Leaf
from admission.server.rotation import Rotation
from admission.server.selfsigned import Authority
from admission.server.settings import read_settings
from tests.chart.rendering import CHART, NAMESPACE, PEM, PROVIDED, RELEASE, Chart, Manifest, configuration
from tests.cluster.scripted import connected
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from admission.server.settings import SelfManaged

WEBHOOK = ("ValidatingWebhookConfiguration", RELEASE)
SECRET = f"{RELEASE}-authority"
CLIENTS = (f"--set-literal=tls.clientCA={PEM}", "--set=tls.clientNames={kube-apiserver}")
CERT_MANAGER = ("--set=tls.mode=certManager",)


def server_settings(objects: dict[tuple[str, str], Manifest], tmp_path: Path) -> Any:
    path = tmp_path / "config.yaml"
    path.write_text(configuration(objects))
    return read_settings(path).tls


def volume(objects: dict[tuple[str, str], Manifest], name: str) -> dict[str, Any]:
    pod = objects["Deployment", RELEASE]["spec"]["template"]["spec"]
    (found,) = [each for each in pod["volumes"] if each["name"] == name]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == name]
    return {**found, "written": not mount.get("readOnly", False)}


def granted(objects: dict[tuple[str, str], Manifest], kind: str, resource: str) -> list[tuple[Any, list[str]]]:
    """Return for which names what may be done to a resource, but for the key of references, and for looking on."""
    return [
        (rule.get("resourceNames"), rule["verbs"])
        for rule in objects[kind, RELEASE]["rules"]
        if resource in rule["resources"] and rule.get("resourceNames") != [f"{RELEASE}-reference"]
        if rule["verbs"] != ["get", "list", "watch"]
    ]


def test_by_default_the_server_keeps_a_secret_that_the_chart_leaves_empty(chart: Chart, tmp_path: Path) -> None:
    objects = chart.render("--set=tls.selfManaged.certificateDays=30", "--set=reference.existingSecret=hmac")
    assert not {kind for kind, _ in objects} & {"Certificate", "Issuer"}
    assert {"data", "stringData"} & set(objects["Secret", SECRET]) == set()
    assert all("caBundle" not in each["clientConfig"] for each in objects[WEBHOOK]["webhooks"])
    assert "cert-manager.io/inject-ca-from" not in objects[WEBHOOK]["metadata"]["annotations"]
    tls = server_settings(objects, tmp_path)
    managed: SelfManaged = tls.self_managed
    assert (managed.secret, managed.webhook_configurations) == (SECRET, [RELEASE])
    assert (managed.names[0], managed.certificate_days) == (f"{RELEASE}.{NAMESPACE}.svc", 30)
    assert volume(objects, "tls") == {
        "name": "tls",
        "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"},
        "written": True,
    }


def test_the_server_may_touch_its_own_secret_and_configuration_and_no_others(chart: Chart) -> None:
    objects = chart.render("--set=reference.existingSecret=hmac")
    assert granted(objects, "Role", "secrets") == [([SECRET], ["get", "update"])]
    assert granted(objects, "ClusterRole", "validatingwebhookconfigurations") == [([RELEASE], ["get", "patch"])]


@pytest.mark.parametrize("flags", [PROVIDED, CERT_MANAGER], ids=["provided", "cert-manager"])
def test_without_an_authority_of_our_own_no_such_right_is_asked_for(
    chart: Chart, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    objects = chart.render(*flags, "--set=reference.existingSecret=hmac")
    assert granted(objects, "Role", "secrets") == []
    assert granted(objects, "ClusterRole", "validatingwebhookconfigurations") == []
    assert ("Secret", SECRET) not in objects
    tls = server_settings(objects, tmp_path)
    assert (tls.self_managed, tls.server_name) == (None, f"{RELEASE}.{NAMESPACE}.svc")
    assert (volume(objects, "tls")["written"], "secret" in volume(objects, "tls")) == (False, True)


def test_clients_are_asked_for_a_certificate_where_a_ca_is_given(chart: Chart, tmp_path: Path) -> None:
    objects = chart.render(*CLIENTS)
    tls = server_settings(objects, tmp_path)
    assert (str(tls.client_ca_file), tls.client_names) == ("/etc/computegate/clients/ca.crt", ["kube-apiserver"])
    assert volume(objects, "clients")["configMap"]["items"] == [{"key": "clients.crt", "path": "ca.crt"}]
    assert objects["ConfigMap", RELEASE]["data"]["clients.crt"] == PEM
    plain = server_settings(chart.render(), tmp_path)
    assert (plain.client_ca_file, plain.client_names) == (None, [])


@pytest.mark.parametrize("flags", [CERT_MANAGER, CLIENTS], ids=["cert-manager", "clients"])
def test_helm_lint_takes_every_source_of_certificates(chart: Chart, flags: tuple[str, ...]) -> None:
    done = chart.run("lint", "--strict", str(CHART), *flags)
    assert done.returncode == 0, done.stdout + done.stderr


class Release:
    """A release of the chart, made by helm on a control plane of its own."""

    def __init__(self, chart: Chart, plane: ControlPlane) -> None:
        self._chart, self._plane, self.kubectl = chart, plane, Kubectl(plane)

    @property
    def ca(self) -> str:
        """An authority that is not ours."""
        return self._plane.ca.read_text()

    def try_helm(self, *arguments: str) -> str:
        """Return why helm fails, or nothing."""
        done = self._chart.run(*arguments, f"--namespace={NAMESPACE}", f"--kubeconfig={self._plane.kubeconfig}")
        return done.stderr if done.returncode else ""

    def helm(self, *arguments: str) -> None:
        assert self.try_helm(*arguments) == ""

    def rotate(self, settings: SelfManaged) -> str:
        """Do what the leading replica does, until nothing is left to do; return what is in its way."""

        async def go() -> str:
            async with connected(self._plane.kubeconfig) as client:
                rotation = Rotation(client, NAMESPACE, settings, lambda: dt.datetime.now(dt.UTC))
                while await rotation.once():
                    pass
                return rotation.problem

        return asyncio.run(go())

    def kept(self) -> tuple[dict[str, str], set[bytes]]:
        """Return the Secret's data, and what the entries of the configuration trust."""
        secret = json.loads(self.kubectl("get", "secret", SECRET, "-n", NAMESPACE, "-o", "json").stdout)
        shown = self.kubectl("get", "validatingwebhookconfiguration", RELEASE, "-o", "json").stdout
        trusted = {base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in json.loads(shown)["webhooks"]}
        return secret.get("data", {}), trusted

    def entries(self) -> list[str]:
        """Return the names of the configuration's entries."""
        shown = self.kubectl("get", "validatingwebhookconfiguration", RELEASE, "-o", "json").stdout
        return [each["name"] for each in json.loads(shown)["webhooks"]]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, chart: Chart) -> Iterator[Release]:
    with ControlPlane(tmp_path_factory.mktemp("helm-plane"), controllers=[]) as plane:
        yield Release(chart, plane)


@pytest.mark.parametrize("applied", ["server", "client"])
def test_helm_leaves_alone_what_the_server_keeps(chart: Chart, release: Release, tmp_path: Path, applied: str) -> None:
    """By Helm 4's server-side apply, and by the three-way merge of Helm 3, which it does as well."""
    how = f"--server-side={'true' if applied == 'server' else 'false'}"
    release.helm("install", RELEASE, str(CHART), "--create-namespace", how)
    assert release.kept() == ({}, {b""})
    settings = server_settings(chart.render(), tmp_path)
    assert release.rotate(settings.self_managed) == ""
    kept = release.kept()
    assert kept[1] == {base64.b64decode(kept[0]["ca.crt"])}
    for arguments in (
        ("upgrade", RELEASE, str(CHART), how, "--set=replicas=5", "--set=webhook.enforced.timeoutSeconds=9"),
        ("rollback", RELEASE, "1", how),
        ("upgrade", RELEASE, str(CHART), how, "--set=workloads.enabled=false"),
    ):
        release.helm(*arguments)
        assert release.kept() == kept, arguments
    assert release.entries() == ["observed.computegate.io", "enforced.computegate.io", "objects.computegate.io"]
    release.kubectl("delete", "secret", SECRET, "-n", NAMESPACE)
    release.helm("upgrade", RELEASE, str(CHART), how, "--set=workloads.enabled=true")
    assert release.kept() == ({}, kept[1] | {b""}), (
        "the entry that is new is the server's to tell, as is the Secret to fill"
    )
    assert release.rotate(settings.self_managed) == ""
    assert len(release.entries()) == 4
    assert release.kept()[1] == {base64.b64decode(release.kept()[0]["ca.crt"])} != kept[1]
    release.helm("uninstall", RELEASE)
    gone = release.kubectl("get", "secret,validatingwebhookconfiguration", SECRET, "-n", NAMESPACE, check=False)
    assert "NotFound" in gone.stderr, "nothing of it stays behind"


def test_from_our_authority_to_a_given_certificate_both_are_trusted_meanwhile(
    chart: Chart, release: Release, tmp_path: Path
) -> None:
    """As docs/certificates.md says: a replica of either kind may be asked until the last old one has left."""
    release.helm("install", RELEASE, str(CHART), "--create-namespace")
    settings = server_settings(chart.render(), tmp_path)
    assert release.rotate(settings.self_managed) == ""
    both = base64.b64decode(release.kept()[0]["ca.crt"]).decode() + release.ca
    (tmp_path / "both.crt").write_text(both)
    given = ("--set=tls.mode=provided", "--set=tls.existingSecret=serving")
    upgrade = ("upgrade", RELEASE, str(CHART), *given, f"--set-file=tls.caBundle={tmp_path}/both.crt")
    assert "clientConfig.caBundle" in release.try_helm(*upgrade), "a conflict with what the replicas wrote"
    release.helm(*upgrade, "--force-conflicts")
    assert release.rotate(settings.self_managed) != "", "an old replica that still leads has no Secret any more"
    shown = release.kubectl("get", "validatingwebhookconfiguration", RELEASE, "-o", "json").stdout
    trusted = {each["clientConfig"]["caBundle"] for each in json.loads(shown)["webhooks"]}
    assert trusted == {base64.b64encode(both.encode()).decode()}
    release.helm("uninstall", RELEASE)


@pytest.mark.parametrize("mode", ["selfManaged", "certManager"])
def test_further_names_and_addresses_stand_in_the_certificate(chart: Chart, tmp_path: Path, mode: str) -> None:
    objects = chart.render(f"--set=tls.mode={mode}", "--set=tls.extraNames={10.96.0.50,FD00::0001,gate.example.com}")
    service = f"{RELEASE}.{NAMESPACE}.svc"
    if mode == "certManager":
        spec = objects["Certificate", RELEASE]["spec"]
        assert spec["dnsNames"] == [service, f"{service}.cluster.local", "gate.example.com"]
        assert spec["ipAddresses"] == ["10.96.0.50", "FD00::0001"]
        return
    names = server_settings(objects, tmp_path).self_managed.names
    assert names == [service, f"{service}.cluster.local", "10.96.0.50", "fd00::1", "gate.example.com"]
    authority = Authority.make(now := dt.datetime.now(dt.UTC))
    leaf = Leaf(*authority.issue(names, now))
    assert leaf.serves(names, [authority.certificate], now), "else it would be made anew without end"
