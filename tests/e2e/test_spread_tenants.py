"""Tenants spread over several ledgers on a real API server: limits, what tenants are told, a change of the number."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import examples, gpu_pod, namespace, node, pool, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.objects import Object

SHARDS = 4


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("shards") / "plane") as plane:
        yield plane


@contextlib.contextmanager
def _served(plane: ControlPlane, directory: Path, shards: int) -> Iterator[World]:
    """An installation on a control plane that may have had another one before."""
    ledger: dict[str, float] = {"rebuildSeconds": 1, "expireSeconds": 44, "shards": shards}
    with Installation(plane, directory / f"gate-{shards}", ledger=ledger) as gate:
        yield World(gate)


def _counted(world: World, country: str, shards: int) -> dict[str, Any]:
    """Wait until all ledgers of a country are counted for this number; return what each holds, by its shard."""
    found = eventually(lambda: _ledgers(world, country), lambda found: _are_counted(found, shards))
    return {scope: each.get("used", "") for scope, each in found.items()}


def _ledgers(world: World, country: str) -> dict[str, Object]:
    every = {each["spec"]["scope"]: each.get("status", {}) for each in world.items("quotaledgers")}
    return {scope: status for scope, status in every.items() if scope.partition(".")[0] == country}


def _are_counted(found: dict[str, Object], shards: int) -> bool:
    needed = [name for name in found if shards or name.isalpha()]
    counted = (found[name].get("initialized") and found[name].get("shards", 0) == shards for name in needed)
    return len(needed) == 1 + shards and all(counted)


def test_limits_hold_over_shards_and_over_a_change_of_their_number(
    plane: ControlPlane, tmp_path: Path, country: str, unique: str
) -> None:
    one, other = f"{unique}-one", f"{unique}-other"
    limits = quota(unique, country, 10, perTenant={"devices": 6})
    with _served(plane, tmp_path, 0) as world:
        world.apply(*examples("policy", "pools"), limits)
        for name in (one, other):
            world.apply(tenant(name, country), namespace(name, name))
        world.admit(gpu_pod("first", one, 4), gpu_pod("first", other, 3))
        world.await_use(unique, 7)
        assert world.ledger(country)["used"] == f"{one},h100-sxm:4;{other},h100-sxm:3"
        assert "shards" not in world.ledger(country)
    with _served(plane, tmp_path, SHARDS) as world:
        held = _counted(world, country, SHARDS)
        assert held.pop(country) == ",h100-sxm:7"
        assert sorted(";".join(filter(None, held.values())).split(";")) == [
            f"{one},h100-sxm:4",
            f"{other},h100-sxm:3",
        ]
        _full(world, one, other, unique)
        world.kubectl("delete", "pod", "second", "-n", one)
        eventually(lambda: world.denial(gpu_pod("third", one, 2)), lambda line: line == "")
        world.await_use(unique, 10)
        assert value(world.metrics(), "computegate_ledger_missed_devices_total") == 0
    with _served(plane, tmp_path, 0) as world:
        assert _counted(world, country, 0)[country] == f"{one},h100-sxm:6;{other},h100-sxm:4"
        assert "used: nvidia.com/gpu=6, limited: nvidia.com/gpu=6" in world.denial(gpu_pod("more", one))
        left = [status for scope, status in _ledgers(world, country).items() if scope != country]
        assert all(not status.get("used") and not status.get("initialized") for status in left)


def _full(world: World, one: str, other: str, unique: str) -> None:
    """Fill both limits to the brim; all are told their own figures, wherever these stand."""
    own = world.denial(gpu_pod("more", one, 3))
    assert own.startswith(
        f"exceeded quota: {unique}, requested: nvidia.com/gpu=3, used: nvidia.com/gpu=4, limited: nvidia.com/gpu=6 "
        f"[LimitReached: tenant {one}, class h100-sxm, 2 left for you; "
    )
    shared = world.denial(gpu_pod("more", other, 4))
    assert shared.startswith(
        f"exceeded quota: {unique}, requested: nvidia.com/gpu=4, used: nvidia.com/gpu=3, limited: nvidia.com/gpu=6 "
        f"[LimitReached: tenant {other}, class h100-sxm, 3 left for you; "
    )
    world.admit(gpu_pod("second", one, 2), gpu_pod("second", other))
    full = world.denial(gpu_pod("more", other))
    assert "requested: nvidia.com/gpu=1, used: nvidia.com/gpu=4, limited: nvidia.com/gpu=4 " in full
    world.await_use(unique, 10)
    assert world.get("computequotas", unique)["status"]["tenants"] == 2
    record = world.record_of("second")
    assert record["quota"] == [
        {"name": unique, "unit": "devices", "limit": 6, "before": 3, "after": 4},
        {"name": unique, "unit": "devices", "limit": 10, "before": 9, "after": 10},
    ]
    eventually(
        lambda: world.get("allowances", "compute", "-n", other).get("status", {}).get("summary"),
        lambda summary: summary == f"{unique} 4/4",
    )


def test_device_hours_outlive_every_change_of_the_number(
    plane: ControlPlane, tmp_path: Path, country: str, unique: str
) -> None:
    limits = quota(unique, country, None, perTenant={"deviceHours": 10}, window="1d")
    running = gpu_pod("running", unique, 2, activeDeadlineSeconds=4 * 3600, nodeName=f"{unique}-node")
    longer = gpu_pod("longer", unique, activeDeadlineSeconds=10 * 3600 - 60)  # the whole budget, with its minute
    with _served(plane, tmp_path, SHARDS) as world:
        rack = (pool(unique, "h100-sxm", country), node(f"{unique}-node", unique, "h100-sxm"))
        world.apply(*examples("policy"), *rack, limits, tenant(unique, country), namespace(unique, unique))
        _counted(world, country, SHARDS)
        world.admit(running)
        world.await_use(unique, 2)
        assert "used: deviceHours=9, limited: deviceHours=10" in world.denial(longer)
    with _served(plane, tmp_path, 0) as world:
        _counted(world, country, 0)
        assert "used: deviceHours=9, limited: deviceHours=10" in world.denial(longer)
        ended = json.dumps({"status": {"phase": "Succeeded"}})
        world.kubectl("patch", "pod", "running", "-n", unique, "--subresource=status", "--type=merge", "-p", ended)
        world.await_use(unique, 0)
        assert "used: deviceHours=1, limited: deviceHours=10" in world.denial(longer)
    with _served(plane, tmp_path, SHARDS) as world:
        _counted(world, country, SHARDS)
        assert "requested: deviceHours=10, used: deviceHours=1, limited: deviceHours=10" in world.denial(longer)
        world.admit(gpu_pod("shorter", unique, activeDeadlineSeconds=8 * 3600))
