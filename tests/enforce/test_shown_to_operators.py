"""What an Enforcement shows is what is done: by the mode of each namespace, and by what we may do at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from admission.cluster.client import ApiError
from admission.enforce.sweep.evictor import Evictor, Outcome, Victim
from admission.enforce.sweep.steps import Granted
from admission.review.pod import Pod
from admission.review.reasons import Reason
from tests.enforce.ground import START, Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled


def acting(cluster: Cluster) -> tuple[str, str]:
    """Return whether the Enforcement says that it acts, and why not."""
    (said,) = cluster.status.conditions
    return said.status, said.reason


@pytest.mark.parametrize("mode", ["DryRun", "Enforce"])
def test_each_namespace_is_counted_by_what_its_mode_lets_be_done(mode: str) -> None:
    cluster = Cluster({"observed": 5, "warned": 3, "enforced": 2, "well": 30}, mode=mode)
    leader = Leader(cluster)
    for name in ("observed", "warned", "enforced"):
        cluster.reasons[name] = Reason.KYCExpired
    leader.watch()
    for name, word in (("observed", "observe"), ("warned", "warn")):
        leader.registry.put_namespace(name, {"reason": "KYCExpired", "computegate.io/mode": word})

    async def stepped() -> None:
        for _ in range(10):
            cluster.now += timedelta(seconds=1)
            await leader.step()

    asyncio.run(stepped())
    found = {str(each.action): (each.pods, each.namespaces) for each in cluster.status.findings}
    assert found == {"Report": (5, 1), "Warn": (3, 1), "Evict": (2, 1)}


def test_without_the_right_to_evict_by_its_settings_nothing_is_attempted_promised_or_said_to_act() -> None:
    cluster = Cluster({"found": 4, "well": 30}, mostShare=100)
    cluster.reasons["found"] = Reason.KYCExpired
    settled(cluster, Leader(cluster, granted=Granted(evict=False)), seconds=60)
    assert (cluster.attempts, acting(cluster)) == ([], ("False", "NotGranted"))
    (told,) = cluster.allowances["found"]["status"]["findings"]
    assert (told["action"], told["deadline"]) == ("StopAdmitting", None)


def test_a_right_that_was_taken_away_is_shown_and_tried_once_a_minute_until_it_is_back() -> None:
    cluster = Cluster({"found": 4, "well": 30}, mostShare=100, evictionsPerMinute=600)
    cluster.reasons["found"] = Reason.KYCExpired
    leader, cluster.forbids = Leader(cluster), True
    settled(cluster, leader, seconds=40)
    assert acting(cluster) == ("False", "NotGranted")
    tried = len(cluster.attempts)
    settled(cluster, leader, seconds=180)
    assert 2 <= len(cluster.attempts) - tried <= 3
    cluster.forbids = False
    settled(cluster, leader, seconds=400)
    assert (len(cluster.evicted), acting(cluster)) == (4, ("True", "Enforcing"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"mostShare": 20}, ("True", "BreakerExpected")),
        ({"mostShare": 90}, ("True", "Enforcing")),
        ({"mostShare": 20, "steps": [{"action": "StopAdmitting"}]}, ("True", "Enforcing")),
    ],
)
def test_a_breaker_that_would_open_is_shown_before_the_grace_ends(
    spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    cluster = Cluster({"found": 40, "well": 9}, **{"steps": [{"action": "Evict", "gracePeriod": "24h"}], **spec})
    leader = Leader(cluster)
    settled(cluster, leader, seconds=5)
    assert (acting(cluster), leader.shown.breaker_expected) == (("True", "Enforcing"), False)
    cluster.reasons["found"] = Reason.ListedParty
    settled(cluster, leader, seconds=10)
    assert (acting(cluster), leader.shown.breaker_expected) == (expected, expected[1] == "BreakerExpected")


def test_a_leader_that_cannot_judge_all_pods_says_so_and_counts_from_the_begin_of_its_term() -> None:
    cluster = Cluster({"found": 4, "well": 30})
    leader, cluster.unlisted = Leader(cluster), True
    settled(cluster, leader, seconds=590)
    assert cluster.status.conditions == []
    settled(cluster, leader, seconds=20)
    assert (acting(cluster), leader.sweep.age) == (("False", "NotSwept"), 610.0)
    cluster.unlisted = False
    settled(cluster, leader, seconds=20)
    assert (acting(cluster), leader.sweep.age < 30) == (("True", "Enforcing"), True)


@pytest.mark.parametrize(
    ("status", "message", "expected", "kept"),
    [
        (429, "Cannot evict pod as it would violate the pod's disruption budget.", Outcome.Refused, True),
        (500, "This pod has more than one PodDisruptionBudget, which is not supported.", Outcome.Refused, True),
        (429, "The server has received too many requests and has asked us to try again later.", Outcome.Failed, False),
        (503, "the server is currently unable to handle the request", Outcome.Failed, False),
        (500, "etcdserver: request timed out", Outcome.Failed, True),
        (403, 'admission webhook "w" denied the request', Outcome.Failed, True),
        (403, 'admission webhook "w" denied the request: protected pods cannot be evicted', Outcome.Failed, True),
        (403, "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: cannot", Outcome.Failed, True),
        (403, 'pods "x" is forbidden: User "us" cannot create resource "pods/eviction"', Outcome.Failed, False),
        (404, "", Outcome.Gone, False),
    ],
)
def test_a_refusal_is_put_down_to_a_budget_only_where_the_api_server_says_so_and_time_runs_only_where_it_answered(
    status: int, message: str, expected: str, kept: bool
) -> None:
    class Refusing:
        async def create(self, *_: object) -> bytes:
            raise ApiError(status, "", message)

    client: Any = Refusing()
    evictor = Evictor(client)
    victim = Victim(Pod(), frozenset(), START, "", 0)
    assert not evictor.is_late(victim)
    assert asyncio.run(evictor.end(victim, late=False)) == expected
    assert evictor.is_late(victim) == kept
