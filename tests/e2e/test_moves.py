"""Tenants, namespaces and nodes that move while pods live, and leaders that die: all is counted, once, at home."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.ledger.homes import FINALIZER
from tests.e2e.objects import GPU, Object, examples, gpu_pod, namespace, quota, tenant
from tests.e2e.world import World, eventually
from tools.controlplane import ControlPlane
from tools.installation import Installation, pod

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two replicas of an installation of its own: they are killed here."""
    directory = tmp_path_factory.mktemp("moves")
    with ControlPlane(directory / "plane") as plane, Installation(plane, directory / "gate", replicas=2) as gate:
        world = World(gate)
        world.apply(*examples("policy", "pools"))
        yield world


def _leader(world: World) -> Any:
    holder = world.get("lease", "computegate", "-n", "computegate-system")["spec"]["holderIdentity"]
    return next(each for each in world.installed.replicas if holder.startswith(each.directory.name + "_"))


def _fail_over(world: World) -> None:
    """Kill the leader, wait for another one, and start the dead one again."""
    dead = _leader(world)
    dead.kill()
    eventually(lambda: _leader(world), lambda found: found is not dead, 60)
    dead.start()
    dead.wait()


def _patch(world: World, kind: str, name: str, patch: Object, *flags: str) -> None:
    world.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *flags)


def _relabel(world: World, name: str, value: str | None) -> None:
    _patch(world, "namespace", name, {"metadata": {"labels": {"computegate.io/tenant": value}}})


def _total(world: World, country: str) -> dict[str, int]:
    """Return the devices of each party in a country's ledger: used, and what is still in flight."""
    ledger, found = world.ledger(country), dict[str, int]()
    for account in filter(None, ledger.get("used", "").split(";")):
        party, *counts = account.split(",")
        found[party] = found.get(party, 0) + sum(int(each.rpartition(":")[2]) for each in counts)
    for entry in filter(None, ledger.get("inflight", "").split(";")):
        fields = entry.split(",")
        found[fields[3]] = found.get(fields[3], 0) + sum(int(each.rpartition(":")[2]) for each in fields[4].split("+"))
    return found


def _record(world: World, name: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    status = world.get("tenants.computegate.io", name)["status"]
    return (
        {each["party"]: each["jurisdictions"] for each in status.get("chargedTo", [])},
        {each["name"]: each["parties"] for each in status.get("namespaces", [])},
    )


def test_a_relabelled_namespace_stays_charged_to_its_tenant_until_it_is_empty(moving: World) -> None:
    moving.apply(quota("at", "AT", 8), tenant("old", "AT"), tenant("new", "AT"), namespace("shared", "old"))
    moving.admit(gpu_pod("first", "shared", 3))
    moving.await_use("at", 3)
    assert _record(moving, "old") == ({"old": ["AT"]}, {"shared": ["old"]})
    _relabel(moving, "shared", None)
    _relabel(moving, "shared", "new")
    eventually(lambda: moving.denial(gpu_pod("second", "shared", 2)), lambda line: line == "")
    _fail_over(moving)
    eventually(lambda: moving.denial(gpu_pod("too-many", "shared", 4), "--dry-run=server"))
    moving.admit(gpu_pod("third", "shared", 1))
    eventually(lambda: _total(moving, "AT"), lambda found: found == {"old": 3, "new": 3})
    moving.kubectl("delete", "pod", "first", "-n", "shared")
    eventually(lambda: _record(moving, "new"), lambda found: found == ({"new": ["AT"]}, {"shared": ["new"]}))
    eventually(lambda: moving.ledger("AT"), lambda found: found["used"] == "new,h100-sxm:3" and not found["inflight"])
    assert _record(moving, "old") == ({}, {})


def test_what_a_tenant_holds_moves_with_its_jurisdiction_and_is_counted_all_the_while(moving: World) -> None:
    moving.apply(quota("be", "BE", 8), quota("bg", "BG", 8), tenant("mover", "BE"), namespace("moved", "mover"))
    moving.admit(gpu_pod("first", "moved", 3))
    moving.await_use("be", 3)
    _leader(moving).kill()
    spec = tenant("mover", "BG")["spec"]
    _patch(moving, "tenants.computegate.io", "mover", {"spec": spec})
    assert _total(moving, "BE") == {"mover": 3}
    seen: list[tuple[dict[str, int], dict[str, int]]] = []

    def look() -> tuple[dict[str, int], dict[str, int]]:
        seen.append((_total(moving, "BE"), _total(moving, "BG")))
        return seen[-1]

    eventually(look, lambda found: found == ({}, {"mover": 3}), 90)
    assert all({"mover": 3} in each for each in seen), seen
    assert _record(moving, "mover") == ({"mover": ["BG"]}, {"moved": ["mover"]})
    for replica in moving.installed.replicas:
        if replica.popen is None or replica.popen.poll() is not None:
            replica.start()
            replica.wait()
    _fail_over(moving)
    moving.await_use("bg", 3)
    assert _total(moving, "BE") == {}


def test_a_tenant_that_is_deleted_stays_until_nothing_of_it_runs_and_gets_nothing_more(moving: World) -> None:
    moving.apply(quota("hr", "HR", 8), tenant("leaver", "HR"), namespace("left", "leaver"))
    moving.admit(gpu_pod("first", "left", 3))
    moving.await_use("hr", 3)
    assert moving.get("tenants.computegate.io", "leaver")["metadata"]["finalizers"] == [FINALIZER]
    moving.kubectl("delete", "tenants.computegate.io", "leaver", "--wait=false")
    _fail_over(moving)
    line = eventually(lambda: moving.denial(gpu_pod("second", "left", 1)))
    assert line.startswith("[InfoNeeded]"), line
    assert _total(moving, "HR") == {"leaver": 3}
    moving.kubectl("delete", "pod", "first", "-n", "left")
    eventually(lambda: moving.get("tenants.computegate.io", "leaver"), lambda found: not found)
    moving.await_use("hr", 0)


def test_a_class_stays_present_when_its_node_leaves_and_until_the_operator_removes_it(moving: World) -> None:
    moving.apply(quota("ee", "EE", 8), tenant("looker", "EE"), namespace("looking", "looker"))
    asks = pod("any", "looking", {GPU: "1"})

    def classes(name: str) -> list[str]:
        moving.denial({**asks, "metadata": {**asks["metadata"], "name": name}}, "--dry-run=server")
        return list(moving.record_of(name)["demand"][0]["classes"])

    assert "l40s" not in classes("before")
    labels = {"nvidia.com/gpu.product": "NVIDIA-L40S"}
    moving.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "visitor", "labels": labels}})
    room = {"capacity": {GPU: "8"}, "allocatable": {GPU: "8"}}
    _patch(moving, "node", "visitor", {"status": room}, "--subresource=status")
    eventually(lambda: moving.get("acceleratorpresences", "l40s"))
    moving.kubectl("delete", "node", "visitor")
    _fail_over(moving)
    assert "l40s" in classes("after")
    moving.kubectl("delete", "acceleratorpresences", "l40s")
    numbers = itertools.count()
    eventually(lambda: classes(f"removed-{next(numbers)}"), lambda found: "l40s" not in found)
