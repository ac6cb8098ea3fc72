"""Whom the chart's NetworkPolicies let in."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CHART, RELEASE, Chart

PAGE = CHART.parents[1] / "docs" / "chart.md"
AGENT = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "konnectivity-agent"}},
}
NODES = {"ipBlock": {"cidr": "10.0.0.0/24"}}
CIDRS = "--set=networkPolicy.apiServerCIDRs={10.0.0.0/24}"
ON = "--set=networkPolicy.enabled=true"
ANYBODY = "anybody"


def callers(chart: Chart, *flags: str) -> list[Any]:
    """Return the peers that may call the webhook's port; a rule without any lets everybody in."""
    ingress = chart.render(*flags)["NetworkPolicy", RELEASE]["spec"]["ingress"]
    rules = [rule for rule in ingress if {"port": "webhook"} in rule.get("ports", [{"port": "webhook"}])]
    return [peer for rule in rules for peer in rule.get("from") or [ANYBODY]]


@pytest.fixture
def agents(tmp_path: Path) -> str:
    """The values of the page about platforms whose control plane calls through agents."""
    shown = re.search(r"## What calls the port.*?```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    path = tmp_path / "agents.yaml"
    path.write_text(shown[1])
    return f"--values={path}"


def test_where_agents_call_nobody_else_reaches_the_port(chart: Chart, agents: str) -> None:
    assert callers(chart, agents) == [AGENT]


def test_addresses_and_peers_stand_side_by_side_and_only_without_both_is_the_port_open(
    chart: Chart, agents: str
) -> None:
    assert callers(chart, agents, CIDRS) == [NODES, AGENT]
    assert callers(chart, ON, CIDRS) == [NODES]
    assert callers(chart, ON) == [ANYBODY]
