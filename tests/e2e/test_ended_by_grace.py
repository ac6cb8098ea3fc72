"""A clearance that ends, on nodes whose pods run and end as under a kubelet: to the last pod, and no further."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from tests.e2e.acting import (
    ON_ITS_WAY,
    RACK,
    acting_world,
    attempts,
    clear,
    ending,
    enforcement,
    evict,
    findings,
    instant,
    leader,
    recorded,
    revoke,
    told_to_end,
)
from tests.e2e.objects import deployment, gpu_pod, namespace, quota, tenant
from tests.e2e.world import World, eventually
from tools.hollow import USER, hollow_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object

GRACE = 4
"""Seconds that pods have between being told to end and their end."""


@pytest.fixture(scope="module")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two replicas that may evict and suspend, and a node whose pods run and end."""
    with acting_world(tmp_path_factory.mktemp("ended")) as world, hollow_nodes(world.installed.plane):
        yield world


@pytest.fixture
def given(hollow: World, country: str, unique: str) -> Iterator[World]:
    """A tenant with a namespace, both named as the test's own; nothing else runs, and nothing is done."""
    hollow.apply(quota(unique, country, 32), tenant(unique, country), namespace(unique, unique))
    yield hollow
    clear(hollow)


def trainer(name: str, where: str, replicas: int, grace: int = GRACE) -> Object:
    """Return a Deployment on the rack."""
    template = gpu_pod("any", where, nodeName=RACK, terminationGracePeriodSeconds=grace)
    return deployment(name, where, template, replicas)


def running(world: World, where: str) -> list[str]:
    return sorted(
        each["metadata"]["name"]
        for each in world.items("pods", "-n", where)
        if each["status"]["phase"] == "Running" and "deletionTimestamp" not in each["metadata"]
    )


def ended(world: World, where: str) -> dict[str, dt.datetime]:
    """Return when the node ended each pod of a namespace."""
    lines = map(json.loads, world.installed.plane.audit_log.read_text().splitlines())
    about = [(line, line.get("objectRef", {})) for line in lines if line["user"]["username"] == USER]
    return {
        what["name"]: instant(line["requestReceivedTimestamp"])
        for line, what in about
        if (line["verb"], what.get("resource"), what.get("namespace")) == ("delete", "pods", where)
    }


def steps(world: World, where: str) -> list[str]:
    return [str(line["step"]) for line in recorded(world, where)]


def test_a_revoked_clearance_from_the_next_pod_to_the_end_of_the_last_one(given: World, unique: str) -> None:
    given.apply(enforcement(unique, evict("5s")))
    given.admit(trainer("trainer", unique, 3))
    eventually(lambda: running(given, unique), lambda pods: len(pods) == 3)
    revoke(given, unique)
    asked = lambda: given.denial(gpu_pod("next", unique), "--dry-run=server")  # noqa: E731
    eventually(asked, lambda line: line.startswith("[NotCleared]"))
    (told,) = eventually(lambda: findings(given, unique), lambda found: bool(found) and found[0]["pods"] == 3)
    told_at = {
        each["metadata"]["name"]: told_to_end(each)
        for each in eventually(lambda: ending(given, unique), lambda pods: len(pods) == 3)
    }
    assert min(told_at.values()) >= instant(told["deadline"]) == instant(told["since"]) + dt.timedelta(seconds=5)
    eventually(lambda: given.items("pods", "-n", unique), lambda pods: pods == [])
    gone = ended(given, unique)
    assert gone.keys() == told_at.keys()
    assert all(gone[name] >= at + dt.timedelta(seconds=GRACE) for name, at in told_at.items())
    failed = eventually(
        lambda: [
            each["message"]
            for each in given.get("deployment", "trainer", "-n", unique)["status"]["conditions"]
            if each["type"] == "ReplicaFailure"
        ]
    )
    assert "[NotCleared]" in failed[0]
    assert given.items("pods", "-n", unique) == []
    eventually(lambda: findings(given, unique), lambda found: found == [])


