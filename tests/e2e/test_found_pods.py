"""What is found of running pods as a list, pod by pod, on a real API server: also of what is only a dry run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.acting import revoke
from tests.e2e.objects import gpu_pod, namespace, node, of, pool, quota, tenant
from tests.e2e.receivers import computegate
from tests.e2e.world import World, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = [{"reasons": ["KYCSuspended"], "action": "Evict", "gracePeriod": "1h"}]


@pytest.fixture
def revoked(world: World, country: str, unique: str) -> Iterator[World]:
    """Two pods run whose tenant is no longer verified."""
    world.apply(pool(unique, "h100-sxm", country), node(unique, unique, "h100-sxm"))
    world.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    for name in ("one", "two"):
        world.admit(gpu_pod(name, unique, nodeName=unique))
    revoke(world, unique)
    yield world
    world.kubectl("delete", f"enforcement/{unique}", f"node/{unique}")  # its pool still says where the node was seen


def listed(world: World, unique: str) -> tuple[int, list[dict[str, Any]]]:
    done = computegate(world, "report", "found", "-n", unique, "--mode", "enforce", "-o", "json")
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, json.loads(done.stdout)["found"]


def test_each_pod_is_listed_with_its_step_and_with_when_it_was_told(revoked: World, unique: str) -> None:
    world = revoked
    world.apply(of("Enforcement", unique, {"mode": "DryRun", "steps": STEPS}))
    code, rows = listed(world, unique)
    same = {"tenant": unique, "controller": "", "reason": "KYCSuspended", "code": "NotCleared", "since": ""}
    wanted = same | {"namespace": unique, "devices": 1, "classes": ["h100-sxm"], "action": "Evict", "dryRun": True}
    assert (code, [row["pod"] for row in rows]) == (1, ["one", "two"])
    assert [{key: row[key] for key in wanted} for row in rows] == [wanted] * 2
    world.apply(of("Enforcement", unique, {"mode": "Enforce", "steps": STEPS}))
    (told,) = eventually(lambda: world.get("allowances", "compute", "-n", unique).get("status", {}).get("findings"))
    _, rows = listed(world, unique)
    assert {row["dryRun"] for row in rows} == {False}
    assert {(row["since"][:19], row["told"]) for row in rows} == {(told["since"][:19], told["action"])}
    assert {row["deadline"][:19] for row in rows} == {told.get("deadline", "")[:19]}
    text = computegate(world, "report", "found", "-n", unique).stdout.splitlines()
    assert [line.split()[:3] for line in text] == [
        ["NAMESPACE", "POD", "CONTROLLER"],
        [unique, "one", "-"],
        [unique, "two", "-"],
    ]


def test_nothing_is_listed_where_nothing_is_found(world: World, unique: str) -> None:
    world.apply(namespace(unique, unique))
    assert listed(world, unique) == (0, [])
