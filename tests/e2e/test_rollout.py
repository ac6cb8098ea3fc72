"""From observe to enforce, tenant by tenant: its letter, from the record and from the cluster, and then the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chart.users import granted
from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.receivers import computegate
from tests.e2e.world import eventually, value
from tools.installation import CONTACT

if TYPE_CHECKING:
    from tests.chart.users import Grant
    from tests.e2e.world import World

OWNER = "Quarzwind Holding AG"


def letter(world: World, name: str, *source: str) -> str:
    done = computegate(world, "report", "tenants", "-t", name, "--contact", CONTACT, *source)
    assert done.returncode in {0, 1}, done.stderr
    return " ".join(done.stdout.split())


def test_a_tenant_is_written_to_put_in_order_and_then_enforced(world: World, country: str, unique: str) -> None:
    owner = {"id": "top", "name": OWNER, "headquarters": country}
    expired = tenant(unique, country, kyc={"expiresAt": "2026-06-01T00:00:00Z"}, parties=[owner])
    world.apply(quota(unique, country, 3), expired, namespace(unique, unique, "observe"))
    for number in range(4):
        world.admit(gpu_pod(f"trainer-{number}", unique))
    reference = eventually(lambda: world.record_of("trainer-3")["reference"])
    by_record = letter(world, unique, f"--from={world.installed.replicas[0].record}")
    by_cluster = letter(world, unique, "--cluster")
    for found in (by_record, by_cluster):
        assert f"4 requests of tenant {unique}" in found
        assert f"[NotCleared] tenant {unique} is not cleared for class h100-sxm" in found
        assert f"Write to {CONTACT}" in found
        assert not any(word in found for word in (OWNER, "KYCExpired", "2026-06-01"))
    assert f"reference {reference}" in by_record
    assert "Looked at was the pods that ran at 20" in by_cluster

    world.apply(tenant(unique, country, parties=[owner]))
    full = letter(world, unique, "--cluster")
    assert f"1 request of tenant {unique}" in full, "three fit the quota"
    assert f"exceeded quota: {unique}, requested: nvidia.com/gpu=1, used: nvidia.com/gpu=3" in full
    world.kubectl("delete", "pod", "trainer-3", "-n", unique, "--force", "--grace-period=0")
    assert letter(world, unique, "--cluster") == ""

    before = value(world.metrics(), "computegate_namespaces", mode="enforce")
    world.kubectl("label", "namespace", unique, "computegate.io/mode=enforce", "--overwrite")
    eventually(lambda: value(world.metrics(), "computegate_namespaces", mode="enforce"), lambda now: now == before + 1)
    world.await_use(unique, 3)
    assert "exceeded quota" in world.denial(gpu_pod("more", unique))


def test_a_namespace_that_ceases_to_be_enforced_is_said_counted_and_told_of(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 0), tenant(unique, country), namespace(unique, unique))
    before = value(world.metrics(), "computegate_weakened_total", what="namespace")
    refused = world.kubectl("label", "namespace", unique, "computegate.io/mode=observe", check=False).stderr
    assert "going from enforce to observe enforces less: first annotate the object" in refused
    world.observe(unique)
    eventually(
        lambda: value(world.metrics(), "computegate_weakened_total", what="namespace"), lambda now: now == before + 1
    )
    said = f"namespace {unique} went from enforce to observe; asked for by admin: ticket 4711"
    eventually(lambda: said in world.installed.replicas[0].log.read_text())
    about = ("events", "-A", "--field-selector", f"reason=Weakened,involvedObject.name={unique}")
    (event,) = eventually(lambda: world.items(*about))
    assert event["type"] == "Warning"
    eventually(lambda: world.denial(gpu_pod("passes", unique)), lambda line: line == "")
    passed = computegate(
        world,
        "report",
        "admitted",
        f"--from={world.installed.replicas[0].record}",
        "-n",
        unique,
        "--since",
        "2026-01-01",
    )
    assert passed.returncode == 1
    assert "1 requests passed that something stood in the way of" in passed.stdout
    assert "QuotaExceeded" in passed.stdout


def test_a_new_namespace_that_is_to_be_less_enforced_than_the_default_needs_who_may_approve_it(
    world: World, unique: str
) -> None:
    users = [f"{unique}-one", f"{unique}-other"]
    verbs = zip(users, (["use"], ["use", "approve"]), strict=True)
    grants: list[Grant] = [(user, "computegate.io", ["modes"], [], held) for user, held in verbs]
    grants += [(user, "", ["namespaces"], [], ["create", "get"]) for user in users]
    world.kubectl("create", "-f", "-", stdin=granted(grants))
    alone, second = (world.try_create(namespace(unique, mode="warn"), user=user) for user in users)
    assert (
        "going from enforce to warn enforces less: somebody asked for it, and another makes the change" in alone.stderr
    )
    assert second.returncode == 0, second.stderr
