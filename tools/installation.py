"""computegate as it is installed in a cluster: the chart's objects, and replicas of the real server beside them.

The replicas run as processes on loopback, under the ServiceAccount's name and with its rights, behind a balancer
that stands in for the Service: there is no kubelet to run pods.
"""

import contextlib
import http.client
import json
import os
import random
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import yaml

from tools.authority import Certificate
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl
from tools.ports import free_ports
from tools.process import Process, StartError, binaries

NAMESPACE = "computegate-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:computegate"
ACCOUNT_GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
CONTACT = "compute-access@example.com"
CHART = Path(__file__).parent.parent / "charts" / "computegate"
_START_SECONDS = 60.0


class Replica:
    """One server process.  With `wired`, it reaches the API server through `wire`, whose weather can be bad.

    `environment` is what it has besides our own, from its next start on.
    """

    def __init__(
        self,
        plane: ControlPlane,
        directory: Path,
        certificate: Certificate,
        settings: dict[str, Any],
        *,
        wired: bool = False,
    ) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port, self.metrics_port = free_ports(2)
        config = {
            "contact": CONTACT,
            "drainSeconds": 1,
            "keepSeconds": 0,
            "listen": {
                "host": "127.0.0.1",
                "port": self.port,
                "metricsHost": "127.0.0.1",
                "metricsPort": self.metrics_port,
            },
            "tls": {"certFile": str(certificate.certificate), "keyFile": str(certificate.key)},
            **settings,
        }
        self._config = self.directory / "config.yaml"
        self._config.write_text(yaml.safe_dump(config))
        self.wire = Balancer([urlsplit(plane.server).port or 443]) if wired else None
        self.kubeconfig = plane.kubeconfig_for(ACCOUNT, ACCOUNT_GROUPS)
        if self.wire is not None:
            access = self.kubeconfig.read_text().replace(plane.server, f"https://127.0.0.1:{self.wire.port}")
            self.kubeconfig = self.directory / "kubeconfig"
            self.kubeconfig.write_text(access)
        self.authority = self.directory / "ca.crt"
        self.authority.write_text(certificate.authority)
        self.record = self.directory / "record.jsonl"
        self.log = self.directory / "log.txt"
        self.popen: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        self.program = ["-m", "admission.cli.main"]
        """What of Python's arguments stands before those of the server."""

    @property
    def review_url(self) -> str:
        """Where it answers reviews of enforced namespaces."""
        return f"https://127.0.0.1:{self.port}/validate/enforced"

    @contextlib.contextmanager
    def configured(self, **settings: Any) -> Iterator[None]:
        """Other settings, of what starts while the block lasts."""
        before = self._config.read_text()
        self._config.write_text(yaml.safe_dump({**yaml.safe_load(before), **settings}))
        try:
            yield
        finally:
            self._config.write_text(before)

    def start(self) -> None:
        """Start the process; `wait` waits until it is ready."""
        command = [sys.executable, *self.program, "serve"]
        command += ["--config", str(self._config), "--kubeconfig", str(self.kubeconfig)]
        named = {"POD_NAMESPACE": NAMESPACE, "POD_NAME": self.directory.name}
        environment = {**os.environ, **named, **self.environment}
        with self.record.open("ab") as record, self.log.open("ab") as log:
            self.popen = subprocess.Popen(command, stdout=record, stderr=log, env=environment, process_group=0)

    def wait(self) -> None:
        """Wait until /readyz says ok."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self.popen is None or self.popen.poll() is not None:
                break
            if self.get("/readyz") == "ok":
                return
            time.sleep(0.1)
        why = f"{self.get('/readyz')}\n{self.log.read_text()[-3000:]}"
        raise StartError(f"{self.directory.name} not ready: {why}")

    def get(self, path: str) -> str:
        """Return what a path of the TLS port answers, whatever its status, or "" while nobody listens there."""
        with contextlib.suppress(OSError):
            context = ssl.create_default_context(cafile=self.authority)
            request = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)
            with contextlib.closing(request):
                request.request("GET", path)
                return request.getresponse().read().decode().strip()
        return ""

    def metrics(self) -> str:
        """Return the exposition."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def records(self) -> list[dict[str, Any]]:
        """Return the decision record so far."""
        lines = map(json.loads, self.record.read_text().splitlines())
        return [line for line in lines if line["schema"] == "computegate.io/decision/v1"]

    def stop(self) -> None:
        """End it politely, then by force."""
        if self.popen is not None and self.popen.poll() is None:
            Process("computegate", self.popen, self.log).stop()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()


class Weather(NamedTuple):
    """What becomes of answers on their way back: held up for `delay` seconds, lost with the chance `loss`.

    With an answer its connection is lost, as TLS allows no gap: cut at once, or, with `silent`, left open and mute.
    """

    delay: float = 0.0
    loss: float = 0.0
    silent: bool = False


