"""Limits over time on a real API server: device-hours of a window, and holds that go on from pod to pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import gpu_pod, namespace, node, pool, quota, tenant
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tests.e2e.world import World

HOUR = 3600


@pytest.fixture(scope="module")
def rack(world: World) -> Iterator[str]:
    """A node with H100s that pods are put onto by name."""
    world.apply(pool("rack", "h100-sxm", "DE"), node("rack-1", "rack", "h100-sxm"))
    yield "rack-1"
    world.kubectl("delete", "node", "rack-1")


def lasting(name: str, where: str, seconds: int, count: int = 1, **spec: Any) -> Object:
    return gpu_pod(name, where, count, activeDeadlineSeconds=seconds, **spec)


def end(world: World, name: str, where: str) -> None:
    """End a pod as its node would."""
    patch = json.dumps({"status": {"phase": "Succeeded"}})
    world.kubectl("patch", "pod", name, "-n", where, "--subresource=status", "--type=merge", "-p", patch)


def hours(world: World, name: str) -> Object:
    return dict(world.get("computequotas", name)["status"].get("deviceHours", {}))


def test_a_pod_pays_for_its_deadline_and_gets_back_what_it_did_not_use(
    world: World, country: str, unique: str, rack: str
) -> None:
    limits = quota(unique, country, None, limits={"deviceHours": 10}, window="1d")
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    world.admit(lasting("first", unique, 4 * HOUR, 2, nodeName=rack))
    eventually(lambda: hours(world, unique), lambda found: found == {"limit": 10, "reserved": 9, "used": 0})
    line = world.denial(lasting("second", unique, 2 * HOUR))
    assert f"exceeded quota: {unique}, requested: deviceHours=3, used: deviceHours=9, limited: deviceHours=10" in line
    assert line.startswith("exceeded quota:")
    end(world, "first", unique)
    eventually(lambda: hours(world, unique), lambda found: found == {"limit": 10, "reserved": 0, "used": 1})
    world.admit(lasting("third", unique, 8 * HOUR, nodeName=rack))
    assert value(world.metrics(), "computegate_quota_device_seconds", quota=unique, figure="limit") == 10 * HOUR


def test_a_tenant_reads_its_hours_and_what_is_left_of_its_hold(
    world: World, country: str, unique: str, rack: str
) -> None:
    limits = quota(unique, country, None, perTenant={"deviceHours": 10, "longestHold": "1d"}, window="1d")
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    world.admit(lasting("first", unique, 4 * HOUR, 2, nodeName=rack))
    shown = eventually(
        lambda: world.get("allowances", "compute", "-n", unique).get("status", {}).get("limits", []),
        lambda found: found and found[0].get("holdLeft") == "23h",
    )
    hours_left = {"window": "1d", "used": 0, "prepaid": 9, "left": 1}
    assert shown == [{"quota": unique, "used": 2, "hours": hours_left, "holdLeft": "23h"}]
    printed = world.kubectl("get", "allowance", "-n", unique).stdout
    assert f"{unique} 2/- (1 device-hours left)" in printed


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        pytest.param(None, "the pod has no end; set activeDeadlineSeconds", id="no deadline"),
        pytest.param(25 * HOUR, "the pod may run 25h; lower activeDeadlineSeconds", id="longer than the window"),
    ],
)
def test_under_a_limit_of_hours_a_pod_must_end(
    world: World, country: str, unique: str, seconds: int | None, says: str
) -> None:
    limits = quota(unique, country, None, perTenant={"deviceHours": 1000}, window="1d")
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    made = gpu_pod("endless", unique) if seconds is None else lasting("long", unique, seconds)
    assert says in world.denial(made)


def test_use_that_nobody_saw_end_is_charged_in_full_and_survives_a_new_leader(
    world: World, country: str, unique: str, rack: str
) -> None:
    limits = quota(unique, country, None, limits={"deviceHours": 10}, window="1d")
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    world.admit(lasting("unseen", unique, 5 * HOUR, nodeName=rack))
    eventually(lambda: hours(world, unique), lambda found: found.get("reserved") == 6)
    eventually(lambda: world.ledger(country), lambda ledger: not ledger.get("inflight"))
    (replica,) = world.installed.replicas
    replica.kill()
    end(world, "unseen", unique)
    replica.start()
    eventually(lambda: hours(world, unique), lambda found: found == {"limit": 10, "reserved": 0, "used": 6})
    eventually(lambda: world.ledger(country), lambda ledger: ledger.get("archived", 0) >= 1)
    assert "requested: deviceHours=6, used: deviceHours=6, limited: deviceHours=10" in world.denial(
        lasting("next", unique, 5 * HOUR)
    )


def test_a_hold_goes_on_over_pods_and_sibling_tenants_until_a_break(
    world: World, country: str, unique: str, rack: str
) -> None:
    one, other = f"{unique}-one", f"{unique}-other"
    owned: Object = {
        "parties": [{"id": "top", "name": f"{unique} Holding", "headquarters": country}],
        "ultimateParent": "top",
        "ownership": [{"owner": "top", "owned": "tenant", "share": {"exact": 100}}],
    }
    world.apply(
        quota(unique, country, 8, limits={"longestHold": "2h"}),
        *(tenant(one, country, **owned), tenant(other, country, **owned), tenant(unique, country)),
        *(namespace(one, one), namespace(other, other), namespace(unique, unique)),
    )
    world.admit(lasting("first", one, 2 * HOUR, nodeName=rack))
    held = eventually(lambda: world.ledger(country).get("holds", ""))
    group = world.get("tenants.computegate.io", one)["status"]["standing"]["group"]
    assert held.startswith(f"{group},h100-sxm,")
    line = eventually(lambda: world.denial(lasting("second", other, 2 * HOUR), "--dry-run=server"))
    assert f"quota {unique} limits how long devices are held without a break; tenant {other}" in line
    assert "2h asked for; lower activeDeadlineSeconds or leave a break" in line
    world.admit(lasting("stranger", unique, 2 * HOUR), lasting("shorter", other, HOUR))
    end(world, "first", one)
    eventually(lambda: world.ledger(country)["holds"], lambda found: not found.endswith(",0"))
    assert "without a break" in world.denial(lasting("again", one, 2 * HOUR)), "a break shorter than the gap goes on"


def test_a_pod_that_waited_too_long_is_not_bound(world: World, country: str, unique: str, rack: str) -> None:
    limits = quota(unique, country, 8, limits={"longestHold": "2h"})
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    world.admit(lasting("waits", unique, 2 * HOUR), lasting("runs", unique, 2 * HOUR, nodeName=rack))
    eventually(lambda: world.denial(lasting("late", unique, 2 * HOUR), "--dry-run=server"))
    target = {"apiVersion": "v1", "kind": "Node", "name": rack}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "waits", "namespace": unique},
        "target": target,
    }
    path = f"/api/v1/namespaces/{unique}/pods/waits/binding"
    done = world.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding), check=False)
    assert "held without a break" in done.stderr
