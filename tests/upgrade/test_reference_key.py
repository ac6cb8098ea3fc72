"""The commands by which docs/lifecycle.md changes the key of references, run as they stand there."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import CHART, NAMESPACE, RELEASE
from tests.upgrade.kubelets import Kubelets, pods

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.upgrade.release import Release

KEPT_IN = "computegate-reference"


@pytest.fixture
def installed(release: Release) -> Iterator[Release]:
    """A release whose pods become ready, without the Secret that its first replica would make."""
    release.helm("uninstall", RELEASE, "--ignore-not-found")
    release.kubectl("delete", "secret", KEPT_IN, "-n", NAMESPACE, "--ignore-not-found")
    with Kubelets(release.kubectl):
        release.put("install", CHART)
        release.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=60s")
        yield release
        release.helm("upgrade", RELEASE, CHART, "--reuse-values", "--set=crds.keep=false")
        release.helm("uninstall", RELEASE)
    release.kubectl("delete", "secret", KEPT_IN, "-n", NAMESPACE)


def blocks() -> list[str]:
    """Return the shell of the section: the function, steps 1 and 2, what is looked at before step 3, and that."""
    section = (CHART.parents[1] / "docs" / "lifecycle.md").read_text().partition("## Changing the key of references")[2]
    return re.findall(r"```bash\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)


def keys(release: Release) -> dict[str, bytes]:
    """Return what stands in the Secret."""
    found = json.loads(release.kubectl("get", "secret", KEPT_IN, "-n", NAMESPACE, "-o", "json").stdout)
    return {name: base64.b64decode(value) for name, value in found["data"].items()}


def test_each_step_changes_the_secret_and_every_pod_and_one_that_is_repeated_loses_no_key(
    installed: Release, tmp_path: Path
) -> None:
    function, first, second, ages, third = blocks()
    former = secrets.token_bytes(32)
    (tmp_path / "key").write_bytes(former)
    installed.kubectl("create", "secret", "generic", KEPT_IN, "-n", NAMESPACE, f"--from-file={tmp_path / 'key'}")

    def run(step: str) -> int:
        path = f"{installed.plane.binary('kubectl').parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "KUBECONFIG": str(installed.plane.kubeconfig)}
        command = ["bash", "-c", f"{function}\n{step}"]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=False, timeout=120).returncode

    before = {pod["metadata"]["uid"] for pod in pods(installed.kubectl)}
    assert run(first) == 0
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in pods(installed.kubectl))
    new = keys(installed)["next"]
    assert len(new) == 32
    assert keys(installed) == {"key": former, "next": new}

    assert run(second) == 0
    assert keys(installed) == {"key": new, "previous": former}
    assert run(second) != 0
    assert keys(installed) == {"key": new, "previous": former}

    assert run(ages) == 0
    assert run(third) == 0
    assert keys(installed) == {"key": new}
    assert (tmp_path / "reference-old.key").read_bytes() == former
