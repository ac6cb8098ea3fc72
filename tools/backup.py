"""Backup and restore of a control plane's etcd: what an operator does with etcdctl and etcdutl.

save(plane, path) while it runs, under whatever traffic; then plane.stop(), restore(plane, path), plane.start().
"""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from tools.controlplane import ControlPlane
from tools.process import binaries

_SECONDS = 60.0
_KEY = base64.b64encode(b"/elsewhere").decode()


def save(plane: ControlPlane, path: Path) -> None:
    """Write a snapshot as `etcdctl snapshot save` does; it ends with the digest that a restore checks."""
    request = urllib.request.Request(f"{plane.etcd}/v3/maintenance/snapshot", b"{}", method="POST")  # noqa: S310 ours
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer, path.open("wb") as snapshot:  # noqa: S310
        for line in answer:
            snapshot.write(base64.b64decode(json.loads(line)["result"].get("blob", "")))


def restore(plane: ControlPlane, path: Path, *, bump: int = 0) -> None:
    """Put a snapshot in the place of what a stopped etcd holds; `bump` adds to the revision, so that none is reused."""
    shutil.rmtree(plane.etcd_directory)
    command: list[str | Path] = [binaries("etcdutl")["etcdutl"], "snapshot", "restore", path]
    command += [f"--data-dir={plane.etcd_directory}", f"--initial-cluster=default={plane.etcd_peer}"]
    command += [f"--initial-advertise-peer-urls={plane.etcd_peer}"]
    command += [f"--bump-revision={bump}", "--mark-compacted"] if bump else []
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)


def revision(plane: ControlPlane) -> int:
    """Return etcd's newest revision."""
    return int(_ask(plane, "kv/range", {"key": _KEY})["header"]["revision"])


def write_past(plane: ControlPlane, newest: int) -> None:
    """Write beside the API server until etcd is past a revision, as the other clients of a cluster may be."""
    while int(_ask(plane, "kv/put", {"key": _KEY})["header"]["revision"]) <= newest:
        pass


def _ask(plane: ControlPlane, method: str, body: dict[str, str]) -> Any:
    """Call etcd's gateway; one that has just been started is waited for."""
    request = urllib.request.Request(f"{plane.etcd}/v3/{method}", json.dumps(body).encode(), method="POST")  # noqa: S310 ours
    end = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
