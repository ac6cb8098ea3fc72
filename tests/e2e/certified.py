"""An installation whose replicas keep an authority of their own, and whom the API server shows a client certificate."""

from __future__ import annotations

import base64
import functools
import json
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.objects import gpu_pod
from tests.loops import Loops
from tools.direct import Direct
from tools.installation import CHART, NAMESPACE, Installation
from tools.process import binaries

if TYPE_CHECKING:
    from pathlib import Path

    from tools.controlplane import ControlPlane

SECRET, NAME = "computegate-authority", "computegate"
API_SERVER = "kube-apiserver-to-webhooks"
"""Common name of the certificate that the API server shows."""

SETTLE = 3
DAYS = {"certificateDays": 90, "authorityDays": 730, "settleSeconds": SETTLE}
LATE = 2.5
"""Seconds by which the watch of an API server may be late, and less than those above."""

_REMOVED = ("Deployment", "PodDisruptionBudget", "ResourceQuota")


def admission_control(directory: Path, certificate: str, key: str) -> Path:
    """Write what makes an API server show a certificate to every webhook; return the file for its flag."""
    user = {"client-certificate": certificate, "client-key": key}
    access = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}
    (directory / "webhooks.kubeconfig").write_text(yaml.safe_dump(access))
    version = "apiserver.config.k8s.io/v1"
    configuration = {
        "apiVersion": version,
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(directory / "webhooks.kubeconfig"),
    }
    plugins = [{"name": "ValidatingAdmissionWebhook", "configuration": configuration}]
    path = directory / "admission.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": version, "kind": "AdmissionConfiguration", "plugins": plugins}))
    return path


class Certified(Installation):
    """The chart in its default `tls.mode`, the Service replaced by the balancer's address."""

    def __init__(self, plane: ControlPlane, directory: Path, *, clients: Path | None = None, **settings: Any) -> None:
        super().__init__(plane, directory, **settings)
        for replica in self.replicas:
            path, folder = replica.directory / "config.yaml", replica.directory / "tls"
            managed = {"secret": SECRET, "names": ["127.0.0.1", "localhost"], "webhookConfigurations": [NAME], **DAYS}
            tls: dict[str, Any] = {"certFile": f"{folder}/tls.crt", "keyFile": f"{folder}/tls.key"}
            tls["selfManaged"] = managed
            if clients is not None:
                tls |= {"clientCaFile": str(clients), "clientNames": [API_SERVER]}
            path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"tls": tls}))
            replica.authority = folder / "ca.crt"

    def rendered(self, values: dict[str, str]) -> list[dict[str, Any]]:
        """Return what the chart renders but for the pods; the API server is to call the balancer."""
        command: list[str | Path] = [binaries("helm")["helm"], "template", "computegate", CHART, "-n", NAMESPACE]
        # The guard and the gate's alarm would take the balancer's address for somebody else's server.
        ours = {"config.mode": self.mode, "test.enabled": "false", "guards.narrowed": "false"}
        for key, value in {**ours, **values}.items():
            command += ["--set", f"{key}={value}"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = [each for each in yaml.safe_load_all(text) if each and each["kind"] not in _REMOVED]
        for each in found:
            for hook in each.get("webhooks", ()):
                path = hook["clientConfig"]["service"]["path"]
                hook["clientConfig"] = {"url": f"https://127.0.0.1:{self.balancer.port}{path}"}
        return found

    def secret(self) -> dict[str, bytes]:
        """Return the Secret's data."""
        found = json.loads(self.kubectl("get", "secret", SECRET, "-n", NAMESPACE, "-o", "json").stdout)
        return {key: base64.b64decode(value) for key, value in found.get("data", {}).items()}

    def configuration(self) -> dict[str, Any]:
        """Return the webhook configuration."""
        shown = self.kubectl("get", "validatingwebhookconfiguration", NAME, "-o", "json")
        return dict(json.loads(shown.stdout))

    def trusted(self) -> set[bytes]:
        """Return what its entries trust."""
        hooks = self.configuration()["webhooks"]
        return {base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in hooks}

    def ask(self, what: str) -> None:
        """Ask for a new certificate or authority."""
        self.kubectl("annotate", "secret", SECRET, "-n", NAMESPACE, f"computegate.io/rotate={what}", "--overwrite")


class Questions(Loops):
    """Asks the API server, from several connections, for accelerator pods that are refused, until the block ends.

    `answers` are ours; `lost` is whatever else was answered.
    """

    def __init__(self, plane: ControlPlane, namespace: str, connections: int = 4) -> None:
        super().__init__(*(functools.partial(self._ask, number) for number in range(connections)))
        self._plane, self._namespace = plane, namespace
        self.answers, self.lost = 0, list[str]()

    def _ask(self, number: int) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods?dryRun=All"
        with Direct(self._plane) as direct:
            while not self.over.is_set():
                answer = direct("POST", path, gpu_pod(f"asked-{number}", self._namespace, 1))
                if "denied the request: [InfoNeeded]" in answer.message:
                    self.answers += 1
                else:
                    self.lost.append(answer.message)


class Newcomers(Loops):
    """Shakes hands with each replica anew, again and again, as an API server would whose watch is late.

    It trusts what stood in the configuration a while ago.  `greeted` counts; `refused` is why it did not believe.
    """

    def __init__(self, gate: Certified) -> None:
        super().__init__(self._greet)
        self._gate = gate
        self.greeted, self.refused = 0, list[str]()

    def _greet(self) -> None:
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{NAME}"
        seen: list[tuple[float, str]] = []
        with Direct(self._gate.plane) as direct:
            while not self.over.is_set():
                hook = direct("GET", path).body["webhooks"][0]
                seen.append((time.monotonic(), base64.b64decode(hook["clientConfig"]["caBundle"]).decode()))
                while len(seen) > 1 and seen[1][0] <= time.monotonic() - LATE:
                    seen.pop(0)
                for replica in self._gate.replicas:
                    self._shake_hands(replica.port, *seen[0])

    def _shake_hands(self, port: int, when: float, trusted: str) -> None:
        context = ssl.create_default_context(cadata=trusted)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLError as error:
            if time.monotonic() - when < SETTLE:  # on a busy machine it may be later than any API server is
                self.refused.append(str(error))
        else:
            self.greeted += 1
