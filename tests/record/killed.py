"""A real server that is killed while it answers, again and again: what was answered stands in the file."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import yaml

from admission.cli.verify import Verification
from admission.server.signing import verifier
from tools.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "examples"
CLIENTS = 4


def answered_and_recorded(
    folder: pathlib.Path, *, rounds: int, answers: int, on_failure: str
) -> list[tuple[int, set[str]]]:
    """Kill a server after so many answers, in rounds over one file; return how many came, and which are not in it.

    Raises ``AssertionError`` where the file does not verify at the end.
    """
    objects = pathlib.Path(shutil.copytree(EXAMPLES / "objects", folder / "objects"))
    record = folder / "record" / "record.jsonl"
    found = []
    for _ in range(rounds):
        with _server(folder, objects, record, on_failure) as (server, port):
            seen = _asked(objects, server, port, answers)
        found.append((len(seen), seen - _recorded(record)))
    with _server(folder, objects, record, on_failure):  # cuts what the last one left behind
        pass
    _verify(record, (objects / ".computegate" / "reference.key").read_bytes())
    return found


@contextlib.contextmanager
def _server(
    folder: pathlib.Path, objects: pathlib.Path, record: pathlib.Path, on_failure: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port, metrics_port = free_ports(2)
    settings = {
        "mode": "enforce",
        "listen": {"host": "127.0.0.1", "port": port, "metricsHost": "127.0.0.1", "metricsPort": metrics_port},
        "drainSeconds": 0,
        "keepSeconds": 0,
        "log": {"level": "warning"},
        "record": {"file": {"path": str(record), "maxBytes": 1 << 20, "keepFiles": 10_000}, "onFailure": on_failure},
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "admission.cli.main", "serve", "--config", str(config)]
    with subprocess.Popen([*command, "--standalone", str(objects)], stdout=subprocess.DEVNULL) as server:
        try:
            _wait(port)
            yield server, port
        finally:
            if server.poll() is None:
                server.terminate()


def _wait(port: int) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), _connection(port) as connection:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        time.sleep(0.05)
    raise AssertionError("the server never was ready")


def _connection(port: int) -> contextlib.closing[http.client.HTTPSConnection]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30))


def _asked(objects: pathlib.Path, server: subprocess.Popen[bytes], port: int, answers: int) -> set[str]:
    """Ask from several connections; kill the server in the midst of it; return the uids that were answered."""
    job = yaml.safe_load((EXAMPLES / "workloads" / "training-job.yaml").read_text())
    spec, seen, enough = job["spec"]["template"]["spec"], list[str](), threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException), _connection(port) as connection:
            while True:
                uid = str(uuid.uuid4())
                _review(connection, uid, spec)
                seen.append(uid)
                if len(seen) >= answers:
                    enough.set()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for each in threads:
        each.start()
    assert enough.wait(120), f"{len(seen)} answers of {objects}"
    server.send_signal(signal.SIGKILL)
    for each in threads:
        each.join()
    server.wait()
    return set(seen)


def _review(connection: http.client.HTTPSConnection, uid: str, spec: dict[str, object]) -> None:
    pod = {"metadata": {"name": uid, "namespace": "vision-training", "uid": uid}, "spec": spec}
    request = {
        "uid": f"of-{uid}",
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "vision-training",
        "name": uid,
        "userInfo": {"username": "tester"},
        "object": pod,
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    connection.request("POST", "/validate/enforced?timeout=10s", body, {"Content-Type": "application/json"})
    with connection.getresponse() as response:
        assert "allowed" in json.load(response)["response"]


def _files(record: pathlib.Path) -> list[pathlib.Path]:
    return [*sorted(record.parent.glob("record.0*")), record]


def _recorded(record: pathlib.Path) -> set[str]:
    """Return the uids of whole lines."""
    found = set()
    for file in _files(record):
        for line in file.read_bytes().split(b"\n")[:-1]:
            found.add(json.loads(line).get("object", {}).get("uid", ""))
    return found


def _verify(record: pathlib.Path, key: bytes) -> None:
    found = Verification([verifier(key)])
    for file in _files(record):
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            found.add(line, file.name, number)
    found.finish()
    assert (found.faults, found.more) == ([], 0), found.faults
