"""Admission and counting: what one tenant, several namespaces and several tenants hold together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.objects import deployment, gpu_pod, namespace, of, pool, quota, tenant
from tests.e2e.world import eventually, value
from tools.installation import pod

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World


def test_a_cleared_tenant_is_admitted_and_counted_everywhere(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    before = world.metrics()
    world.admit(gpu_pod("trainer", unique, 3))
    world.await_use(unique, 3)
    ledger = world.ledger(country)
    assert ledger["used"] == f"{unique},h100-sxm:3"
    assert ledger.get("inflight", "") == ""
    record = world.record_of("trainer")
    assert (record["decision"], record["tenant"], record["governing"]) == ("allowed", unique, country)
    assert record["quota"] == [{"name": unique, "unit": "devices", "limit": 8, "before": 0, "after": 3}]
    moved = {"name": "computegate_devices_total", "accelerator_class": "h100-sxm", "decision": "allowed"}
    assert value(world.metrics(), **moved) - value(before, **moved) == 3
    assert value(world.metrics(), "computegate_quota_used_devices", quota=unique) == 3
    allowance = eventually(
        lambda: world.get("allowances", "compute", "-n", unique).get("status", {}), lambda own: bool(own.get("use"))
    )
    assert (allowance["clearance"], allowance["use"]) == ("Cleared", [{"acceleratorClass": "h100-sxm", "used": 3}])


def test_two_namespaces_of_a_tenant_share_its_quota(world: World, country: str, unique: str) -> None:
    one, other = f"{unique}-one", f"{unique}-other"
    limits = quota(unique, country, 100, perTenant={"devices": 4})
    world.apply(limits, tenant(unique, country), namespace(one, unique), namespace(other, unique))
    world.admit(gpu_pod("first", one, 3))
    assert "requested: nvidia.com/gpu=2, used: nvidia.com/gpu=3, limited: nvidia.com/gpu=4" in world.denial(
        gpu_pod("second", other, 2)
    )
    world.admit(gpu_pod("third", other, 1))
    world.await_use(unique, 4)


def test_two_tenants_of_a_jurisdiction_share_its_quota_and_see_only_themselves(
    world: World, country: str, unique: str
) -> None:
    one, other = f"{unique}-one", f"{unique}-other"
    owned: Object = {
        "parties": [{"id": "top", "name": "Top", "headquarters": country}],
        "ultimateParent": "top",
        "ownership": [{"owner": "top", "owned": "tenant", "share": {"exact": 100}}],
    }
    world.apply(
        quota(unique, country, 8),
        *(tenant(one, country), tenant(other, country, **owned)),
        *(namespace(one, one), namespace(other, other)),
    )
    world.admit(gpu_pod("first", one, 5))
    line = world.denial(gpu_pod("second", other, 4))
    assert f"exceeded quota: {unique}, requested: nvidia.com/gpu=4, used: nvidia.com/gpu=0, limited: " in line
    assert "limited: nvidia.com/gpu=3 " in line
    assert one not in line
    world.admit(gpu_pod("third", other, 3))


def test_a_deleted_pod_frees_its_quota(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 2), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("first", unique, 2))
    assert "0 left for you" in world.denial(gpu_pod("second", unique, 2))
    world.kubectl("delete", "pod", "first", "-n", unique)
    eventually(lambda: world.denial(gpu_pod("third", unique, 2)), lambda line: line == "")
    world.await_use(unique, 2)


def test_a_limit_lowered_below_its_use_denies_new_pods_and_stops_none(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    world.admit(*(gpu_pod(f"pod-{number}", unique) for number in range(4)))
    world.await_use(unique, 4)
    world.apply(quota(unique, country, 2))
    line = eventually(lambda: world.denial(gpu_pod("more", unique), "--dry-run=server"))
    assert "used: nvidia.com/gpu=4, limited: nvidia.com/gpu=" in line
    world.kubectl("delete", "pod", "pod-0", "pod-1", "-n", unique)
    world.await_use(unique, 2)
    assert "exceeded quota" in world.denial(gpu_pod("more", unique), "--dry-run=server")
    assert sorted(_pods(world, unique)) == ["pod-2", "pod-3"]
    world.kubectl("delete", "pod", "pod-2", "-n", unique)
    eventually(lambda: world.denial(gpu_pod("more", unique)), lambda line: line == "")
    world.await_use(unique, 2)


def test_a_dry_run_counts_nothing(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    for number in range(3):
        assert world.denial(gpu_pod(f"dry-{number}", unique, 4), "--dry-run=server") == ""
    assert "exceeded quota" in world.denial(gpu_pod("dry-more", unique, 5), "--dry-run=server")
    assert world.record_of("dry-0")["dryRun"] is True
    assert world.ledger(country).get("inflight", "") == ""
    world.admit(gpu_pod("real", unique, 4))
    world.await_use(unique, 4)


def test_the_first_pod_of_a_pool_scaled_to_zero_is_admitted(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique), pool(unique, "h200-sxm"))
    assert world.items("nodes") == []
    eventually(lambda: world.denial(gpu_pod("first", unique, 1, "h200-sxm")), lambda line: line == "")
    assert world.record_of("first")["demand"][0]["classes"] == ["h200-sxm"]
    world.await_use(unique, 1)


def test_a_fact_changed_after_verification_denies_the_next_pod(world: World, unique: str, country: str) -> None:
    grant = {"number": "L-1", "tenant": unique, "classes": ["Controlled"], "devices": 4}
    grant |= {"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"}
    world.apply(
        *(quota(f"{unique}-cn", ["CN"], 100), quota(f"{unique}-moved", country, 100)),
        *(tenant(unique, "CN", incorporation="DE"), namespace(unique, unique), of("Authorization", unique, grant)),
    )
    eventually(lambda: world.denial(gpu_pod("first", unique)), lambda line: line == "")
    moved = json.dumps({"spec": {"headquarters": country}})
    world.kubectl("patch", "tenants.computegate.io", unique, "--type=merge", "-p", moved)
    line = eventually(lambda: world.denial(gpu_pod("second", unique), "--dry-run=server"))
    assert line.startswith(f"[NotCleared] tenant {unique} is not cleared for class h100-sxm; ")
    assert world.record_of("second")["reasons"] == ["KYCStale"]


def test_an_ephemeral_container_that_reaches_devices_is_refused(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("server", unique))
    plain: Object = {"name": "look", "image": "registry.example.com/tools:1"}
    assert "spec.ephemeralContainers[reach].securityContext.privileged" in _debug(
        world, unique, {**plain, "name": "reach", "securityContext": {"privileged": True}}
    )
    assert "spec.ephemeralContainers[reach].env[NVIDIA_VISIBLE_DEVICES]" in _debug(
        world, unique, {**plain, "name": "reach", "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}
    )
    assert _debug(world, unique, plain) == ""


def test_requests_beyond_all_reason_do_not_lock_the_others_out(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    line = world.denial(gpu_pod("vast", unique, 2**63 - 1, "t4"))
    assert line.startswith(
        "[NotPermitted] this pod cannot be judged: it asks for 9223372036854775807 of nvidia.com/gpu"
    )
    world.admit(*(gpu_pod(f"vast-{number}", unique, 2**31 - 1, "t4") for number in range(3)))
    vast = f"{unique},h100-sxm:1,t4:{3 * (2**31 - 1)}"
    world.admit(gpu_pod("small", unique))
    eventually(lambda: world.ledger(country)["used"], lambda used: used == vast)
    world.await_use(unique, 1)
    world.admit(gpu_pod("another", unique))


def _debug(world: World, where: str, container: Object) -> str:
    """Add an ephemeral container to the pod as kubectl debug does; return what was said against it."""
    stored = world.get("pods", "server", "-n", where)
    stored["spec"].setdefault("ephemeralContainers", []).append(container)
    path = f"/api/v1/namespaces/{where}/pods/server/ephemeralcontainers"
    return world.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(stored), check=False).stderr


def test_pods_that_are_told_to_try_again_delay_nobody_else(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 100), tenant(unique, country), namespace(unique, unique))
    world.leave_uncounted(country)
    eventually(lambda: world.denial(gpu_pod("probe", unique)), lambda line: line.startswith("[TryAgain]"))
    waiting = [f"wait-{number:02}" for number in range(12)]
    template = gpu_pod("template", unique)
    listed = [deployment(each, unique, template, 2) for each in waiting]
    world.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": listed}))
    eventually(lambda: _told_to_wait(world, unique), lambda told: len(told) == 12)
    world.kubectl("create", "-f", "-", stdin=json.dumps(deployment("plain", unique, pod("any", unique, {}), 3)))
    pods = eventually(lambda: _pods(world, unique), lambda found: len(found) == 3, 10)
    assert all(each.startswith("plain-") for each in pods)
    world.kubectl("delete", "deployments", "--all", "-n", unique)
    world.count_again(country)
    eventually(lambda: world.denial(gpu_pod("probe", unique)), lambda line: line == "")


def _told_to_wait(world: World, where: str) -> set[str]:
    """Return the Deployments whose ReplicaSet was told to try again."""
    events = world.items("events", "-n", where)
    said = [each for each in events if each["reason"] == "FailedCreate" and "[TryAgain]" in each["message"]]
    return {each["involvedObject"]["name"].rpartition("-")[0] for each in said}


def _pods(world: World, where: str) -> list[str]:
    return [each["metadata"]["name"] for each in world.items("pods", "-n", where)]
