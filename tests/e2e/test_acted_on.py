"""A clearance that ends is acted on: on a real API server, with the controllers that would bring pods back."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import deployment, examples, gpu_pod, namespace, node, of, pool, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation
from tools.process import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tools.installation import Replica

RACK = "rack-1"
RUNNING = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
REVOKED = json.dumps({"status": {"kyc": {"state": "Revoked"}}})


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two replicas that may evict and suspend, on a control plane of their own: what they do concerns every pod."""
    directory = tmp_path_factory.mktemp("acted-on")
    values = {"enforcement.evict": "true", "enforcement.suspend": "true"}
    server = {"gate": {"graceSeconds": 1}, "enforcement": {"sweepSeconds": 5}}
    with (
        ControlPlane(directory / "plane") as plane,
        Installation(plane, directory / "gate", replicas=2, values=values, server=server) as installed,
    ):
        world = World(installed)
        world.apply(*examples("policy", "pools"), pool("rack", "h100-sxm", "DE"), node(RACK, "rack", "h100-sxm"))
        yield world


@pytest.fixture
def given(acting: World) -> Iterator[World]:
    """Nothing of other tests runs, and nothing is done."""
    yield acting
    acting.kubectl("delete", "enforcements", "--all")
    acting.kubectl("delete", "deployments,jobs,poddisruptionbudgets", "--all", "-A")
    acting.kubectl("delete", "pods", "--all", "-A", "--force", "--grace-period=0")


def enforcement(name: str, *steps: Object, **spec: Any) -> Object:
    """Return an Enforcement that acts, as fast as it may."""
    bounds = {"mode": "Enforce", "evictionsPerMinute": 600, "mostShare": 100}
    return of("Enforcement", name, {**bounds, "steps": list(steps), **spec})


def evict(grace: str, **step: Any) -> Object:
    return {"action": "Evict", "gracePeriod": grace, **step}


def revoke(world: World, name: str) -> None:
    world.kubectl("patch", "tenants.computegate.io", name, "--subresource=status", "--type=merge", "-p", REVOKED)


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


def leader(world: World) -> Replica:
    """Return the replica that does the upkeep."""
    (found,) = eventually(
        lambda: [each for each in world.installed.replicas if value(each.metrics(), "computegate_leader") == 1],
        lambda found: len(found) == 1,
    )
    return found


def test_a_revoked_clearance_denies_what_comes_tells_and_evicts_what_runs_and_nothing_brings_it_back(
    given: World, country: str, unique: str
) -> None:
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    given.apply(enforcement(unique, evict("3s"), suspendControllers=True))
    given.admit(deployment("trainer", unique, gpu_pod("any", unique, nodeName=RACK), replicas=2))
    eventually(lambda: given.items("pods", "-n", unique), lambda pods: len(pods) == 2)
    revoke(given, unique)
    (told,) = eventually(lambda: findings(given, unique), lambda found: bool(found) and found[0]["pods"] == 2)
    assert (told["code"], told["action"]) == ("NotCleared", "Evict")
    assert instant(told["deadline"]) == instant(told["since"]) + dt.timedelta(seconds=3)
    assert "KYC" not in json.dumps(given.get("allowances", "compute", "-n", unique)["status"])
    asked = functools.partial(given.denial, gpu_pod("next", unique), "--dry-run=server")
    assert asked().startswith("[NotCleared]")
    eventually(asked, lambda line: "no new ones are admitted" in line)
    found = {"reason": "KYCSuspended", "action": "Evict"}
    eventually(lambda: value(leader(given).metrics(), "computegate_found_pods", **found), lambda pods: pods == 2)
    evicted = eventually(lambda: ending(given, unique), lambda pods: len(pods) == 2)
    assert all(instant(each["metadata"]["deletionTimestamp"]) >= instant(told["deadline"]) for each in evicted)
    given.kubectl("delete", "pods", "--all", "-n", unique, "--force", "--grace-period=0")
    stopped = eventually(
        lambda: given.get("deployment", "trainer", "-n", unique), lambda found: found["spec"]["replicas"] == 0
    )
    assert stopped["metadata"]["annotations"]["computegate.io/suspended-replicas"] == "2"
    assert given.items("pods", "-n", unique) == []
    eventually(lambda: findings(given, unique), lambda found: found == [])
    events = given.items("events.events.k8s.io", "-n", unique, "--field-selector=regarding.kind=Allowance")
    assert {each["reason"] for each in events} == {"NotCleared", "Resolved"}


