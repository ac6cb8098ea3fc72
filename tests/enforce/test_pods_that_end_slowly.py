"""A pod that takes years to end is not left alone for them: how long it may take is the operator's word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from admission.demand.pod import USUAL_GRACE
from admission.enforce.sweep.record import Step
from admission.review.reasons import Reason
from tests.enforce.ground import START, Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled

TEN_YEARS = 315_360_000
STEP = {"action": "Evict", "gracePeriod": "30s", "respectBudgetsFor": "2m"}


@pytest.mark.parametrize(
    ("own", "within", "given"),
    [
        (TEN_YEARS, {}, 300),
        (TEN_YEARS, {"terminateWithin": "10s"}, 10),
        (TEN_YEARS, {"terminateWithin": "0s"}, 1),
        (299, {}, 299),
        (USUAL_GRACE, {}, USUAL_GRACE),
    ],
)
@pytest.mark.parametrize("budgeted", [False, True])
def test_a_pod_that_is_evicted_or_deleted_has_no_longer_than_the_enforcement_says(
    own: int, within: dict[str, str], given: int, budgeted: bool
) -> None:
    cluster = Cluster({"bad": 1, "well": 9}, steps=[STEP], **within)
    cluster.graces["bad-0"] = own
    cluster.reasons["bad"] = Reason.KYCExpired
    if budgeted:
        cluster.budgeted.add("bad-0")
    settled(cluster, Leader(cluster), seconds=300)
    assert (cluster.told["bad-0"][1], len(cluster.evicted)) == (given, 1)


def test_a_pod_that_its_owner_told_to_end_in_years_is_told_anew_after_the_time_for_budgets() -> None:
    cluster = Cluster({"bad": 2, "well": 9}, steps=[STEP])
    cluster.graces |= {"bad-0": TEN_YEARS}
    leader = Leader(cluster)
    cluster.end("bad", "bad-0")
    cluster.end("bad", "bad-1")
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=600)
    assert [name for *_, name in cluster.evicted] == ["bad-0"], "the other one ends soon enough by itself"
    ((at, *_),) = cluster.evicted
    assert at >= START + timedelta(seconds=150)
    assert cluster.told == {"bad-0": (START, 300), "bad-1": (START, USUAL_GRACE)}
    steps = [line.step for line in cluster.lines if line.workload]
    assert steps == [Step.Evicting, Step.Evicted]
    assert cluster.status.ended == [], "it had been told before"


def test_a_pod_that_ends_slowly_is_let_be_where_nothing_is_found_any_more() -> None:
    cluster = Cluster({"bad": 1, "well": 9}, steps=[STEP])
    cluster.graces["bad-0"] = TEN_YEARS
    leader = Leader(cluster)
    cluster.end("bad", "bad-0")
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=100)
    cluster.reasons["bad"] = None
    settled(cluster, leader, seconds=600)
    assert cluster.evicted == []


def test_pods_that_have_not_ended_when_they_should_have_are_shown() -> None:
    cluster = Cluster({"bad": 1, "well": 9}, steps=[STEP], terminateWithin="20s")
    cluster.reasons["bad"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=60)
    assert (len(cluster.evicted), cluster.status.lingering) == (1, 0)
    settled(cluster, leader, seconds=120)
    assert cluster.status.lingering == 1
    cluster.gone()
    leader.sweep.touch("bad")
    settled(cluster, leader, seconds=60)
    assert cluster.status.lingering == 0
