"""A backup restored, or a ledger deleted, under traffic: nothing past the limit, and the ledger follows the pods."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from admission.ledger.objects import object_name
from tests.e2e.claims import DRIVER, IMPLICIT, device_class, device_slice, requests, resource_claim
from tests.e2e.history import charges, clients, history, version
from tests.e2e.objects import examples, gpu_pod, namespace, pool, quota, tenant
from tests.e2e.traffic import Traffic
from tests.e2e.world import World, eventually
from tests.loops import Loops
from tools import backup
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from admission.cluster.client import Client
    from tests.e2e.history import Tally
    from tests.e2e.objects import Object

HOUR = 3600
LIMIT = 24
PATIENCE = 120.0
"""Seconds until replicas that began anew have counted."""
BUMP = 1_000_000_000


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three replicas, started again when they end, as a kubelet does."""
    directory = tmp_path_factory.mktemp("trio")
    ledger = {"rebuildSeconds": 2.0, "expireSeconds": 8.0}
    with (
        ControlPlane(directory / "plane", controllers=["kube-controller-manager"]) as plane,
        Installation(plane, directory / "gate", replicas=3, ledger=ledger) as gate,
    ):
        world = World(gate)
        world.apply(*examples("policy", "pools"))
        yield world


class Supervised(Loops):
    """Starts replicas again that end."""

    def __init__(self, world: World) -> None:
        super().__init__(self._watch)
        self._world = world

    def _watch(self) -> None:
        while not self.over.wait(0.2):
            for each in self._world.installed.replicas:
                if each.popen is not None and each.popen.poll() is not None:
                    each.start()


async def _save_amid_traffic(world: World, where: str, path: Path) -> None:
    """Have traffic, a backup in its midst, and then an end of everything that stood in the backup."""
    plane = world.installed.plane

    async def saved(tally: Tally) -> None:
        await tally.reached(40)
        await asyncio.to_thread(backup.save, plane, path)
        await tally.reached(len(tally.admitted) + 20)

    async with clients(plane.kubeconfig, 4) as those:
        await Traffic(where).run(those, saved)
    world.kubectl("delete", "pods", "--all", "-n", where, "--grace-period=0", "--wait=false")
    world.await_use(where, 0)


async def _pods(client: Client, where: str) -> tuple[list[dict[str, Any]], int]:
    """Return the pods of a namespace as a watch from nothing would, and the revision they stand at."""
    listed = json.loads(await client.get(f"/api/v1/namespaces/{where}/pods"))
    pods = sorted(listed["items"], key=lambda each: int(each["metadata"]["resourceVersion"]))
    return [{"type": "ADDED", "object": each} for each in pods], int(listed["metadata"]["resourceVersion"])


async def _after_restore(world: World, where: str) -> tuple[Tally, list[tuple[int, int]], int]:
    """Have traffic from the first moment; return what came of it, what was live at each revision, and at first."""
    async with clients(world.installed.plane.kubeconfig, 4) as those:
        before, since = await _pods(those[0], where)
        traffic = Traffic(where, [each["object"]["metadata"]["name"] for each in before])
        await traffic.run(those, lambda tally: tally.reached(25), seed=100)
        levels = charges([*before, *await history(those[0], where, since)])
        return traffic.tally, levels, levels[len(before) - 1][1]


def _restore(plane: ControlPlane, path: Path, *, bump: int = 0, overtaken: bool = False) -> None:
    newest = backup.revision(plane)
    plane.stop()
    backup.restore(plane, path, bump=bump)
    if overtaken:
        plane.start_etcd()
        backup.write_past(plane, newest)
    plane.start()


@pytest.mark.parametrize(
    ("running", "way"),
    [
        pytest.param(False, {}, id="plainly, replicas stopped: the ledger came back with its pods"),
        pytest.param(False, {"bump": BUMP}, id="bumped, replicas stopped: likewise"),
        pytest.param(True, {}, id="plainly: the revision is older"),
        pytest.param(True, {"bump": BUMP}, id="bumped: the ledger is older"),
        pytest.param(True, {"overtaken": True}, id="plainly, and others wrote since: the ledger is older"),
    ],
)
def test_after_a_restore_nothing_is_admitted_past_the_limit_and_the_ledger_is_exact(
    trio: World, country: str, tmp_path: Path, running: bool, way: dict[str, Any]
) -> None:
    unique = f"restored-{country.lower()}"
    trio.apply(quota(unique, country, LIMIT), tenant(unique, country), namespace(unique, unique))
    asyncio.run(_save_amid_traffic(trio, unique, tmp_path / "snapshot"))
    with contextlib.ExitStack() as meanwhile:
        if running:
            meanwhile.enter_context(Supervised(trio))
            _restore(trio.installed.plane, tmp_path / "snapshot", **way)
        else:
            with trio.installed.stopped():
                _restore(trio.installed.plane, tmp_path / "snapshot", **way)
        tally, levels, restored = asyncio.run(_after_restore(trio, unique))
        eventually(lambda: trio.use(unique), lambda use: (use["used"], use["reserved"]) == (levels[-1][1], 0))
    peak = max(level for _, level in levels)
    sys.stdout.write(
        f"\n{len(levels)} revisions, {restored} restored, peak {peak}; "
        f"admitted {len(tally.admitted)}, denied {len(tally.denied)}, failed {len(tally.failed)}\n"
    )
    assert peak <= LIMIT
    assert bool(tally.postponed) is running, "until the ledgers are counted anew"


