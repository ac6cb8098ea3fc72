"""A cleared tenant's pod runs with its devices; another's is refused; the chart's own test passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, QUOTA, UNCLEARED, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.node.release import Release


def test_a_cleared_tenants_pod_runs_with_its_devices_and_is_counted(
    release: Release, cluster: Cluster, show: Callable[[str], None]
) -> None:
    assert cluster.denial(worker("two-devices", CLEARED, IMAGE, devices=2)) == ""
    release.kubectl("wait", "--for=condition=Ready", "pod/two-devices", "-n", CLEARED, "--timeout=50s")
    printed = eventually(lambda: release.kubectl("logs", "two-devices", "-n", CLEARED).stdout)
    assert printed.startswith("devices fake-")
    cluster.await_use(QUOTA, 2)
    show(f"a cleared tenant's pod runs: {printed.strip()}; quota {QUOTA}: {cluster.use(QUOTA)}")
    release.kubectl("delete", "pod", "two-devices", "-n", CLEARED)
    cluster.await_use(QUOTA, 0)


@pytest.mark.usefixtures("release")
def test_an_uncleared_tenants_pod_is_denied(cluster: Cluster, show: Callable[[str], None]) -> None:
    line = cluster.denial(worker("refused", UNCLEARED, IMAGE))
    assert "[NotCleared] tenant halbinsel is not cleared" in line
    show(f"an uncleared tenant's pod is denied: {line}")


def test_the_charts_own_test_passes(release: Release, show: Callable[[str], None]) -> None:
    printed = release.test()
    assert "FAILED" not in printed.upper()
    show(f"helm test: {' '.join(printed.split())[-300:]}")
