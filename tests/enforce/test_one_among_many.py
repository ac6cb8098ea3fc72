"""What breaks or is slow about one pod, or one namespace, holds up no other."""

from __future__ import annotations

import asyncio

from admission.review.reasons import Reason
from tests.enforce.ground import Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled


def test_a_pod_that_cannot_be_judged_holds_up_those_of_its_namespace_alone() -> None:
    cluster = Cluster({"broken": 2, "found": 4, "well": 9}, mostShare=100, evictionsPerMinute=600)
    cluster.breaking.add("broken-1")
    cluster.reasons |= dict.fromkeys(("broken", "found"), Reason.KYCExpired)
    leader = Leader(cluster)
    settled(cluster, leader, seconds=60)
    assert {namespace for _, namespace, _ in cluster.evicted} == {"found"}
    assert (leader.sweep.is_whole, leader.sweep.untold) == (True, {"broken"})
    cluster.breaking.clear()
    settled(cluster, leader, seconds=60)
    assert sorted(name for *_, name in cluster.evicted if name.startswith("broken")) == ["broken-0", "broken-1"]
    assert leader.sweep.untold == set()


def test_what_changes_for_everybody_is_told_to_the_first_before_the_last_is_judged() -> None:
    names = [f"team-{number}" for number in range(50)]
    cluster = Cluster(dict.fromkeys(names, 1), steps=[{"action": "Warn"}])
    leader = Leader(cluster)
    settled(cluster, leader, seconds=5)
    cluster.review_seconds = 0.1
    cluster.reasons |= dict.fromkeys(names, Reason.KYCExpired)
    leader.watch()
    told = []
    for _ in range(10):
        asyncio.run(leader.step())
        told.append(sum(bool(each.get("status", {}).get("findings")) for each in cluster.allowances.values()))
    assert 0 < told[0] < 20, "after about a second"
    assert told[-1] == 50


def test_a_change_is_not_lost_as_the_pods_could_not_be_read_at_that_moment() -> None:
    cluster = Cluster({"bad": 4, "well": 40}, steps=[{"action": "Warn"}])
    leader = Leader(cluster)
    settled(cluster, leader, seconds=10)
    cluster.reasons["bad"] = Reason.KYCSuspended
    cluster.unlisted = True
    settled(cluster, leader, seconds=1)
    cluster.unlisted = False
    settled(cluster, leader, seconds=5)
    assert cluster.allowances["bad"]["status"]["findings"]


def test_a_namespace_that_is_excluded_since_stops_nobody() -> None:
    cluster = Cluster({"infra": 2, "well": 40}, steps=[{"action": "StopAdmitting"}])
    cluster.reasons["infra"] = Reason.KYCExpired
    settled(cluster, Leader(cluster), seconds=5)
    assert cluster.allowances["infra"]["status"]["findings"]
    settled(cluster, Leader(cluster, excluded=("infra",)), seconds=5)
    assert cluster.allowances["infra"]["status"]["findings"] == []