class Balancer:
    """Hands each new connection to the next backend in turn, as kube-proxy does without session affinity.

    Once `backends` is set anew, no connection goes to a former one any more: it is decided as one step, as by a kernel.
    """

    def __init__(self, backends: list[int] | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._backends: list[int] = backends or []
        self._connecting = threading.Lock()
        self.weather = Weather()
        self.connections = 0
        self._carried: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def backends(self) -> list[int]:
        """The ports on loopback that new connections go to."""
        return self._backends

    @backends.setter
    def backends(self, ports: list[int]) -> None:
        with self._connecting:
            self._backends = ports

    def close(self) -> None:
        """Accept nothing any more."""
        self._listener.close()

    def cut(self) -> None:
        """End all connections, those too that are mute, as a router does that was started anew."""
        for client in tuple(self._carried):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        self._carried.add(client)
        with client, contextlib.suppress(OSError), self._connected() as server:
            _pump(client, server, lambda: self.weather)
        self._carried.discard(client)

    def _connected(self) -> socket.socket:
        """Return a connection to the next backend; raises ``OSError`` where there is none."""
        with self._connecting:
            self.connections += 1
            if not self._backends:
                raise ConnectionRefusedError
            return socket.create_connection(("127.0.0.1", self._backends[self.connections % len(self._backends)]))


def _pump(client: socket.socket, server: socket.socket, weather: Callable[[], Weather]) -> None:
    """Carry bytes both ways until either side ends, or the weather ends it."""
    mute = False
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]  # we registered sockets
                data = source.recv(65536)
                now = weather() if source is server else Weather()
                lost = bool(now.loss) and random.random() < now.loss  # noqa: S311  chance, no secret
                mute = mute or (lost and now.silent)
                if not data or (lost and not mute):
                    return
                time.sleep(now.delay)
                if not (mute and source is server):
                    key.data.sendall(data)


class Installation:
    """The chart's objects in a control plane, and replicas serving them.  A context manager."""

    def __init__(
        self,
        plane: ControlPlane,
        directory: Path,
        *,
        mode: str = "enforce",
        replicas: int = 1,
        ledger: dict[str, float] | None = None,
        values: dict[str, str] | None = None,
        server: dict[str, Any] | None = None,
        wired: bool = False,
    ) -> None:
        self.plane, self.directory = plane, directory
        self.kubectl = Kubectl(plane)
        self.mode = mode
        self._values = values or {}
        self.balancer = Balancer()
        certificate = plane.issue("computegate", ("localhost", "127.0.0.1", f"*.{NAMESPACE}.svc"))
        settings = {
            "mode": mode,
            "excludedNamespaces": ["kube-system", NAMESPACE],
            "ledger": ledger or {"rebuildSeconds": 1, "expireSeconds": 44},
            **(server or {}),
        }
        self.replicas = [
            Replica(plane, directory / f"replica-{number}", certificate, settings, wired=wired)
            for number in range(replicas)
        ]
        self._certificate = certificate

    def __enter__(self) -> Self:
        try:
            self.apply()
            self.start()
            self.wait_in_force()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all replicas."""
        for replica in self.replicas:
            replica.stop()
            if replica.wire is not None:
                replica.wire.close()
        self.balancer.close()

    def apply(self) -> None:
        """Apply what the chart renders, its namespace first and its CRDs before what needs them."""
        self.kubectl("create", "namespace", NAMESPACE, check=False)
        rendered = self.rendered(self._values)
        definitions = [each for each in rendered if each["kind"] == "CustomResourceDefinition"]
        others = [each for each in rendered if each["kind"] != "CustomResourceDefinition"]
        self._apply(definitions)
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self._apply(others)

    def rendered(self, values: dict[str, str]) -> list[dict[str, Any]]:
        """Return what the chart renders for this server, with further values."""
        authority = self.directory / "ca.crt"
        authority.parent.mkdir(parents=True, exist_ok=True)
        authority.write_text(self._certificate.authority)
        command: list[str | Path] = [binaries("helm")["helm"], "template", "computegate", CHART, "-n", NAMESPACE]
        command += [
            "--set",
            f"webhook.url=https://127.0.0.1:{self.balancer.port}",
            "--set-file",
            f"tls.caBundle={authority}",
        ]
        command += ["--set", f"config.mode={self.mode}", "--kube-version", "1.36.0"]
        for key, value in values.items():
            command += ["--set", f"{key}={value}"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [document for document in yaml.safe_load_all(text) if document]

    def _apply(self, objects: list[dict[str, Any]]) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def start(self) -> None:
        """Start all replicas and wait until they are ready."""
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            replica.wait()
        self.balancer.backends = [replica.port for replica in self.replicas]

    def wait_in_force(self) -> None:
        """Wait until the API server sends reviews: its own watch of the configuration lags by moments."""
        self.kubectl("create", "namespace", "computegate-probe", check=False)
        self.kubectl("label", "namespace", "computegate-probe", "computegate.io/mode=enforce", "--overwrite")
        probe = pod("probe", "computegate-probe", {"example.com/unheard-of": "1"})
        self.kubectl("wait", "--for=create", "serviceaccount/default", "-n", "computegate-probe", "--timeout=30s")
        for _ in range(200):
            tried = self.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe), check=False)
            if "denied the request" in tried.stderr:
                return
            time.sleep(0.1)
        raise StartError(f"the webhook is not in force: {tried.stdout}{tried.stderr}")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """All replicas down for as long as the block lasts."""
        for replica in self.replicas:
            replica.stop()
        try:
            yield
        finally:
            self.start()


def pod(
    name: str, namespace: str, limits: dict[str, str], spec: dict[str, Any] | None = None, **container: Any
) -> dict[str, Any]:
    """Return a pod with one container; `spec` and further keywords go into the spec and the container."""
    body = {"name": "main", "image": "registry.example.com/app:1", "resources": {"limits": limits}, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [body], "terminationGracePeriodSeconds": 1, **(spec or {})},
    }
