"""A real Prometheus beside the replicas on the node, with the chart's alerts as they are: how soon do they fire?

How soon is read from Prometheus itself: from the instant at which something was broken to that of the evaluation at
which the alert fired.  That the gate was taken away, narrowed, or let something pass, is told within a minute.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import namespace
from tests.e2e.world import Cluster, eventually
from tests.node.alerts import beside, fired
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, TENANT, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.prometheus import Prometheus
    from tools.node.release import Release

OBSERVED = "team-observed"
_PATIENCE = 300.0
WITHIN = {"ComputegateGateNotIntact": 60.0, "ComputegateFailsOpen": 60.0, "ComputegateWeakened": 60.0}
"""Seconds in which these are to fire by the chart's own intervals; the others wait for minutes by design."""
OF_ABSENCE = ("ComputegateFailsOpen", "ComputegateUnreachable", "ComputegateDown")
OPENED = json.dumps({"webhooks": [{"name": "enforced.computegate.io", "failurePolicy": "Ignore"}]})
CONFIGURATION = ("validatingwebhookconfiguration", "computegate")
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
    watch = Watch(prometheus, show)
    cluster.apply(namespace(OBSERVED, TENANT, "observe"), namespace("team-weakened", TENANT, "enforce"))
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", OBSERVED, "--timeout=30s")
    found = lambda: [name for name in OF_OWN_CERTIFICATES if not prometheus.query(name)]  # noqa: E731
    eventually(found, lambda missing: missing == [], _PATIENCE)
    watch.await_quiet()

    with watch.breaking("a namespace is weakened", "ComputegateWeakened"):
        cluster.observe("team-weakened")
    with watch.breaking("the webhook configuration lets pass what is not answered", "ComputegateGateNotIntact"):
        cluster.kubectl("patch", *CONFIGURATION, "--type=strategic", "-p", OPENED)
    cluster.kubectl("delete", *CONFIGURATION)
    release.upgrade()
    watch.await_over("ComputegateGateNotIntact")
    # Before that nobody can tell a counter of the API server that is new from one that is seen for the first time.
    eventually(lambda: prometheus.query('up{job="apiserver"} offset 5m'), seconds=_PATIENCE)
    with release.absent(), watch.breaking("no replica is there", *OF_ABSENCE):
        assert "failed calling webhook" in cluster.try_create(worker("refused", CLEARED, IMAGE)).stderr
        cluster.admit(worker("unasked", OBSERVED, IMAGE))
    cluster.kubectl("delete", "pod", "unasked", "-n", OBSERVED, "--grace-period=1")
    watch.await_over("ComputegateDown")
    with watch.breaking("the webhook configuration is deleted", "ComputegateGateNotIntact"):
        cluster.kubectl("delete", *CONFIGURATION)
    release.upgrade()


class Watch:
    """Waits for the alerts of a Prometheus and says how soon each fired."""

    def __init__(self, prometheus: Prometheus, show: Callable[[str], None]) -> None:
        self._prometheus, self._show = prometheus, show

    def await_quiet(self) -> None:
        """Wait until no alert says that something is wrong; those that say that something will end may fire."""
        wrong = lambda: {name for name in self._prometheus.firing() if not name.endswith("Ends")}  # noqa: E731
        eventually(wrong, lambda names: not names, _PATIENCE)

    def await_over(self, name: str) -> None:
        """Wait until an alert fires no more."""
        eventually(self._prometheus.firing, lambda names: name not in names, _PATIENCE)

    @contextlib.contextmanager
    def breaking(self, what: str, *names: str) -> Iterator[None]:
        """Break something in the block; then wait until these fire, and check that they did in their time."""
        assert self._prometheus.firing() & set(names) == set()
        begun = time.time()
        yield
        for name in names:
            at = eventually(functools.partial(fired, self._prometheus, name, begun), seconds=_PATIENCE)
            assert at is not None
            self._show(f"{what}: {name} fires after {at - begun:.0f} s")
            assert at - begun <= WITHIN.get(name, _PATIENCE), name
