"""What was found of running pods as OpenReports: by the real schema, on a real API server, once it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.acting import revoke
from tests.e2e.objects import gpu_pod, namespace, node, of, pool, quota, tenant
from tests.e2e.world import World, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object

SCHEMA = str(Path(__file__).parent / "openreports.yaml")
WARN = {"mode": "Enforce", "steps": [{"reasons": ["KYCSuspended"], "action": "Warn"}]}


@pytest.fixture
def warning(world: World, unique: str) -> Iterator[World]:
    """What is found of one reason is told, and stays."""
    world.apply(of("Enforcement", unique, WARN))
    yield world
    world.kubectl("delete", f"enforcement/{unique}", f"node/{unique}")  # its pool still says where the node was seen
    world.kubectl("delete", "-f", SCHEMA, "--ignore-not-found")


def reports(world: World, what: str, *where: str) -> list[Object]:
    return world.items(f"{what}.openreports.io", *where)


def test_what_is_found_is_reported_once_somebody_reads_reports_and_goes_when_it_is_over(
    warning: World, country: str, unique: str
) -> None:
    world = warning
    world.apply(pool(unique, "h100-sxm", country), node(unique, unique, "h100-sxm"))
    world.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("runs", unique, nodeName=unique))
    revoke(world, unique)
    eventually(lambda: world.get("allowances", "compute", "-n", unique).get("status", {}).get("findings"))
    world.kubectl("apply", "-f", SCHEMA)
    world.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", SCHEMA)
    (own,) = eventually(lambda: reports(world, "reports", "-n", unique), lambda found: len(found) == 1)
    assert (own["summary"]["warn"], own["results"][0]["rule"], own["scope"]["name"]) == (1, "NotCleared", unique)
    assert "KYC" not in json.dumps(own["results"])
    (everything,) = eventually(lambda: reports(world, "clusterreports"), lambda found: len(found) == 1)
    (suspended,) = [each for each in everything["results"] if each["rule"] == "KYCSuspended"]
    assert unique in [each["name"] for each in suspended["resources"]]
    world.kubectl("delete", "pods", "--all", "-n", unique, "--force", "--grace-period=0")
    eventually(lambda: reports(world, "reports", "-n", unique), lambda found: found == [])
