"""What the tests of acting on running pods do to a cluster, and what they look at: pods, Allowances, records."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from tests.e2e.objects import examples, node, of, pool
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.objects import Object
    from tools.installation import Replica

ON_ITS_WAY = 5
"""Seconds by which a request may come later than it was announced: what the pace is kept by is the announcement."""

RACK = "rack-1"
RUNNING = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
REVOKED = json.dumps({"status": {"kyc": {"state": "Revoked"}}})


@contextlib.contextmanager
def acting_world(directory: Path) -> Iterator[World]:
    """Two replicas that may evict and suspend, on a control plane of their own: what they do concerns every pod."""
    values = {"enforcement.evict": "true", "enforcement.suspend": "true"}
    rights = {"evict": True, "suspend": True}
    server = {"gate": {"graceSeconds": 1}, "enforcement": {"sweepSeconds": 5, **rights}}
    with (
        ControlPlane(directory / "plane") as plane,
        Installation(plane, directory / "gate", replicas=2, values=values, server=server) as installed,
    ):
        world = World(installed)
        world.apply(*examples("policy", "pools"), pool("rack", "h100-sxm", "DE"), node(RACK, "rack", "h100-sxm"))
        yield world


def clear(world: World) -> None:
    """Have nothing run, and nothing be done."""
    world.kubectl("delete", "enforcements", "--all")
    world.kubectl("delete", "deployments,jobs,poddisruptionbudgets", "--all", "-A")
    world.kubectl("delete", "pods", "--all", "-A", "--force", "--grace-period=0")


def enforcement(name: str, *steps: Object, **spec: Any) -> Object:
    """Return an Enforcement that acts, as fast as it may."""
    bounds = {"mode": "Enforce", "evictionsPerMinute": 600, "mostShare": 100}
    return of("Enforcement", name, {**bounds, "steps": list(steps), **spec})


def evict(grace: str, **step: Any) -> Object:
    return {"action": "Evict", "gracePeriod": grace, **step}


def revoke(world: World, *names: str) -> None:
    world.kubectl("patch", "tenants.computegate.io", *names, "--subresource=status", "--type=merge", "-p", REVOKED)


def run(world: World, where: str, *pods: Object) -> None:
    """Have pods run, as a node would tell."""
    world.admit(*pods)
    for each in pods:
        name = each["metadata"]["name"]
        world.kubectl("patch", "pod", name, "-n", where, "--subresource=status", "--type=merge", "-p", RUNNING)


def findings(world: World, where: str) -> list[Object]:
    found: list[Object] = world.get("allowances", "compute", "-n", where).get("status", {}).get("findings", [])
    return found


def ending(world: World, where: str) -> list[Object]:
    """Return the pods that were told to end."""
    return [each for each in world.items("pods", "-n", where) if "deletionTimestamp" in each["metadata"]]


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def told_to_end(pod: Object) -> dt.datetime:
    """Return when a pod was told to end: its deletionTimestamp is by its own grace period later."""
    metadata = pod["metadata"]
    return instant(metadata["deletionTimestamp"]) - dt.timedelta(seconds=metadata["deletionGracePeriodSeconds"])


def recorded(world: World, where: str = "") -> list[Object]:
    """Return the enforcement record of all replicas in the order of its lines, of one namespace if that is given."""
    text = "".join(each.record.read_text() for each in world.installed.replicas)
    lines = [line for line in map(json.loads, text.splitlines()) if line["schema"].endswith("enforcement/v1")]
    return sorted((line for line in lines if where in ("", line["namespace"])), key=lambda line: str(line["at"]))


def leader(world: World) -> Replica:
    """Return the replica that does the upkeep."""
    (found,) = eventually(
        lambda: [each for each in world.installed.replicas if value(each.metrics(), "computegate_leader") == 1],
        lambda found: len(found) == 1,
    )
    return found


def evictions(world: World, outcome: str) -> float:
    return value(leader(world).metrics(), "computegate_evictions_total", outcome=outcome)


def attempts(world: World, where: str) -> list[tuple[dt.datetime, str, int]]:
    """Return when each eviction was asked for, of which pod, and its answer, as the API server's audit log has it."""
    found = []
    for line in world.installed.plane.audit_log.read_text().splitlines():
        about = json.loads(line)
        what = about.get("objectRef", {})
        if what.get("subresource") == "eviction" and what.get("namespace") == where:
            found.append((instant(about["requestReceivedTimestamp"]), what["name"], about["responseStatus"]["code"]))
    return found
