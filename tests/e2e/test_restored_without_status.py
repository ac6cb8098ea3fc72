"""A cluster that comes back from manifests, which hold no status: nobody is cleared, and limits are counted anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from admission.ledger.objects import object_name
from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.receivers import computegate
from tests.e2e.world import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.world import World

OURS = ("tenants.computegate.io", "computequotas", "exemptions", "quotaledgers")


def without_status(stored: dict[str, Any]) -> dict[str, Any]:
    """What a tool that copies manifests keeps of an object."""
    kept = {
        key: stored["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if key in stored["metadata"]
    }
    return {**{key: value for key, value in stored.items() if key != "status"}, "metadata": kept}


def test_nobody_is_cleared_until_what_was_verified_is_brought_back(
    world: World, country: str, unique: str, tmp_path: Path
) -> None:
    hours = quota(unique, country, 2, limits={"deviceHours": 1000})
    facts = tenant(unique, country, parties=[{"id": "top", "name": "Quarzwind Holding AG"}])
    world.apply(hours, facts, namespace(unique, unique))
    trainer = gpu_pod("trainer", unique, 2, activeDeadlineSeconds=3600)
    world.admit(trainer)
    world.await_use(unique, 2)
    exported = computegate(world, "tenants", "export", unique)
    saved = [world.get(kind, unique) for kind in OURS[:2]] + [world.get("quotaledger", object_name(country))]
    saved.append(world.get("namespace", unique))
    before = saved[0]["status"]
    _lose(world, unique, country)

    manifests = {"apiVersion": "v1", "kind": "List", "items": [without_status(each) for each in reversed(saved)]}
    world.kubectl("create", "-f", "-", stdin=json.dumps(manifests))
    world.settle([hours, facts, namespace(unique)])
    assert "kyc" not in world.get("tenants.computegate.io", unique)["status"]
    assert f"[NotCleared] tenant {unique} is not cleared" in world.denial(trainer)

    file = tmp_path / "tenants.yaml"
    file.write_text(exported.stdout)
    brought = computegate(world, "tenants", "import", "-f", str(file))
    assert brought.returncode == 0, brought.stderr
    after = world.get("tenants.computegate.io", unique)
    assert after["spec"] == saved[0]["spec"]
    assert {part: after["status"][part] for part in ("kyc", "screening")} == {
        part: before[part] for part in ("kyc", "screening")
    }
    eventually(lambda: world.denial(trainer, "--dry-run=server"), lambda line: line == "")
    world.admit(trainer)
    world.await_use(unique, 2)
    assert "exceeded quota" in world.denial(gpu_pod("more", unique, 1, activeDeadlineSeconds=3600))
    used = world.get("computequotas", unique)["status"]["deviceHours"]
    assert used["used"] == 0, "what had been used before is in no manifest"


def _lose(world: World, unique: str, country: str) -> None:
    """The cluster, as far as this tenant is concerned, is gone."""
    world.kubectl("delete", "pods", "--all", "-n", unique, "--force", "--grace-period=0")
    world.await_use(unique, 0)
    world.kubectl("delete", "namespace", unique, "--wait=false")
    world.kubectl("delete", "computequota", unique)
    world.kubectl("delete", "tenants.computegate.io", unique)
    eventually(lambda: world.get("namespace", unique) == {} or _finalized(world, unique))
    world.kubectl("delete", "quotaledger", object_name(country))


def _finalized(world: World, name: str) -> bool:
    """End a namespace: no controller of namespaces runs here."""
    stored = world.get("namespace", name)
    if stored:
        stored["spec"]["finalizers"] = []
        path = f"/api/v1/namespaces/{name}/finalize"
        world.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(stored), check=False)
    return world.get("namespace", name) == {}
