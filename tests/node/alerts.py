"""A real Prometheus beside the replicas on the node, with the chart's alerts as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.prometheus import Prometheus, api_server, pods
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from tools.node.release import Release

EVERY = "30s"
"""How often Prometheus scrapes and evaluates: the chart's serviceMonitor.interval, and the operator's default."""
METRICS_PORT = 9090


def beside(release: Release, directory: Path) -> Prometheus:
    """Return a Prometheus that watches a release and its API server; it is not started."""
    objects = release.rendered({"prometheusRule.enabled": True})
    [rule] = [each for each in objects if each and each["kind"] == "PrometheusRule"]
    jobs = [pods("computegate", release.plane, NAMESPACE, METRICS_PORT), api_server(release.plane)]
    prometheus = Prometheus(directory, jobs, EVERY)
    prometheus.load(rule["spec"]["groups"])
    return prometheus
