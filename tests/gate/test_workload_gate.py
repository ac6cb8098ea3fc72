"""Reviews of workloads: what their pods would be told, in which mode, and what is never denied."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.policy import Mode
from admission.cli.documents import Document, read_each
from admission.demand.workloads.answer import answer
from admission.demand.workloads.table import builtin
from admission.review.wire import BadReview
from admission.server.reader import LARGEST, MOST_VALUES
from tests.decide.questions import policy, quota, rule, tenant, world
from tests.demand.test_claimed_devices import one
from tests.gate.reviews import CPU, GPU, Door, gpus, review, run
from tests.gate.test_claims_charged_once import SHARES, USES, Cluster
from tests.gate.workloads import (
    Object,
    cron_job,
    deployment,
    job,
    job_set,
    review_of,
    unheard_of,
    with_metadata,
)

EXPIRED = world(tenant(status={"kyc": {"expiresAt": "2026-02-01T00:00:00Z"}}), quota())
CLEARED = world(quota())
SIDE = {"containers": [{"name": "main", "image": "other", "resources": {"limits": {"nvidia.com/h100": "1"}}}]}
MANIFESTS = pathlib.Path(__file__).parents[1] / "demand" / "manifests"
DOCUMENTS = [each for each in read_each([MANIFESTS]) if isinstance(each, Document)]
WORKLOADS = [each for each in DOCUMENTS if each.content.get("kind") not in {None, "Pod"}]
CLEARANCE = "[NotCleared] tenant acme is not cleared for class "


def ask(workload: Object, old: Object | None = None, *, door: Door, **fields: Any) -> dict[str, Any]:
    (response,) = run(review_of(workload, old, **fields), door=door, entry="workloads")
    return response


def told(response: dict[str, Any]) -> list[str]:
    assert response["allowed"]
    return list(response.get("warnings", []))


def decisions(door: Door, mode: str = "enforce") -> dict[str, float]:
    name = "computegate_decisions_total"
    words = ("allowed", "would_deny", "denied")
    return {word: door.sample(name, entry="workloads", mode=mode, decision=word) for word in words}


@pytest.mark.parametrize(
    ("workload", "whose"),
    [
        (deployment(), "its pods"),
        (job(), "its pods"),
        (cron_job(), "its pods"),
        (job_set(("worker", GPU, 2)), "pods of role worker"),
        (job_set(("leader", GPU, 1), ("worker", gpus(2), 2), ("logs", CPU, 1)), "pods of role leader and 1 more"),
        (unheard_of(ships=[{"crew": {"containers": GPU["containers"]}}]), "pods of role spec.ships[0].crew"),
    ],
    ids=["Deployment", "Job", "CronJob", "one role", "two roles of one case", "a kind in no table"],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_workload_is_created_and_its_pods_future_verdict_is_told(mode: Mode, workload: Object, whose: str) -> None:
    door = Door(EXPIRED, mode=mode)
    warnings = told(ask(workload, door=door))
    when = {Mode.Observe: None, Mode.Warn: " when enforced", Mode.Enforce: ""}[mode]
    if when is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith(f"{whose} would be denied{when}: {CLEARANCE[:30]}")
        assert warning.endswith(f" (ref {door.records[0].reference})")
        assert len(warning) <= 120
    assert decisions(door, mode) == {"allowed": 0, "would_deny": 1, "denied": 0}
    assert {record.decision for record in door.records} == {"would_deny"}
    assert {record.reasons for record in door.records} == {("KYCExpired",)}
    assert (door.held(), door.records[0].origin, door.records[0].object.uid) == (0, "workloads", "workload-1")


@pytest.mark.parametrize("document", WORKLOADS, ids=lambda each: each.content["kind"])
def test_a_manifest_of_any_kind_is_told_of_if_and_only_if_it_asks(document: Document) -> None:
    expected = answer(document.content, builtin(), lambda _kind, _name: None).expected
    assert bool(told(ask(with_metadata(document.content, name="x"), door=Door(EXPIRED)))) is (expected == "demand")


def test_the_reference_is_that_of_the_pods() -> None:
    door = Door(EXPIRED)
    ask(deployment(), door=door)
    run(review(), door=door, entry="enforced")
    foretold, denied = door.records
    assert (foretold.reference, foretold.decision, denied.decision) == (denied.reference, "would_deny", "denied")


@pytest.mark.parametrize(
    "workload",
    [deployment(CPU), deployment(replicas=0), job_set(("idle", GPU, 0), ("logs", CPU, 3)), unheard_of(size=1)],
    ids=["CPU only", "no pods", "no pods of the role that asks", "no template"],
)
def test_what_makes_no_pods_with_devices_is_not_judged(workload: Object) -> None:
    door = Door(EXPIRED, deny=True)
    assert told(ask(workload, door=door)) == []
    assert (door.records, decisions(door)["allowed"]) == ([], 1)


def test_a_cleared_workload_that_fits_hears_nothing() -> None:
    door = Door(CLEARED, deny=True)
    assert told(ask(deployment(replicas=8), door=door)) == []
    assert [(record.decision, record.object.role) for record in door.records] == [("allowed", "replica")]
    assert door.held() == 0


@pytest.mark.parametrize(
    "workload",
    [deployment(replicas=9), job_set(("a", gpus(4), 2), ("b", GPU, 1))],
    ids=["replicas", "roles together"],
)
def test_a_workload_of_which_not_all_pods_fit_is_told_in_the_grammar_of_quotas(workload: Object) -> None:
    door = Door(CLEARED)
    (warning,) = told(ask(workload, door=door))
    whole = door.records[-1]
    assert warning.startswith("not all pods fit: exceeded quota: home, requested: nvidia.com/h100=9")
    assert warning.endswith(f" (ref {whole.reference})")
    assert (whole.object.role, whole.reasons, whole.quota[0].limit) == ("", ("QuotaExceeded",), 8)


def test_with_deny_the_workload_is_refused_with_the_line_of_its_pods() -> None:
    door = Door(EXPIRED, deny=True)
    refused = ask(job_set(("worker", GPU, 2)), door=door)
    (pod,) = run(review(), door=door, entry="enforced")
    assert refused["allowed"] is False
    assert refused["status"]["message"] == pod["status"]["message"]
    assert (refused["status"]["code"], refused["status"]["reason"]) == (403, "Forbidden")
    assert refused["status"]["details"]["kind"] == "jobsets"
    assert "warnings" not in refused
    assert decisions(door) == {"allowed": 0, "would_deny": 0, "denied": 1}
    assert door.sample("computegate_denial_reasons_total", reason="KYCExpired", mode="enforce") == 2


@pytest.mark.parametrize("mode", [Mode.Observe, Mode.Warn])
def test_only_enforced_namespaces_are_denied_anything(mode: Mode) -> None:
    assert ask(deployment(), door=Door(EXPIRED, mode=mode, deny=True))["allowed"]


def test_with_deny_a_workload_that_does_not_fit_is_refused_unless_it_waits_for_its_turn() -> None:
    door = Door(CLEARED, deny=True)
    refused = ask(deployment(replicas=9), door=door)
    assert refused["status"]["message"].startswith("exceeded quota: home, requested: nvidia.com/h100=9, used: ")
    (warning,) = told(ask(job(parallelism=9, suspend=True), door=door))
    assert warning.startswith("not all pods fit: exceeded quota")
    assert ask(job(suspend=True), door=Door(EXPIRED, deny=True))["allowed"] is False
    assert ask(cron_job(gpus(9)), door=door)["allowed"]


A100 = {
    "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
    "nodeSelector": {"kubernetes.io/hostname": "mixed-a"},
}
NARROW = {**GPU, "nodeSelector": {"kubernetes.io/hostname": "h"}}


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (deployment(), with_metadata(deployment(), labels={"a": "b"}), "not judged"),
        (deployment(), {**deployment(), "status": {"replicas": 1}}, "not judged"),
        (deployment(replicas=3), deployment(replicas=2), "not judged"),
        (deployment(replicas=3), deployment(replicas=0), "not judged"),
        (deployment(), deployment(paused=True), "not judged"),
        (deployment(), with_metadata(deployment(replicas=9), deletionTimestamp="2026-11-22T12:00:00Z"), "not judged"),
        (deployment(), deployment(SIDE), "told"),
        (deployment(), deployment(NARROW), "told"),
        (deployment(gpus(2)), deployment(gpus(1)), "told"),
        (deployment(gpus("?"), 1), deployment(), "told"),
        (deployment(replicas=1), deployment(replicas=2), "denied"),
        (deployment(replicas=0), deployment(replicas=1), "denied"),
        (deployment(CPU), deployment(), "denied"),
        (deployment(gpus(1)), deployment(gpus(2)), "denied"),
        (job_set(("a", GPU, 1)), job_set(("a", GPU, 1), ("b", GPU, 1)), "denied"),
    ],
    ids=[
        "labels",
        "status",
        "scaled down",
        "scaled to nothing",
        "another field",
        "being deleted",
        "another image",
        "a narrower selector",
        "fewer devices",
        "not readable before",
        "scaled up",
        "scaled up from nothing",
        "a device added",
        "more devices",
        "a role more",
    ],
)
def test_an_update_is_denied_only_where_it_raises_the_demand(old: Object, new: Object, outcome: str) -> None:
    door = Door(EXPIRED, deny=True)
    response = ask(new, old, door=door)
    assert response["allowed"] is (outcome != "denied")
    assert bool(response.get("warnings")) is (outcome == "told")
    assert bool(door.records) is (outcome != "not judged")


def test_an_update_of_what_fills_the_quota_is_no_demand_for_more() -> None:
    door = Door(CLEARED, deny=True)
    run(review(gpus(8)), door=door)
    assert told(ask(deployment(gpus(4), 2), door=door, old=deployment({**gpus(4), "hostname": "a"}, 2))) == []
    swapped = job_set(("a", GPU, 0), ("b", {**GPU, "hostname": "b"}, 8))
    assert told(ask(swapped, job_set(("a", GPU, 8), ("b", GPU, 0)), door=door)) == []
    assert told(ask(deployment(A100, 8), deployment(replicas=8), door=door)) == [], "others go for each that comes"
    refused = ask(deployment(gpus(4), 3), deployment(gpus(4), 2), door=door)
    assert "requested: nvidia.com/h100=4, used: nvidia.com/h100=8" in refused["status"]["message"]


def test_a_policy_that_warns_is_told_of_and_denies_nothing() -> None:
    warning = policy(rule("closed", "Deny"), name="later", mode="warn")
    door = Door(world(policy(rule("allow", "Allow")), warning, quota()), deny=True)
    (said,) = told(ask(deployment(), door=door))
    assert said.startswith("its pods would be denied when enforced: [NotCleared]")


@pytest.mark.parametrize(
    ("workload", "problem"),
    [
        (deployment(replicas=-1), "spec.replicas: '-1' is no count of pods"),
        (job_set(("worker", gpus("many"), 1)), "nvidia.com/h100: 'many' is not a quantity"),
        (unheard_of(crew={"containers": [{"name": "c"}] * 10_000}), "more than 4096 containers"),
        (unheard_of(crews=[{"containers": [{}]}] * 4500), "more than 4096 pod templates"),
        (unheard_of(crews=[{"containers": GPU["containers"]}] * 200), "more than 128 of its roles ask for devices"),
        (unheard_of(padding="x" * LARGEST), "larger than 1 MiB or 20000 maps and lists"),
        (unheard_of(lists=[[]] * MOST_VALUES), "larger than 1 MiB or 20000 maps and lists"),
    ],
    ids=[
        "a negative count",
        "no quantity",
        "10,000 containers",
        "4,500 templates",
        "200 roles",
        "too large",
        "too many lists",
    ],
)
def test_what_cannot_be_read_is_created_and_named(workload: Object, problem: str) -> None:
    door = Door(EXPIRED, deny=True)
    (warning,) = told(ask(workload, door=door))
    assert problem[:40] in warning
    assert (door.records, decisions(door)["allowed"]) == ([], 1)
    assert told(ask(workload, door=Door(EXPIRED, mode=Mode.Observe))) == []


def _deep(levels: int) -> Object:
    return {"inside": _deep(levels - 1)} if levels else {"containers": GPU["containers"]}


@pytest.mark.parametrize(
    "workload",
    [
        unheard_of(**_deep(64)),
        unheard_of(**{"k" * 700_000: [[{}]] * 9000}),
        unheard_of(lists=[[number] for number in range(19_000)]),
        deployment({"containers": [{"name": "c", "env": [{"name": f"E{n}", "value": ""} for n in range(20_000)]}]}),
        deployment(
            {"containers": [{"name": "c", "resources": {"limits": {f"x{n}.example.com/gpu": 1 for n in range(9000)}}}]}
        ),
    ],
    ids=["64 deep", "a huge key", "19,000 lists", "20,000 variables", "9,000 resources"],
)
def test_however_large_an_object_is_it_is_answered(workload: Object) -> None:
    assert ask(workload, door=Door(EXPIRED))["allowed"]


def test_a_pod_is_judged_while_a_large_workload_is_read() -> None:
    door, read = Door(EXPIRED), threading.Event()

    async def both() -> bool:
        reading = door.workloads._reader._thread.submit(read.wait)
        workload = asyncio.create_task(door.ask(review_of(deployment()), "workloads"))
        pod = await door.ask(review(), "enforced")
        waited = not (pod["allowed"] or reading.done() or workload.done())
        read.set()
        return waited and bool(told(await workload))

    assert asyncio.run(both())


def test_a_caller_is_told_the_same_of_an_object_once_an_hour() -> None:
    door = Door(EXPIRED)
    first, again = ask(deployment(), door=door), ask(deployment(), door=door)
    other = ask(with_metadata(deployment(), name="other"), door=door)
    stranger = ask(deployment(), door=door, userInfo={"username": "bob"})
    assert [len(told(each)) for each in (first, again, other, stranger)] == [1, 0, 1, 1]


def test_a_kind_that_the_operator_describes_is_read_as_described() -> None:
    table = builtin().adding(
        '[[workload]]\nkinds = ["example.com/Fleet"]\n[[workload.role]]\nname = "ship"\n'
        'limits = "spec.guns"\npods = ["spec.ships"]'
    )
    fleet = unheard_of(guns={"nvidia.com/h100": 1}, ships=9)
    door = Door(CLEARED, table=table)
    (warning,) = told(ask(fleet, door=door))
    assert "requested: nvidia.com/h100=9" in warning
    assert door.records[0].object.role == "ship"


def test_an_excluded_namespace_is_not_judged() -> None:
    door = Door(EXPIRED, excluded=["lab"], deny=True)
    assert told(ask(deployment(), door=door)) == []
    assert door.records == []


@pytest.mark.parametrize("unready", ["tenants: silent for 91 s", ""])
def test_what_time_lifts_is_neither_told_nor_denied(unready: str) -> None:
    door = Door(EXPIRED, deny=True, unready=lambda: unready, found=False)
    namespace = "lab" if unready else "new"
    assert told(ask(deployment(), door=door, namespace=namespace)) == []
    assert [record.reasons for record in door.records] == [("NotSynced",)]


@pytest.fixture
def cluster() -> Cluster:
    """A gate that looks up a template of claims for two devices, and a claim for three, under a quota of eight."""
    found = Cluster(deny=True)
    found.define("ResourceClaimTemplate", "one", one("big", 2))
    found.define("ResourceClaim", "big", one("big", 3))
    return found


def test_claims_of_the_pods_are_counted_for_each_pod_and_shared_ones_are_not(cluster: Cluster) -> None:
    assert told(ask(deployment(USES, 4), door=cluster.door)) == []
    refused = ask(deployment(USES, 5), door=cluster.door)
    assert "requested: deviceclass.resource.kubernetes.io/big=10" in refused["status"]["message"]
    assert told(ask(deployment(SHARES, 99), door=cluster.door)) == []
    assert told(ask(deployment(USES, 4), deployment(SHARES, 4), door=cluster.door)) == []
    assert ask(deployment(USES, 5), deployment(USES, 4), door=cluster.door)["allowed"]
    assert cluster.held() == 0


def test_a_template_of_claims_that_is_not_there_yet_is_told_of_and_never_refused(cluster: Cluster) -> None:
    later = {**USES, "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "later"}]}
    (warning,) = told(ask(deployment(later), door=cluster.door))
    assert warning.startswith("its pods would be denied: [InfoNeeded] this pod refers to resource claim template later")


def test_while_claims_cannot_be_looked_up_nothing_is_said(cluster: Cluster) -> None:
    cluster.failing = "the API server does not answer"
    assert told(ask(deployment(USES), door=cluster.door)) == []
    assert [record.reasons for record in cluster.door.records] == [("NotSynced",)]


def test_a_workload_whose_pods_refer_to_very_many_claims_is_not_looked_into(cluster: Cluster) -> None:
    many = [{"name": f"c{number}", "resourceClaimName": "big"} for number in range(33)]
    (warning,) = told(ask(deployment({**USES, "resourceClaims": many}), door=cluster.door))
    assert "refer to more than 32 claims" in warning


def test_a_dry_run_is_answered_alike() -> None:
    assert ask(deployment(), door=Door(EXPIRED, deny=True), dryRun=True)["allowed"] is False


@pytest.mark.parametrize(
    "fields", [{"operation": "DELETE"}, {"resource": {"group": "", "version": "v1", "resource": "pods"}}]
)
def test_what_is_not_foreseen_here_says_so(fields: dict[str, Any]) -> None:
    with pytest.raises(BadReview, match="remove it from the rules"):
        ask(deployment(), door=Door(), **fields)


def test_without_room_a_workload_passes() -> None:
    assert Door().busy("workloads", review_of(deployment()))["allowed"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(GPU["containers"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "template", "replicas", "containers", "metadata", "resources", "limits", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)
KINDS = st.sampled_from(sorted(builtin().kinds))


@given(kind=KINDS, spec=JUNK, old=JUNK)
def test_no_object_of_any_kind_is_more_than_warned_of(kind: str, spec: Any, old: Any) -> None:
    group, _, name = kind.rpartition("/")
    about = {"apiVersion": f"{group}/v1", "kind": name, "metadata": {"name": "x"}}
    door = Door(EXPIRED)
    for response in (
        ask({**about, "spec": spec}, door=door, resource={"resource": "things"}),
        ask({**about, "spec": spec}, {**about, "spec": old}, door=door, resource={"resource": "things"}),
    ):
        assert all(len(each) <= 120 and each.isprintable() for each in told(response))
    assert door.held() == 0


@pytest.mark.parametrize(
    ("default", "label", "mode", "pod", "says"),
    [
        (None, "", Mode.Enforce, GPU, "HoldUnbounded no deadline"),
        (3600, "", Mode.Enforce, GPU, ""),
        (3600, "", Mode.Warn, GPU, "HoldUnbounded no deadline"),
        (7200, "", Mode.Enforce, GPU, "HoldTooLong 7200 s"),
        (7200, "1800", Mode.Enforce, GPU, ""),
        (3600, "90000", Mode.Enforce, GPU, "HoldTooLong 90000 s"),
        (3600, "1h", Mode.Enforce, GPU, ""),
        (3600, "0", Mode.Enforce, GPU, ""),
        (60, "", Mode.Enforce, GPU | {"activeDeadlineSeconds": 7200}, "HoldTooLong 7200 s"),
    ],
)
def test_pods_are_foretold_with_the_end_that_the_cluster_gives_them(
    default: int | None, label: str, mode: Mode, pod: Object, says: str
) -> None:
    labels = {"computegate.io/tenant": "acme", "computegate.io/default-deadline-seconds": label}
    door = Door(
        world(quota(limits={"devices": 8, "longestHold": "1h"}), labels=labels), mode=mode, deadline_seconds=default
    )
    assert len(told(ask(job(pod), door=door))) == bool(says)
    found = [f"{finding.reason} {finding.detail}" for record in door.records for finding in record.findings]
    assert found == [says] * bool(says)
