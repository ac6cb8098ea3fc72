"""computegate as Helm installs it in a real cluster, with certificates of its own.

What an operator does to it is a method: install, restart, rotate, upgrade, roll back, uninstall.  Each returns when the
cluster has done it.
"""

import contextlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from tools.controlplane import ControlPlane
from tools.installation import CHART, CONTACT, NAMESPACE
from tools.kubectl import Kubectl
from tools.process import StartError, binaries

NAME = "computegate"
_PATIENCE = 300.0


class Release:
    """A release of the chart in `plane`, from the image `repository:tag`; `values` are further ones of the chart."""

    def __init__(self, plane: ControlPlane, directory: Path, image: str, values: dict[str, Any] | None = None) -> None:
        self.plane, self.kubectl = plane, Kubectl(plane)
        self._directory, self._chart = directory, CHART
        self._directory.mkdir(parents=True, exist_ok=True)
        repository, _, tag = image.rpartition(":")
        self.values = {
            "config": {"mode": "enforce", "contact": CONTACT, "ledger": {"rebuildSeconds": 1, "forTests": True}},
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "tls": {"selfManaged": {"settleSeconds": 5}},
            "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            **(values or {}),
        }

    def install(self) -> None:
        """Install the chart and wait until all replicas are ready."""
        self.helm("install", NAME, self._chart, "--create-namespace", "--wait", "--timeout=180s", *self._valued())

    def upgrade(self, chart: Path | None = None, **values: Any) -> None:
        """Upgrade to a chart and these values, added to those so far, and wait until all replicas are the new ones."""
        self.values |= values
        self._chart = chart or self._chart
        self.helm("upgrade", NAME, self._chart, "--wait", "--timeout=180s", *self._valued())
        self.await_rollout()

    def roll_back(self) -> None:
        """Go back to the revision before."""
        self.helm("rollback", NAME, "--wait", "--timeout=180s")
        self.await_rollout()

    def restart(self) -> None:
        """Replace all replicas, one after the other."""
        self.kubectl("rollout", "restart", f"deployment/{NAME}", "-n", NAMESPACE)
        self.await_rollout()

    @contextlib.contextmanager
    def absent(self) -> Iterator[None]:
        """Have no replica, as if all had died at once."""
        self.scale(0)
        self.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--grace-period=1", "--wait=false")
        self._await("the replicas to be gone", lambda: not self.pods())
        yield
        self.scale(3)
        self.await_rollout()

    def scale(self, replicas: int) -> None:
        """Have so many replicas."""
        self.kubectl("scale", f"deployment/{NAME}", "-n", NAMESPACE, f"--replicas={replicas}")

    def await_rollout(self) -> None:
        """Wait until the replicas are the wanted ones and ready; those before may still serve what they were asked."""
        for _ in range(6):  # a command of ours ends after a minute
            what = ("rollout", "status", f"deployment/{NAME}", "-n", NAMESPACE, "--timeout=50s")
            if self.kubectl(*what, check=False).returncode == 0:
                return
        raise StartError(f"waited {_PATIENCE:.0f} s for the rollout")

    def await_alone(self) -> None:
        """Wait until the replicas before are gone."""
        self._await("the replicas before to be gone", lambda: len(self.pods()) == len(self.living()))

    def rotate(self, what: str) -> None:
        """Have the `certificate` or the `authority` replaced, and wait until every replica serves what came of it."""
        before = self.serials()
        asked = f"computegate.io/rotate={what}"
        self.kubectl("annotate", "secret", f"{NAME}-authority", "-n", NAMESPACE, asked, "--overwrite")
        self.await_renewal(before)

    def await_renewal(self, before: set[int]) -> None:
        """Wait until every replica serves one certificate that is none of those before."""
        self._await("every replica to serve the new certificate", lambda: self._renewed(before))

    def rendered(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the chart renders with these values besides; nothing is installed."""
        settings = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
        return list(yaml.safe_load_all(self.helm("template", NAME, self._chart, *self._valued(), *settings)))

    def test(self) -> str:
        """Run the chart's own tests and return what Helm printed."""
        return self.helm("test", NAME, "--logs")

    def uninstall(self) -> None:
        """Uninstall the release and wait until its pods are gone."""
        self.helm("uninstall", NAME, "--wait", "--timeout=180s")
        self._await("the replicas to be gone", lambda: not self.pods())

    def pods(self) -> list[dict[str, Any]]:
        """Return the replicas' pods."""
        labels = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/name=computegate,!job-name"
        found = self.kubectl("get", "pods", "-n", NAMESPACE, "-l", labels, "-o", "json").stdout
        return list(json.loads(found)["items"])

    def living(self) -> list[dict[str, Any]]:
        """Return the pods of the replicas that were not told to stop."""
        return [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]

    def metrics(self) -> list[str]:
        """Return the metrics of each living replica."""
        paths = (f"pods/{pod['metadata']['name']}:9090/proxy/metrics" for pod in self.living())
        return [self.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/{path}").stdout for path in paths]

    def addresses(self) -> dict[str, str]:
        """Return the replicas' names by their addresses."""
        return {pod["status"]["podIP"]: pod["metadata"]["name"] for pod in self.pods() if pod["status"].get("podIP")}

    def endpoints(self) -> frozenset[str]:
        """Return the names of the pods that the Service leads to."""
        what = ("get", "endpointslices", "-n", NAMESPACE, "-l", f"kubernetes.io/service-name={NAME}", "-o", "json")
        slices = json.loads(self.kubectl(*what).stdout)["items"]
        found = (each for part in slices for each in part.get("endpoints") or () if each["conditions"]["ready"])
        return frozenset(each["targetRef"]["name"] for each in found)

    def service(self) -> str:
        """Return the address of the Service."""
        what = ("get", "service", NAME, "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
        return self.kubectl(*what).stdout

    def helm(self, *arguments: str | Path) -> str:
        """Run helm to its end and return what it printed."""
        homes = {f"HELM_{kind}_HOME": str(self._directory / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [binaries("helm")["helm"], *arguments, "--namespace", NAMESPACE]
        environment = {**os.environ, **homes, "KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise StartError(f"helm {arguments[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def _valued(self) -> list[str]:
        path = self._directory / "values.yaml"
        path.write_text(yaml.safe_dump(self.values))
        return [f"--values={path}"]

    def _renewed(self, before: set[int]) -> bool:
        now = self.serials()
        return len(now) == 1 and not now & before

    def serials(self) -> set[int]:
        """Return the serial numbers of the certificates that the replicas serve."""
        port = int(self.values["config"].get("listen", {}).get("port", 8443))
        found = [ssl.get_server_certificate((pod["status"]["podIP"], port)) for pod in self.living()]
        return {x509.load_pem_x509_certificate(each.encode()).serial_number for each in found}

    def _await(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise StartError(f"waited {_PATIENCE:.0f} s for {what}")
            time.sleep(0.2)
