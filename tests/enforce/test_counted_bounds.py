"""What counts for the breaker: what was ended within the hour, and not what ends already; also before a first sweep."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from admission.review.reasons import Reason
from tests.enforce.ground import Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled

PLACES = 20


def test_a_fault_that_comes_in_parts_opens_the_breaker_as_one_that_comes_at_once() -> None:
    """Two of 40 pods each 45 s, as an import by pages would have it; an hour later what was ended counts no more."""
    cluster = Cluster({f"lab-{number:02}": 2 for number in range(PLACES)}, evictionsPerMinute=600, mostShare=20)
    leader = Leader(cluster)
    for number in range(PLACES):
        cluster.reasons[f"lab-{number:02}"] = Reason.ListedParty
        settled(cluster, leader, seconds=45)
        cluster.gone()
    assert (len(cluster.evicted), cluster.status.breaker.ended) == (8, 8)
    cluster.reasons |= {f"lab-{number:02}": None for number in range(4, PLACES - 1)}
    settled(cluster, leader, seconds=60)
    assert (len(cluster.evicted), cluster.status.breaker.pods) == (8, 32), "it closes by what is due, and of late"
    cluster.now += timedelta(hours=2)
    settled(cluster, leader, seconds=60)
    assert (len(cluster.evicted), cluster.status.breaker) == (10, None)


def test_what_ends_already_neither_is_due_nor_counts_among_those_that_run() -> None:
    cluster = Cluster({"bad": 10, "worse": 5, "well": 45}, evictionsPerMinute=600, mostShare=25)
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    assert len(cluster.evicted) == 10
    cluster.enforcement["status"]["ended"] = []  # as an hour later
    cluster.change()
    cluster.reasons["worse"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    assert (len(cluster.evicted), cluster.status.breaker, cluster.status.summary) == (15, None, "15/0")


def test_a_dry_run_says_that_the_breaker_would_open() -> None:
    cluster = Cluster({"bad": 13, "well": 47}, mode="DryRun", mostShare=20)
    leader = Leader(cluster)

    def said() -> tuple[str, str]:
        settled(cluster, leader, seconds=5)
        (condition,) = cluster.status.conditions
        return condition.reason, condition.message.partition(":")[0]

    assert said() == ("DryRun", "")
    cluster.reasons["bad"] = Reason.KYCExpired
    assert said() == ("DryRun", "what is found is more than 20 percent of the pods with controlled accelerators")
    cluster.pods = {key: ending for key, ending in cluster.pods.items() if key[1] not in {"bad-0", "bad-1"}}
    leader.sweep.touch("bad")
    assert said() == ("DryRun", "")


class Paged(Cluster):
    """A cluster of which each page of all pods holds those of one namespace: a first sweep takes its time."""

    async def get(self, path: str, query: Any = None) -> bytes:
        if path != "/api/v1/pods":
            return await super().get(path, query)
        names, at = sorted({name for name, _ in self.pods}), int(query.get("continue", 0))
        one = json.loads(await super().get(f"/api/v1/namespaces/{names[at]}/pods"))
        more = str(at + 1) if at + 1 < len(names) else ""
        return json.dumps({"metadata": {"continue": more}, "items": one["items"]}).encode()


@pytest.mark.parametrize(("known", "expected"), [(True, 8), (False, 4)])
def test_a_new_leader_goes_on_with_what_was_due_before_it_has_judged_all_pods(known: bool, expected: int) -> None:
    others = {f"well-{number:03}": 1 for number in range(400)}
    cluster = Paged({**others, "zone": 12}, evictionsPerMinute=4, mostShare=20)
    cluster.reasons["zone"] = Reason.KYCExpired
    first = Leader(cluster)
    settled(cluster, first, seconds=90)
    assert (len(cluster.evicted), first.sweep.is_whole) == (4, True)
    cluster.now += timedelta(seconds=300)
    shown = dict(cluster.enforcement["status"])
    if not known:
        del cluster.enforcement["status"]["counted"]
    second = Leader(cluster)
    halfway: list[object] = []

    async def passing() -> None:
        for _ in range(180):
            cluster.now += timedelta(seconds=1)
            second.watch()
            await second.step()
            if not second.sweep.is_whole:
                halfway[:] = len(cluster.evicted), cluster.enforcement["status"]["findings"]

    asyncio.run(passing())
    assert halfway == [expected, shown["findings"]], "nothing is shown that is half known"
    assert (len(cluster.evicted), cluster.status.breaker) == (12, None)


def test_a_new_leader_goes_on_with_a_confirmation_that_is_half_used_though_the_allowance_says_an_older_number() -> None:
    cluster = Cluster({"bad": 8, "well": 10}, evictionsPerMinute=4, mostShare=20)
    first = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, first, seconds=40)
    cluster.confirm()
    settled(cluster, first, seconds=2)
    token = cluster.status.breaker.token
    cluster.gone()
    second = Leader(cluster)
    settled(cluster, second, seconds=20)
    assert (len(cluster.evicted), cluster.status.breaker.token, cluster.status.breaker.evicted) == (4, token, 4)
    settled(cluster, second, seconds=60)
    assert len(cluster.evicted) == 8


@pytest.mark.parametrize("ahead", [-59, 0, 59])
def test_the_pace_is_kept_from_one_leader_to_the_next_whatever_their_clocks_say(ahead: int) -> None:
    cluster = Cluster({"bad": 12, "well": 100}, evictionsPerMinute=4)
    cluster.reasons["bad"] = Reason.KYCExpired
    first = Leader(cluster)
    settled(cluster, first, seconds=40)
    assert len(cluster.attempts) == 4
    second = Leader(cluster)
    second.ahead = timedelta(seconds=ahead)
    settled(cluster, second, seconds=300)
    times = [at for at, *_ in cluster.attempts]
    assert max(sum(timedelta() <= other - at < timedelta(seconds=60) for other in times) for at in times) == 4
    assert len(cluster.evicted) == 12