def test_a_step_that_is_withdrawn_deletes_nothing_of_what_its_budgets_kept(given: World, unique: str) -> None:
    given.admit(trainer("kept", unique, 4))
    eventually(lambda: running(given, unique), lambda pods: len(pods) == 4)
    spec = {"minAvailable": 4, "selector": {"matchLabels": {"app": "kept"}}}
    budget = {"metadata": {"name": unique, "namespace": unique}, "spec": spec}
    given.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget})
    eventually(lambda: given.get("pdb", unique, "-n", unique).get("status", {}).get("expectedPods") == 4)
    other = evict("1s", codes=["InfoNeeded"])
    kept = evict("1s", codes=["NotCleared"], respectBudgetsFor="24h")
    given.apply(enforcement(unique, kept, other, evictionsPerMinute=2))
    revoke(given, unique)
    eventually(lambda: attempts(given, unique), lambda tried: len(tried) == 2)
    patch = {"spec": {"steps": [other], "evictionsPerMinute": 600}}
    given.kubectl("patch", "enforcement", unique, "--type=merge", "-p", json.dumps(patch))
    eventually(lambda: findings(given, unique), lambda found: found == [])
    eventually(lambda: steps(given, unique), lambda done: "Withdrawn" in done)
    assert {code for *_, code in attempts(given, unique)} == {HTTPStatus.TOO_MANY_REQUESTS}
    assert (ending(given, unique), "Deleting" in steps(given, unique)) == ([], False)


def test_a_rollout_that_puts_things_right_is_not_scaled_down_and_another_deployment_is(
    given: World, unique: str
) -> None:
    given.apply(enforcement(unique, evict("2s"), suspendControllers=True))
    given.admit(trainer("mended", unique, 2), trainer("stubborn", unique, 2))
    old = eventually(lambda: running(given, unique), lambda pods: len(pods) == 4)
    revoke(given, unique)
    eventually(lambda: ending(given, unique), lambda pods: len(pods) == 4)
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}
    mended = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/resources", "value": resources},
        {"op": "remove", "path": "/spec/template/spec/nodeSelector"},
    ]
    given.kubectl("patch", "deployment", "mended", "-n", unique, "--type=json", "-p", json.dumps(mended))
    eventually(lambda: set(running(given, unique)) - set(old))
    eventually(lambda: _replicas(given, unique), lambda replicas: replicas["stubborn"] == 0)
    assert _replicas(given, unique) == {"mended": 2, "stubborn": 0}
    fresh = eventually(lambda: running(given, unique), lambda pods: len(pods) == 2)
    assert all(name.startswith("mended-") for name in fresh)
    suspended = [line for line in recorded(given, unique) if line["step"] == "Suspended"]
    assert [line["workload"]["name"] for line in suspended] == ["stubborn"]


def _replicas(world: World, where: str) -> dict[str, int]:
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in world.items("deployments", "-n", where)}


def test_a_leader_that_is_killed_with_a_confirmation_half_used_leaves_no_pod_and_no_controller(
    given: World, unique: str
) -> None:
    """The pods of one Deployment have all been told to end by then, and go while the next one leads."""
    pace, pods = 4, 6
    given.admit(trainer("a", unique, 2, grace=45), trainer("b", unique, 4))
    eventually(lambda: running(given, unique), lambda found: len(found) == pods)
    given.apply(enforcement(unique, evict("1s"), mostShare=20, evictionsPerMinute=pace, suspendControllers=True))
    revoke(given, unique)
    breaker = eventually(
        lambda: given.get("enforcement", unique).get("status", {}).get("breaker"),
        lambda found: bool(found) and found["pods"] == pods,
    )
    me = given.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    confirmed = {"spec": {"confirmed": breaker["token"], "confirmedBy": me}}
    first = leader(given)
    given.kubectl("patch", "enforcement", unique, "--type=merge", "-p", json.dumps(confirmed))
    eventually(lambda: len(attempts(given, unique)), lambda tried: tried == pace)
    first.kill()
    try:
        eventually(lambda: given.items("pods", "-n", unique), lambda found: found == [], seconds=180)
        eventually(lambda: _replicas(given, unique), lambda found: found == {"a": 0, "b": 0})
    finally:
        first.start()
        first.wait()
    tried = attempts(given, unique)
    assert Counter(code for *_, code in tried) == {HTTPStatus.CREATED: pods}
    assert len({name for _, name, _ in tried}) == pods
    assert tried[pace][0] - tried[0][0] > dt.timedelta(seconds=60 - ON_ITS_WAY)
    done = [line for line in recorded(given, unique) if line["step"] == "Evicting"]
    assert {tuple(line["confirmedBy"]) for line in done} == {(me,)}
