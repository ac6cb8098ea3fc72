"""What the image weighs, how long a replica takes to start, what it holds: measured, and bounded where that is safe."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any

from tests.node.conftest import ARCHIVE
from tools.image.archive import configuration, entries
from tools.image.build import report
from tools.installation import NAMESPACE
from tools.node.node import NAME as NODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.node.release import Release

_TOOLS = re.compile(r"(^|/)s?bin/(sh|bash|dash|apt|apt-get|dpkg|pip3?|gcc|cc|ld|as|make|perl|curl|wget)$")


def test_the_image_has_no_shell_compiler_or_installer_and_does_not_run_as_root(show: Callable[[str], None]) -> None:
    held = entries(ARCHIVE)
    assert [path for path in held if _TOOLS.search(path) or "/pip/" in path or "ensurepip" in path] == []
    assert [path for path, entry in held.items() if entry.mode & 0o6000] == []
    assert configuration(ARCHIVE)["User"] == "65532:65532"
    show(f"the image: {report(ARCHIVE)}")


def test_a_replica_is_ready_soon_and_within_its_memory(release: Release, show: Callable[[str], None]) -> None:
    release.await_alone()
    started = [seconds_to_ready(pod) for pod in release.living()]
    summary = json.loads(release.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/stats/summary").stdout)
    ours = [pod for pod in summary["pods"] if pod["podRef"]["namespace"] == NAMESPACE]
    held = sorted(pod["memory"]["workingSetBytes"] / 1e6 for pod in ours if pod.get("memory"))
    show(f"seconds from a container's start to a ready replica: {started}")
    show(f"memory (working set) of a replica: {', '.join(f'{each:.0f} MB' for each in held)}")
    assert len(held) == len(started) == 3
    assert max(held) < 256


def seconds_to_ready(pod: dict[str, Any]) -> float:
    """Return how long it took from the container's start until the pod was ready, to the second."""
    [ready] = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    begun = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    return (instant(ready["lastTransitionTime"]) - instant(begun)).total_seconds()


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
