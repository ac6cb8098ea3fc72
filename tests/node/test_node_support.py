"""What an operator does from outside in a bad hour: the archive for support, and the gate off and on again."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE
from tests.node.objects import TENANT, UNCLEARED, worker
from tests.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.node.release import Release


def computegate(release: Release, *arguments: str) -> str:
    """Run the command with the administrator's rights and return what it printed."""
    command = [sys.executable, "-m", "admission.cli.main", *arguments, "--kubeconfig", str(release.plane.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_bundle_has_the_logs_and_metrics_of_each_replica_without_names(
    release: Release, cluster: Cluster, tmp_path: Path, show: Callable[[str], None]
) -> None:
    assert cluster.denial(worker("bundled", UNCLEARED, IMAGE)) != ""
    computegate(release, "debug", "bundle", "-o", str(tmp_path / "bundle.tar.gz"))
    files = unpacked(tmp_path / "bundle.tar.gz")
    replicas = range(len(release.pods()))
    parts = {part for number in replicas for part in (f"logs/replica-{number}.jsonl", f"metrics/replica-{number}.txt")}
    assert parts <= set(files)
    decisions = "".join(text for name, text in files.items() if name.startswith("logs/")).splitlines()
    assert "denied" in {json.loads(line).get("decision") for line in decisions}
    assert [name for name, text in files.items() if TENANT in text or "halbinsel" in text] == []
    show(f"debug bundle: {', '.join(sorted(files))}")


def test_the_gate_is_off_within_seconds_and_on_again(
    release: Release, cluster: Cluster, show: Callable[[str], None]
) -> None:
    refused = worker("switched", UNCLEARED, IMAGE)
    asked = functools.partial(cluster.denial, refused, "--dry-run=server")
    begun = time.monotonic()
    computegate(release, "off", "--reason", "ticket 4711")
    eventually(asked, lambda line: line == "")
    show(f"computegate off: an uncleared tenant's pod is let pass {time.monotonic() - begun:.1f} s after")
    begun = time.monotonic()
    computegate(release, "on")
    eventually(asked, lambda line: "[NotCleared]" in line)
    show(f"computegate on: it is denied again {time.monotonic() - begun:.1f} s after")
    release.upgrade()
    assert "[NotCleared]" in asked()
