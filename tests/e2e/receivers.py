"""The receiver of KYC deliveries as a process, under its own account, and a provider that signs."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.e2e.world import eventually
from tools.installation import NAMESPACE
from tools.ports import free_ports
from tools.process import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.world import World
    from tools.controlplane import ControlPlane

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:computegate-receiver"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
SECRET = b"the-secret-of-the-end-to-end-tests"


class ReceiverProcess:
    """`computegate kyc serve` on loopback with the provider `generic`.  A context manager."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self._directory = directory
        self.port, self.metrics_port = free_ports(2)
        self.secrets = directory / "secrets"
        self.secrets.mkdir()
        self.secret_file = self.secrets / "generic"
        self.secret_file.write_bytes(SECRET)
        self._kubeconfig = plane.kubeconfig_for(ACCOUNT, GROUPS)
        listen = {"host": "127.0.0.1", "metricsHost": "127.0.0.1", "port": self.port, "metricsPort": self.metrics_port}
        self._config = directory / "config.yaml"
        providers = [{"name": "generic", "level": 2}]
        settings = {"providers": providers, "secretsFolder": str(self.secrets), "listen": listen, "drainSeconds": 0}
        self._config.write_text(yaml.safe_dump(settings))

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "admission.cli.main", "kyc", "serve", "--config", str(self._config)]
        command += ["--kubeconfig", str(self._kubeconfig)]
        log = self._directory / "log.txt"
        with log.open("ab") as output:
            popen = subprocess.Popen(command, stderr=output, env=os.environ, process_group=0)
        self._process = Process("kyc receiver", popen, log)
        eventually(lambda: self.get("/readyz"), lambda said: said == "200 ok")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def get(self, path: str) -> str:
        """Return status and text of a path, "" while nobody listens."""
        return _asked(self.port, "GET", path)

    def metrics(self) -> str:
        """Return the exposition."""
        return _asked(self.metrics_port, "GET", "/metrics")

    def deliver(self, subject: str, state: str, at: datetime, secret: bytes = SECRET, **fields: Any) -> str:
        """Deliver, signed now; return status and text of the answer."""
        body = json.dumps({"tenant": subject, "state": state, "at": at.isoformat(), "reference": "case-1", **fields})
        return self.send(body.encode(), secret)

    def send(self, body: bytes, secret: bytes = SECRET, ago: int = 0) -> str:
        """Send a body as it is, signed so many seconds ago."""
        sent = int(time.time()) - ago
        digest = hmac.new(secret, b"%d.%b" % (sent, body), hashlib.sha256).hexdigest()
        headers = {"Computegate-Signature": f"t={sent},v1={digest}", "Content-Type": "application/json"}
        return _asked(self.port, "POST", "/kyc/generic", body, headers)


def _asked(port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection), contextlib.suppress(ConnectionError):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode().strip()}"
    return ""


def computegate(world: World, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command with the administrator's rights."""
    command = [sys.executable, "-m", "admission.cli.main", *arguments]
    command += ["--kubeconfig", str(world.installed.plane.kubeconfig)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def now() -> datetime:
    """Return the instant of now, in UTC."""
    return datetime.now(UTC)