def _drivers(country: str) -> list[Object]:
    """Return a node's devices as a driver would publish them, and their class and pool."""
    labels = {"pool.example.com/name": "kept"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "kept", "labels": labels}}
    ours = pool("kept", "h100-sxm", country, f"{IMPLICIT}-none", nodeLabels=labels)
    return [node, device_class(DRIVER), device_slice("kept"), ours]


@pytest.mark.parametrize("bump", [pytest.param(0, id="plainly"), pytest.param(BUMP, id="bumped")])
def test_claims_and_prepaid_hours_that_come_back_leave_as_much_as_before(
    trio: World, country: str, tmp_path: Path, bump: int
) -> None:
    unique = f"kept-{country.lower()}"
    hours = quota(f"{unique}-hours", country, None, classes=["t4"], limits={"deviceHours": 10}, window="1d")
    devices = quota(unique, country, 4, classes=["h100-sxm"])
    trio.apply(*_drivers(country), devices, hours, tenant(unique, country), namespace(unique, unique))

    def counted() -> tuple[int, int]:
        status = trio.get("computequotas", f"{unique}-hours")["status"]
        return trio.use(unique)["used"], status.get("deviceHours", {}).get("reserved")

    def refused(wanted: Object) -> str:
        tried = trio.try_create(wanted)  # a replica that begins anew answers nobody, and nothing is admitted then
        assert tried.returncode, "admitted beyond what came back"
        return tried.stderr

    trio.admit(resource_claim(unique, "three", requests(3)))
    trio.admit(gpu_pod("paid", unique, 2, "t4", activeDeadlineSeconds=4 * HOUR))
    eventually(counted, lambda found: found == (3, 9))
    backup.save(trio.installed.plane, tmp_path / "snapshot")
    trio.kubectl("delete", "resourceclaim/three", "pod/paid", "-n", unique, "--grace-period=0")
    eventually(counted, lambda found: found == (0, 0))
    with Supervised(trio):
        _restore(trio.installed.plane, tmp_path / "snapshot", bump=bump)
        for wanted in (
            resource_claim(unique, "two", requests(2)),
            gpu_pod("too-long", unique, 1, "t4", activeDeadlineSeconds=2 * HOUR),
        ):
            eventually(functools.partial(refused, wanted), lambda line: "exceeded quota" in line, PATIENCE)
        one = resource_claim(unique, "one", requests(1))
        eventually(lambda: trio.try_create(one), lambda done: done.returncode == 0, PATIENCE)
        eventually(counted, lambda found: found == (4, 9), PATIENCE)
        for replica in trio.installed.replicas:
            replica.wait()


def test_a_ledger_deleted_under_load_denies_until_it_was_counted_anew_and_is_exact(trio: World, country: str) -> None:
    unique = f"deleted-{country.lower()}"
    trio.apply(quota(unique, country, LIMIT), tenant(unique, country), namespace(unique, unique))
    before = trio.get("quotaledger", object_name(country))["metadata"]["uid"]

    async def deleted(tally: Tally) -> None:
        await tally.reached(30)
        await asyncio.to_thread(trio.kubectl, "delete", "quotaledger", object_name(country))
        await tally.reached(len(tally.admitted) + 20)

    async def run() -> tuple[Tally, list[tuple[int, int]]]:
        traffic = Traffic(unique)
        async with clients(trio.installed.plane.kubeconfig, 4) as those:
            since = await version(those[0])
            await traffic.run(those, deleted)
            return traffic.tally, charges(await history(those[0], unique, since))

    tally, levels = asyncio.run(run())
    peak = max(level for _, level in levels)
    told = len(tally.postponed)
    sys.stdout.write(f"\n{len(levels)} revisions, peak {peak}; admitted {len(tally.admitted)}, told to wait {told}\n")
    assert peak <= LIMIT
    assert told > 0
    assert tally.failed == []
    eventually(lambda: trio.use(unique), lambda use: (use["used"], use["reserved"]) == (levels[-1][1], 0))
    assert trio.get("quotaledger", object_name(country))["metadata"]["uid"] != before
