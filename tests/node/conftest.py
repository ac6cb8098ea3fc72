"""A real node with the image loaded, and the chart installed in its cluster; made when a test first asks for them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.world import Cluster
from tests.node.objects import CLEARED, LABELS, SELECTOR, everything
from tools.node.flows import Flows
from tools.node.node import Node, node_plane
from tools.node.release import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.controlplane import ControlPlane

IMAGE = os.environ.get("COMPUTEGATE_IMAGE", "localhost/computegate:dev")
ROOT = Path(__file__).parent.parent.parent
ARCHIVE = ROOT / "dist" / "image" / "image.tar"
SEEN = ROOT / "dist" / "cluster-test-seen.txt"
BEGUN = time.monotonic()
_shown: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what was seen")
    lines = [*_shown, f"wall time {time.monotonic() - BEGUN:.0f} s"]
    for line in lines:
        terminalreporter.line(line)
    SEEN.write_text("\n".join(lines))


@pytest.fixture(scope="session")
def show() -> Callable[[str], None]:
    """Print a line at the end of the run."""
    return _shown.append


@pytest.fixture(scope="session")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flows]:
    """What becomes of every connection of the API server to a Service."""
    with Flows(tmp_path_factory.mktemp("flows")) as flows:
        yield flows


@pytest.fixture(scope="session")
def plane(flows: Flows, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that pods reach; `flows` listens before its first connection."""
    assert flows
    with node_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def node(plane: ControlPlane, show: Callable[[str], None]) -> Iterator[Node]:
    """The node, with the image."""
    with Node(plane, labels=LABELS) as node:
        show(f"node ready after {time.monotonic() - BEGUN:.0f} s")
        node.load(ARCHIVE)
        show(f"image loaded after {time.monotonic() - BEGUN:.0f} s")
        yield node


@pytest.fixture(scope="session")
def cluster(node: Node) -> Cluster:
    """The cluster as its administrator sees it."""
    return Cluster(node.kubectl, patience=120)


@pytest.fixture(scope="session")
def release(
    plane: ControlPlane, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, show: Callable[[str], None]
) -> Release:
    """The chart with three replicas, in enforce, and the tenants of tests/node/objects."""
    tried = {"clearedNamespace": CLEARED, "clearedNodeSelector": SELECTOR}
    release = Release(plane, tmp_path_factory.mktemp("release"), IMAGE, {"test": tried})
    begun = time.monotonic()
    release.install()
    show(f"chart installed with {len(release.pods())} ready replicas in {time.monotonic() - begun:.0f} s")
    cluster.apply(*everything())
    return release
