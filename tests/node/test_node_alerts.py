"""A real Prometheus beside the replicas on the node, with the chart's alerts as they are: how soon do they fire?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import namespace
from tests.e2e.world import Cluster, eventually
from tests.node.alerts import beside
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, TENANT, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.prometheus import Prometheus
    from tools.node.release import Release

OBSERVED = "team-observed"
_PATIENCE = 300.0
OF_OWN_CERTIFICATES = (
    "computegate_certificate_rotation_works",
    "computegate_certificate_secret_readable",
    "computegate_certificates_made_total",
)
"""Metrics that only an installation with an authority of its own has."""


@pytest.fixture
def prometheus(release: Release, tmp_path: Path) -> Iterator[Prometheus]:
    with beside(release, tmp_path / "prometheus") as prometheus:
        yield prometheus


def test_the_alerts_that_matter_most_fire_by_the_charts_own_times(
    release: Release, cluster: Cluster, prometheus: Prometheus, show: Callable[[str], None]
) -> None:
    cluster.apply(namespace(OBSERVED, TENANT, "observe"), namespace("team-weakened", TENANT, "enforce"))
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", OBSERVED, "--timeout=30s")
    found = lambda: [name for name in OF_OWN_CERTIFICATES if not prometheus.query(name)]  # noqa: E731
    eventually(found, lambda missing: missing == [], _PATIENCE)
    eventually(lambda: alarming(prometheus), lambda names: not names, _PATIENCE)

    def awaits(what: str, *names: str) -> None:
        begun, missing = time.monotonic(), set(names)
        while missing:
            fired = missing & prometheus.firing()
            for name in sorted(fired):
                show(f"{what}: {name} fires after {time.monotonic() - begun:.0f} s")
            missing -= fired
            assert time.monotonic() - begun < _PATIENCE, missing
            time.sleep(0.5)

    cluster.observe("team-weakened")
    awaits("a namespace is weakened", "ComputegateWeakened")
    cluster.kubectl("delete", "validatingwebhookconfiguration", "computegate")
    awaits("the webhook configuration is deleted", "ComputegateGateNotIntact")
    release.upgrade()
    eventually(lambda: alarming(prometheus), lambda names: "ComputegateGateNotIntact" not in names, _PATIENCE)
    with release.absent():
        assert "failed calling webhook" in cluster.try_create(worker("refused", CLEARED, IMAGE)).stderr
        cluster.admit(worker("unasked", OBSERVED, IMAGE))
        awaits("no replica is there", "ComputegateUnreachable", "ComputegateFailsOpen", "ComputegateDown")
    cluster.kubectl("delete", "pod", "unasked", "-n", OBSERVED, "--grace-period=1")
    eventually(lambda: alarming(prometheus), lambda names: "ComputegateDown" not in names, _PATIENCE)


def alarming(prometheus: Prometheus) -> set[str]:
    """Return the alerts that say that something is wrong, not that something will end."""
    return {name for name in prometheus.firing() if not name.endswith("Ends")}
