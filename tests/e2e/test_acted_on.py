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
from tests.e2e.acting import (
    ON_ITS_WAY,
    RACK,
    acting_world,
    attempts,
    clear,
    ending,
    enforcement,
    evict,
    evictions,
    findings,
    instant,
    leader,
    recorded,
    revoke,
    run,
    told_to_end,
)
from tests.e2e.objects import deployment, gpu_pod, namespace, of, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.process import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two replicas that may evict and suspend, on a control plane of their own: what they do concerns every pod."""
    with acting_world(tmp_path_factory.mktemp("acted-on")) as world:
        yield world


@pytest.fixture
def given(acting: World) -> Iterator[World]:
    """Nothing of other tests runs, and nothing is done."""
    yield acting
    clear(acting)


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
    eventually(asked, lambda line: line.startswith("[NotCleared]"))  # the other replica hears of it by itself
    eventually(asked, lambda line: line.startswith("[NotCleared]") and "no new ones are admitted" in line)
    found = {"reason": "KYCSuspended", "action": "Evict"}
    eventually(lambda: value(leader(given).metrics(), "computegate_found_pods", **found), lambda pods: pods == 2)
    evicted = eventually(lambda: ending(given, unique), lambda pods: len(pods) == 2)
    assert all(told_to_end(each) >= instant(told["deadline"]) for each in evicted)
    given.kubectl("delete", "pods", "--all", "-n", unique, "--force", "--grace-period=0")
    stopped = eventually(
        lambda: given.get("deployment", "trainer", "-n", unique), lambda found: found["spec"]["replicas"] == 0
    )
    assert stopped["metadata"]["annotations"]["computegate.io/suspended-replicas"] == "2"
    assert given.items("pods", "-n", unique) == []
    eventually(lambda: findings(given, unique), lambda found: found == [])
    about = ("events.events.k8s.io", "-n", unique, "--field-selector=regarding.kind=Allowance")
    eventually(
        lambda: {each["reason"] for each in given.items(*about)}, lambda found: found == {"NotCleared", "Resolved"}
    )
    last = {"Resolved", "Suspending", "Suspended"}
    lines = eventually(lambda: recorded(given, unique), lambda lines: last <= {line["step"] for line in lines})
    done = [line["step"] for line in lines]
    assert done[:6] == ["Found", "GraceBegun", *["Evicting", "Evicted"] * 2]
    after = Counter(done[6:])
    assert (after["Resolved"], after["Suspended"], done.index("Suspending") < done.index("Suspended")) == (1, 1, True)
    # A controller that is written meanwhile is tried again.
    assert after.keys() <= {*last, "NotSuspended"}
    assert {line["tenant"] for line in lines} == {unique}
    assert [line["workload"]["kind"] for line in lines if line["step"] == "Suspended"] == ["Deployment"]
    for replica in given.installed.replicas:
        assert main(["record", "verify", "--partial", str(replica.record)]) == 0


def test_the_instant_of_a_rule_passes_and_nothing_else_changes(given: World, country: str, unique: str) -> None:
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    given.apply(enforcement(unique, evict("2s", codes=["NotCleared"])))
    run(given, unique, gpu_pod("runs", unique, nodeName=RACK))
    at = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=10)
    rule = {
        "name": "from-now-on",
        "effect": "Deny",
        "when": [{"fact": "Headquarters", "operator": "In", "values": [country]}],
        "basis": {"type": "ProviderPolicy", "title": "Our own", "asOf": "2026-01-01T00:00:00Z"},
        "effective": at.isoformat(),
    }
    given.apply(of("AccessPolicy", unique, {"rules": [rule]}))
    early = findings(given, unique)  # of a machine so busy that it is past already, its own instant tells as well
    found = eventually(lambda: findings(given, unique))
    assert [instant(each["since"]) >= at for each in (*early, *found)] == [True] * (len(early) + 1)
    eventually(lambda: ending(given, unique))
    given.kubectl("delete", "accesspolicy", unique)


def test_too_much_at_once_waits_for_a_person(given: World, country: str, unique: str) -> None:
    bad, good = f"{unique}-bad", f"{unique}-good"
    given.apply(quota(unique, country, 9), *(tenant(name, country) for name in (bad, good)))
    given.apply(*(namespace(name, name) for name in (bad, good)))
    run(given, bad, *(gpu_pod(name, bad, nodeName=RACK) for name in ("one", "two")))
    run(given, good, gpu_pod("runs", good, nodeName=RACK))
    given.apply(enforcement(unique, evict("1s"), mostShare=40))
    revoke(given, bad)  # both of its pods are due at once: of two tenants the first one's would be within the share
    breaker = eventually(lambda: given.get("enforcement", unique).get("status", {}).get("breaker"))
    assert (breaker["pods"], breaker["of"], breaker["evicted"]) == (2, 3, 0)
    eventually(lambda: value(leader(given).metrics(), "computegate_eviction_breaker"), lambda waits: waits == 1)
    assert ending(given, bad) == []
    me = given.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    patch = ("patch", "enforcement", unique, "--type=merge", "-p")
    spec = {"confirmed": breaker["token"], "confirmedBy": "somebody-else"}
    refused = given.kubectl(*patch, json.dumps({"spec": spec}), check=False)
    assert f"spec.confirmedBy is who writes spec.confirmed: set it to {me}" in refused.stderr
    given.kubectl(*patch, json.dumps({"spec": {**spec, "confirmedBy": me}}))
    eventually(lambda: ending(given, bad), lambda found: len(found) == 2)
    assert ending(given, good) == []

    def evicted() -> list[Any]:
        return [line["confirmedBy"] for line in recorded(given, bad) if line["step"] == "Evicted"]

    eventually(evicted, lambda found: found == [[me], [me]])


def test_a_pod_that_would_take_years_to_end_is_given_no_longer_than_the_enforcement_says(
    given: World, country: str, unique: str
) -> None:
    given.apply(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique))
    years: dict[str, Any] = {"nodeName": RACK, "terminationGracePeriodSeconds": 315_360_000}
    run(given, unique, gpu_pod("evicted", unique, **years), gpu_pod("deleted", unique, **years))
    given.kubectl("delete", "pod", "deleted", "-n", unique, "--wait=false")
    given.apply(enforcement(unique, evict("1s", respectBudgetsFor="1s"), terminateWithin="2m"))
    revoke(given, unique)

    def graces() -> dict[str, int]:
        return {
            each["metadata"]["name"]: each["metadata"]["deletionGracePeriodSeconds"] for each in ending(given, unique)
        }

    eventually(graces, lambda found: found == {"evicted": 120, "deleted": 120})


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
    before = evictions(given, "deleted")
    given.apply(enforcement(unique, evict("1s", respectBudgetsFor="8s")))
    revoke(given, unique)
    (told,) = eventually(lambda: findings(given, unique))
    (ended,) = eventually(lambda: ending(given, unique))
    assert told_to_end(ended) - instant(told["deadline"]) >= dt.timedelta(seconds=8)
    eventually(lambda: evictions(given, "deleted"), lambda count: count == before + 1)
    assert evictions(given, "refused") >= 1


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
    tried = attempts(given, unique)
    done = Counter(name for _, name, code in tried if code == HTTPStatus.CREATED)
    assert done == {f"runs-{number}": 1 for number in range(pods)}
    minute = dt.timedelta(seconds=60 - ON_ITS_WAY)
    for at, *_ in tried:
        assert len([other for other, *_ in tried if at <= other < at + minute]) <= pace


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


HOUR = 3600


def put_on_a_node(world: World, name: str, where: str, ago: int) -> dt.datetime:
    """Bind a pod as a scheduler would that had chosen its node some seconds ago; return when that was."""
    since = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=ago)
    told = {"type": "PodScheduled", "status": "True", "lastTransitionTime": since.isoformat()}
    patch = json.dumps({"status": {"conditions": [told]}})
    world.kubectl("patch", "pod", name, "-n", where, "--subresource=status", "--type=merge", "-p", patch)
    target = {"apiVersion": "v1", "kind": "Node", "name": RACK}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": where}, "target": target}
    path = f"/api/v1/namespaces/{where}/pods/{name}/binding"
    world.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    return since


def paid_until(world: World, country: str) -> dict[str, int]:
    """Return up to when each pod without an end has paid, by uid."""
    rows = [row.split(",") for row in world.ledger(country).get("tranches", "").split(";") if row]
    return {uid: int(since) + int(seconds) for uid, _, since, seconds, _ in rows if since != "0"}


def test_a_pod_without_an_end_is_renewed_hour_by_hour_until_that_does_not_fit_and_is_evicted_in_time(
    given: World, country: str, unique: str
) -> None:
    limits = quota(unique, country, None, limits={"deviceHours": 4}, window="1d", withoutEnd="Renewed")
    given.apply(limits, tenant(unique, country), namespace(unique, unique))
    assert "cannot renew the time of a pod without an end" in given.denial(gpu_pod("first", unique))
    given.apply(enforcement(unique, evict("3s", reasons=["HoursExhausted"], respectBudgetsFor="0s")))
    eventually(lambda: given.denial(gpu_pod("first", unique), "--dry-run=server"), lambda line: not line)
    given.admit(gpu_pod("first", unique))
    uid = given.get("pod", "first", "-n", unique)["metadata"]["uid"]
    since = put_on_a_node(given, "first", unique, HOUR - 8)
    paid = HOUR + 3 + 60
    began = int(since.timestamp())
    eventually(lambda: paid_until(given, country), lambda found: found.get(uid) == began + paid)
    until = eventually(lambda: paid_until(given, country), lambda found: found[uid] > began + paid)[uid]
    assert HOUR <= until - (began + paid) < HOUR + 30
    hours = {"limit": 4, "reserved": 3, "used": 0}
    eventually(lambda: given.get("computequotas", unique)["status"].get("deviceHours"), lambda found: found == hours)
    shown = eventually(
        lambda: given.get("allowances", "compute", "-n", unique)["status"].get("limits", [{}])[0].get("hours", {}),
        lambda found: "paidUntil" in found and instant(found["paidUntil"]).timestamp() == until,
    )
    assert (shown["prepaid"], shown["left"]) == (3, 1)
    assert instant(given.get("computequotas", unique)["status"]["paidUntil"]).timestamp() == until
    # The next one pays for its first hour; a second hour would be more than the four that there are.
    given.admit(gpu_pod("second", unique))
    other = given.get("pod", "second", "-n", unique)["metadata"]["uid"]
    since = put_on_a_node(given, "second", unique, HOUR - 8)
    (told,) = eventually(lambda: findings(given, unique), bool)
    assert (told["code"], told["action"], told["pods"]) == ("LimitReached", "Evict", 1)
    (evicted,) = eventually(lambda: ending(given, unique), bool)
    assert evicted["metadata"]["uid"] == other
    assert instant(told["deadline"]) <= told_to_end(evicted)
    assert told_to_end(evicted) < since + dt.timedelta(seconds=paid), "within what it has paid for"
    assert paid_until(given, country)[other] == int(since.timestamp()) + paid, "it was refused, and paid nothing"
    given.kubectl("delete", "pod", "second", "-n", unique, "--force", "--grace-period=0")
    left = eventually(lambda: paid_until(given, country), lambda found: other not in found)
    assert left.keys() == {uid}
    ended = dt.datetime.now(dt.UTC)
    used = seconds_used(given, country)
    assert HOUR - 8 <= used <= (ended - since).total_seconds() + 1, "what it used, and nothing of the rest"
    eventually(lambda: findings(given, unique), lambda found: found == [])
    assert "deletionTimestamp" not in given.get("pod", "first", "-n", unique)["metadata"]


def seconds_used(world: World, country: str) -> int:
    """Return the device-seconds that a ledger and its archive have as used."""
    ledger = world.ledger(country)
    return sum(_sum_of(row) for row in ledger.get("spent", "").split(";")) + sum(
        _sum_of(row) for row in ledger.get("past", "").partition("=")[2].split(";")
    )


def _sum_of(row: str) -> int:
    """Return the seconds of a row: party,class[:seconds] and hours, or party,class:seconds."""
    return sum(int(each.rpartition(":")[2]) for part in row.split(",") for each in part.split("+") if ":" in each)
