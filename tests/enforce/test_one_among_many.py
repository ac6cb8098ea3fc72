"""What breaks or is slow about one pod, or one namespace, holds up no other."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

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


class Reads(Cluster):
    """Counts how often the pods of each namespace were read by themselves."""

    def __init__(self, pods: dict[str, int], **spec: Any) -> None:
        super().__init__(pods, **spec)
        self.reads = dict.fromkeys(pods, 0)

    async def get(self, path: str, query: Any = None) -> bytes:
        if path.startswith("/api/v1/namespaces/"):
            self.reads[path.split("/")[4]] += 1
        return await super().get(path, query)


@pytest.mark.parametrize("breaking", [False, True], ids=["pods come and go", "nobody can tell of a pod"])
def test_namespaces_that_are_judged_again_and_again_take_turns_of_a_second_in_each_step(breaking: bool) -> None:
    asked, *_ = names = [f"team-{number}" for number in range(30)]
    cluster = Reads(dict.fromkeys(names, 2), steps=[{"action": "Warn"}])
    cluster.breaking |= {f"{name}-1" for name in names if breaking}
    cluster.reasons |= dict.fromkeys(names, Reason.KYCExpired)
    leader = Leader(cluster)
    settled(cluster, leader, seconds=10)
    cluster.review_seconds, cluster.reads, longest = 0.1, dict.fromkeys(names, 0), timedelta()
    for _ in range(30):
        leader.sweep.ask(asked)
        for name in names:
            leader.sweep.touch(name)
        cluster.now += timedelta(seconds=0.25)
        began = cluster.now
        asyncio.run(leader.step())
        longest = max(longest, cluster.now - began)
    assert longest < timedelta(seconds=2)
    times = cluster.reads.pop(asked)
    assert times >= max(cluster.reads.values()) <= min(cluster.reads.values()) + 1
    assert all(cluster.reads.values())


def test_what_changes_goes_before_where_pods_come_and_go_and_holds_that_up_no_more_than_in_part() -> None:
    changing, moving = ([f"{kind}-{number}" for number in range(15)] for kind in ("changing", "moving"))
    cluster = Reads(dict.fromkeys((*changing, *moving), 1), steps=[{"action": "Warn"}])
    cluster.reasons |= dict.fromkeys(moving, Reason.KYCExpired)
    leader = Leader(cluster)
    settled(cluster, leader, seconds=10)
    cluster.review_seconds, cluster.reads = 0.1, dict.fromkeys(cluster.reads, 0)
    for turn in range(30):
        cluster.reasons |= dict.fromkeys(changing, Reason.KYCExpired if turn % 2 else Reason.KYCSuspended)
        leader.watch()
        for name in moving:
            leader.sweep.touch(name)
        cluster.now += timedelta(seconds=0.25)
        asyncio.run(leader.step())
    assert all(cluster.reads.values())
    assert sum(cluster.reads[name] for name in changing) > sum(cluster.reads[name] for name in moving)
