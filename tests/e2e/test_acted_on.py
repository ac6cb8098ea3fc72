"""A clearance that ends is acted on: on a real API server, with the controllers that would bring pods back."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.main import main
from tests.e2e.objects import deployment, examples, gpu_pod, namespace, node, of, pool, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation

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
    acting.kubectl("delete", "deployments,poddisruptionbudgets", "--all", "-A")
    acting.kubectl("delete", "pods", "--all", "-A", "--force", "--grace-period=0")


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
    last = {"Resolved", "Suspending", "Suspended"}
    lines = eventually(lambda: recorded(given, unique), lambda lines: last <= {line["step"] for line in lines})
    done = [line["step"] for line in lines]
    assert done[:6] == ["Found", "GraceBegun", *["Evicting", "Evicted"] * 2]
    assert (len(done), done.index("Suspending") < done.index("Suspended")) == (9, True)
    assert {line["tenant"] for line in lines} == {unique}
    assert [line["workload"]["kind"] for line in lines if line["step"] == "Suspended"] == ["Deployment"]
    for replica in given.installed.replicas:
        assert main(["record", "verify", "--partial", str(replica.record)]) == 0


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
    revoke(given, *names[:2])
    breaker = eventually(lambda: given.get("enforcement", unique).get("status", {}).get("breaker"))
    counted = eventually(
        lambda: given.get("enforcement", unique)["status"]["breaker"], lambda found: found["pods"] == 2
    )
    assert (counted["pods"], counted["of"], breaker["evicted"]) == (2, 3, 0)
    assert value(leader(given).metrics(), "computegate_eviction_breaker") == 1
    assert [name for name in names if ending(given, name)] == []
    me = given.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    patch = ("patch", "enforcement", unique, "--type=merge", "-p")
    spec = {"confirmed": counted["token"], "confirmedBy": "somebody-else"}
    refused = given.kubectl(*patch, json.dumps({"spec": spec}), check=False)
    assert f"spec.confirmedBy is who writes spec.confirmed: set it to {me}" in refused.stderr
    given.kubectl(*patch, json.dumps({"spec": {**spec, "confirmedBy": me}}))
    eventually(lambda: [name for name in names if ending(given, name)], lambda found: found == names[:2])
    evicted = [line for line in recorded(given) if line["step"] == "Evicted" and line["namespace"] in names]
    assert [line["confirmedBy"] for line in evicted] == [[me], [me]]


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


def _attempts(world: World, where: str) -> list[tuple[dt.datetime, str, int]]:
    """Return when each eviction was asked for, of which pod, and its answer, as the API server's audit log has it."""
    found = []
    for line in world.installed.plane.audit_log.read_text().splitlines():
        about = json.loads(line)
        what = about.get("objectRef", {})
        if what.get("subresource") == "eviction" and what.get("namespace") == where:
            found.append((instant(about["requestReceivedTimestamp"]), what["name"], about["responseStatus"]["code"]))
    return found
