"""A real Prometheus beside the replicas on the node, with the chart's alerts and intervals as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.prometheus import Prometheus, api_server, pods
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from tools.node.release import Release

METRICS_PORT = 9090
_SHOWN = {"prometheusRule.enabled": True, "serviceMonitor.enabled": True}


def beside(release: Release, directory: Path) -> Prometheus:
    """Return a Prometheus that watches a release and its API server; it is not started.

    It scrapes as often as the chart's ServiceMonitor says, which is the operator's default for the API server too.
    """
    objects = {each["kind"]: each for each in release.rendered(_SHOWN) if each}
    every = objects["ServiceMonitor"]["spec"]["endpoints"][0]["interval"]
    jobs = [pods("computegate", release.plane, NAMESPACE, METRICS_PORT), api_server(release.plane)]
    prometheus = Prometheus(directory, jobs, every)
    groups: list[dict[str, Any]] = objects["PrometheusRule"]["spec"]["groups"]
    prometheus.load(groups)
    return prometheus


def fired(prometheus: Prometheus, name: str, since: float) -> float | None:
    """Return the instant (unix seconds) of the first evaluation from `since` on that found an alert firing, if any."""
    found = prometheus.query(f'ALERTS{{alertname="{name}", alertstate="firing"}}[15m]')
    instants = [at for series in found for at, _ in series["values"] if at >= since]
    return min(instants, default=None)