def test_the_instant_of_a_rule_passes_and_nothing_else_changes(given: World, country: str, unique: str) -> None:
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    given.apply(enforcement(unique, evict("2s", codes=["NotCleared"])))
    run(given, unique, gpu_pod("runs", unique, nodeName=RACK))
    at = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=8)
    rule = {
        "name": "from-now-on",
        "effect": "Deny",
        "when": [{"fact": "Headquarters", "operator": "In", "values": [country]}],
        "basis": {"type": "ProviderPolicy", "title": "Our own", "asOf": "2026-01-01T00:00:00Z"},
        "effective": at.isoformat(),
    }
    given.apply(of("AccessPolicy", unique, {"rules": [rule]}))
    assert findings(given, unique) == []
    (told,) = eventually(lambda: findings(given, unique))
    assert instant(told["since"]) >= at
    eventually(lambda: ending(given, unique))
    given.kubectl("delete", "accesspolicy", unique)


def test_too_much_at_once_waits_for_a_person(given: World, country: str, unique: str) -> None:
    names = [f"{unique}-{number}" for number in range(3)]
    given.apply(quota(unique, country, 9), *(tenant(name, country) for name in names))
    given.apply(*(namespace(name, name) for name in names))
    for name in names:
        run(given, name, gpu_pod("runs", name, nodeName=RACK))
    given.apply(enforcement(unique, evict("1s"), mostShare=40))
    for name in names[:2]:
        revoke(given, name)
    breaker = eventually(lambda: given.get("enforcement", unique).get("status", {}).get("breaker"))
    counted = eventually(
        lambda: given.get("enforcement", unique)["status"]["breaker"], lambda found: found["pods"] == 2
    )
    assert (counted["pods"], counted["of"], breaker["evicted"]) == (2, 3, 0)
    assert value(leader(given).metrics(), "computegate_eviction_breaker") == 1
    confirmed = json.dumps({"spec": {"confirmed": counted["token"]}})
    assert [name for name in names if ending(given, name)] == []
    given.kubectl("patch", "enforcement", unique, "--type=merge", "-p", confirmed)
    eventually(lambda: [name for name in names if ending(given, name)], lambda found: found == names[:2])


def test_a_budget_that_keeps_a_pod_for_ever_keeps_it_until_its_time_is_over(
    given: World, country: str, unique: str
) -> None:
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    made = gpu_pod("kept", unique, nodeName=RACK)
    made["metadata"]["labels"] = {"app": unique}
    run(given, unique, made)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": unique}}}
    budget = {"metadata": {"name": unique, "namespace": unique}, "spec": spec}
    given.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget})
    eventually(lambda: given.get("pdb", unique, "-n", unique).get("status", {}).get("expectedPods") == 1)
    given.apply(enforcement(unique, evict("1s", respectBudgetsFor="4s")))
    revoke(given, unique)
    (told,) = eventually(lambda: findings(given, unique))
    (ended,) = eventually(lambda: ending(given, unique))
    after = instant(ended["metadata"]["deletionTimestamp"]) - instant(told["deadline"])
    assert after >= dt.timedelta(seconds=4)
    metrics = leader(given).metrics()
    assert value(metrics, "computegate_evictions_total", outcome="refused") >= 1
    assert value(metrics, "computegate_evictions_total", outcome="deleted") == 1


def test_a_leader_that_is_killed_half_way_leaves_nothing_undone_or_done_twice_and_the_pace_holds(
    given: World, country: str, unique: str
) -> None:
    pace, pods = 5, 7
    given.apply(quota(unique, country, 16), tenant(unique, country), namespace(unique, unique))
    run(given, unique, *(gpu_pod(f"runs-{number}", unique, nodeName=RACK) for number in range(pods)))
    given.apply(enforcement(unique, evict("1s"), evictionsPerMinute=pace))
    revoke(given, unique)
    first = leader(given)
    eventually(lambda: ending(given, unique))
    first.kill()
    try:
        eventually(lambda: ending(given, unique), lambda found: len(found) == pods, seconds=150)
    finally:
        first.start()
        first.wait()
    attempts = _attempts(given, unique)
    done = Counter(name for _, name, code in attempts if code == HTTPStatus.CREATED)
    assert done == {f"runs-{number}": 1 for number in range(pods)}
    for at, *_ in attempts:
        assert len([other for other, *_ in attempts if at <= other < at + dt.timedelta(seconds=60)]) <= pace


def test_what_kueue_queues_is_set_inactive_there_as_kueue_would_start_it_again_and_another_job_is_suspended(
    given: World, country: str, unique: str
) -> None:
    definition = str(binaries("kueue.yaml")["kueue.yaml"])
    given.kubectl("apply", "--server-side", "-f", definition)
    served = ("get", "--raw", "/apis/kueue.x-k8s.io/v1beta2/workloads")
    eventually(lambda: given.kubectl(*served, check=False).returncode == 0)
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    given.apply(enforcement(unique, evict("1s"), suspendControllers=True))
    suspended = value(leader(given).metrics(), "computegate_suspended_controllers_total")
    set_ = of("ConfigMap", "set", {}) | {"apiVersion": "v1"}  # stands for a JobSet
    given.admit({key: part for key, part in _within(set_, unique).items() if key != "spec"})
    owner = given.get("configmap", "set", "-n", unique)
    given.admit(*(_within(job(name), unique) for name in ("plain", "queued")))
    given.admit(_within(job("of-a-set", owner), unique))
    for name, made_for in (("queued", given.get("job", "queued", "-n", unique)), ("set", owner)):
        given.admit(_within(workload(name, made_for), unique))
    eventually(lambda: given.items("pods", "-n", unique), lambda pods: len(pods) == 3)
    revoke(given, unique)
    eventually(lambda: ending(given, unique), lambda pods: len(pods) == 3)
    given.kubectl("delete", "pods", "--all", "-n", unique, "--force", "--grace-period=0")
    expected = {"plain": True, "queued": False, "of-a-set": False, "workload/queued": False, "workload/set": False}
    eventually(lambda: _suspended(given, unique), lambda found: found == expected)
    assert value(leader(given).metrics(), "computegate_suspended_controllers_total") == suspended + 3


def _suspended(world: World, where: str) -> dict[str, bool]:
    """Return what Jobs say of being suspended, and Workloads of being active."""
    jobs = {each["metadata"]["name"]: each["spec"]["suspend"] for each in world.items("jobs", "-n", where)}
    queued = world.items("workloads.kueue.x-k8s.io", "-n", where)
    return jobs | {f"workload/{each['metadata']['name']}": each["spec"]["active"] for each in queued}


def job(name: str, owner: Object | None = None) -> Object:
    """Return a Job of one pod on the rack, made by `owner` if by anything."""
    spec = gpu_pod("any", "", nodeName=RACK)["spec"] | {"restartPolicy": "Never"}
    made = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": spec}}}
    return _owned(made, owner) if owner else made


def workload(name: str, owner: Object) -> Object:
    """Return the Workload that Kueue would make for something."""
    pods = {"name": "main", "count": 1, "template": {"spec": gpu_pod("any", "")["spec"]}}
    spec = {"queueName": "training", "active": True, "podSets": [pods]}
    return _owned(of("Workload", name, spec) | {"apiVersion": "kueue.x-k8s.io/v1beta2"}, owner)


def _owned(obj: Object, owner: Object) -> Object:
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {"controller": True}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": [reference]}}


def _within(obj: Object, where: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "namespace": where}}


def _attempts(world: World, where: str) -> list[tuple[dt.datetime, str, int]]:
    """Return when each eviction was asked for, of which pod, and its answer, as the API server's audit log has it."""
    found = []
    for line in world.installed.plane.audit_log.read_text().splitlines():
        about = json.loads(line)
        what = about.get("objectRef", {})
        if what.get("subresource") == "eviction" and what.get("namespace") == where:
            found.append((instant(about["requestReceivedTimestamp"]), what["name"], about["responseStatus"]["code"]))
    return found
