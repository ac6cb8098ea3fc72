"""What was promised holds while it is withdrawn, confirmed, loosened or refused, and by whatever budgets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from admission.api.enforcement import Enforcement
from admission.enforce.sweep.record import Step
from admission.review.reasons import Reason
from tests.enforce.ground import Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = {"action": "Evict", "gracePeriod": "30s", "respectBudgetsFor": "24h"}


def _removed(cluster: Cluster, leader: Leader) -> None:
    cluster.enforcement["spec"]["steps"] = [{**LONG, "codes": ["InfoNeeded"]}]
    leader.registry.put(Enforcement.model_validate(cluster.enforcement))


def _warned(cluster: Cluster, leader: Leader) -> None:
    cluster.enforcement["spec"]["steps"] = [{**LONG, "codes": ["InfoNeeded"]}, {"action": "Warn"}]
    leader.registry.put(Enforcement.model_validate(cluster.enforcement))


def _mode_warn(cluster: Cluster, leader: Leader) -> None:
    known = {"reason": str(cluster.reasons["kept"]), "computegate.io/mode": "warn"}
    leader.registry.put_namespace("kept", known)


@pytest.mark.parametrize("withdraw", [_removed, _warned, _mode_warn])
def test_a_step_that_is_withdrawn_ends_nothing_from_the_moment_it_is_seen(
    withdraw: Callable[[Cluster, Leader], None],
) -> None:
    cluster = Cluster({"kept": 5, "well": 30}, steps=[LONG], evictionsPerMinute=600)
    cluster.budgeted.update(f"kept-{number}" for number in range(5))
    cluster.reasons["kept"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=60)
    cluster.now += timedelta(seconds=400)
    attempts = len(cluster.attempts)
    withdraw(cluster, leader)
    asyncio.run(leader.step())
    assert (cluster.evicted, len(cluster.attempts)) == ([], attempts)


@pytest.mark.parametrize("withdraw", [None, _removed, _warned, _mode_warn])
def test_what_made_the_pods_is_not_suspended_once_the_step_is_withdrawn(
    withdraw: Callable[[Cluster, Leader], None] | None,
) -> None:
    cluster = Cluster({"kept": 2, "well": 40}, steps=[LONG], suspendControllers=True, evictionsPerMinute=600)
    cluster.owners["kept"] = {"name": "db", "uid": "db"}
    cluster.reasons["kept"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=60)
    assert len(cluster.evicted) == 2
    if withdraw is not None:
        withdraw(cluster, leader)
    cluster.gone()
    leader.sweep.touch("kept")

    async def go_on() -> None:
        for _ in range(20):
            cluster.now += timedelta(seconds=1)
            await leader.step()

    asyncio.run(go_on())
    assert cluster.suspended == ([] if withdraw else ["db"])


def _cleared(cluster: Cluster, leader: Leader) -> None:
    cluster.reasons["kept"] = None
    leader.watch()


@pytest.mark.parametrize("withdraw", [_removed, _warned, _mode_warn, _cleared])
@pytest.mark.parametrize("step", [Step.Evicting, Step.Evicted])
def test_what_is_withdrawn_or_cleared_while_others_end_is_left_alone(
    step: Step, withdraw: Callable[[Cluster, Leader], None]
) -> None:
    cluster = Cluster({"kept": 9, "well": 60}, steps=[LONG], evictionsPerMinute=600)
    cluster.reasons["kept"] = Reason.KYCExpired
    cluster.on_line = lambda line: withdraw(cluster, leader) if line.step is step else None
    leader = Leader(cluster)
    settled(cluster, leader, seconds=60)
    assert len(cluster.evicted) == (step is Step.Evicted)
    (left,) = (line for line in cluster.lines if line.step is Step.NotEvicted)
    assert "would be admitted now" in left.detail
    assert sum(each.pods for each in cluster.status.attempts) == len(cluster.attempts), (
        "what was not tried is not spent"
    )


def test_a_slow_api_server_holds_up_nothing_else_and_spends_no_more_than_is_tried() -> None:
    cluster = Cluster({"bad": 40, "well": 60}, evictionsPerMinute=10, mostShare=50)
    cluster.on_line = lambda _: setattr(cluster, "attempt_seconds", 4.0 if len(cluster.attempts) < 10 else 0.0)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, Leader(cluster), seconds=400)
    assert len(cluster.evicted) == 40
    times = [at for at, *_ in cluster.attempts]
    for at in times:
        assert sum(at <= other < at + timedelta(seconds=60) for other in times) <= 10
    begun = [at for at in times if at - times[0] < timedelta(seconds=60)]
    assert len(begun) == 10, "as many as are allowed"


def test_a_confirmation_is_spent_by_what_is_tried_alone() -> None:
    cluster = Cluster({"bad": 30, "well": 10}, evictionsPerMinute=600, mostShare=20)
    cluster.attempt_seconds = 4.0
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    cluster.confirm()
    settled(cluster, leader, seconds=300)
    assert (len(cluster.evicted), len(cluster.attempts)) == (30, 30)


def test_budgets_are_respected_anew_for_what_is_found_anew() -> None:
    cluster = Cluster({"kept": 1, "well": 40}, steps=[{**LONG, "respectBudgetsFor": "10m"}])
    cluster.budgeted.add("kept-0")
    leader = Leader(cluster)
    for reason in (Reason.KYCExpired, None, Reason.KYCExpired):
        cluster.reasons["kept"] = reason
        settled(cluster, leader, seconds=120)
        cluster.now += timedelta(days=7) if reason is None else timedelta()
    assert cluster.evicted == []
    settled(cluster, leader, seconds=700)
    assert len(cluster.evicted) == 1


def test_another_reason_behind_the_same_code_gives_no_time_anew() -> None:
    cluster = Cluster({"bad": 2, "well": 40}, steps=[{"action": "Evict", "gracePeriod": "60m"}])
    leader = Leader(cluster)
    told = []
    for reason in (Reason.KYCExpired, Reason.KYCSuspended, Reason.KYCExpired):
        cluster.reasons["bad"] = reason
        settled(cluster, leader, seconds=25 * 60)
        told += [each["deadline"] for each in cluster.allowances["bad"]["status"]["findings"]]
    assert len(cluster.evicted) == 2
    assert len(set(told)) == 1
    assert "Resolved" not in {reason for reason, _ in cluster.events}


def test_budgets_of_one_tenant_hold_up_no_other() -> None:
    cluster = Cluster({"kept": 60, "bad": 20, "well": 900}, steps=[LONG], mostShare=50)
    cluster.budgeted.update(f"kept-{number}" for number in range(60))
    cluster.reasons["kept"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=5)
    cluster.reasons["bad"] = Reason.ListedParty
    settled(cluster, leader, seconds=240)
    assert len(cluster.evicted) == 20
    tried = {name for _, namespace, name in cluster.attempts if namespace == "kept"}
    settled(cluster, leader, seconds=600)
    assert len(tried) < len({name for _, namespace, name in cluster.attempts if namespace == "kept"}) == 60


def test_a_confirmation_covers_no_pod_that_came_since_also_where_others_of_its_namespace_were_counted() -> None:
    cluster = Cluster({"bad": 6, "well": 10}, evictionsPerMinute=60, mostShare=20)
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    counted = cluster.status.breaker.token
    cluster.pods = {key: ending for key, ending in cluster.pods.items() if key[1] not in {"bad-0", "bad-1"}}
    cluster.add("bad", "bad-70", "bad-71", "bad-72", "bad-73")
    cluster.confirm()
    leader.sweep.touch("bad")
    settled(cluster, leader, seconds=60)
    assert sorted(name for *_, name in cluster.evicted) == ["bad-2", "bad-3", "bad-4", "bad-5"]
    cluster.gone()
    leader.sweep.touch("bad")
    settled(cluster, leader, seconds=60)
    breaker = cluster.status.breaker
    assert (breaker.pods, breaker.token != counted) == (4, True), "those that came since are asked about anew"


def test_an_open_breaker_is_passed_by_a_confirmation_alone_and_not_by_a_share_that_is_raised() -> None:
    cluster = Cluster({"bad": 30, "well": 10}, evictionsPerMinute=600, mostShare=20)
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    cluster.change(mostShare=100)
    settled(cluster, leader, seconds=30)
    cluster.add("bad", "bad-70")  # counted anew
    leader.sweep.touch("bad")
    settled(cluster, leader, seconds=30)
    assert (cluster.evicted, cluster.status.breaker.pods) == ([], 31)
    cluster.confirm()
    settled(cluster, leader, seconds=30)
    assert len(cluster.evicted) == 31


def test_a_breaker_closes_once_no_more_are_due_than_the_share_that_it_opened_by() -> None:
    cluster = Cluster({"bad": 6, "well": 14}, evictionsPerMinute=600, mostShare=20)
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    assert cluster.status.breaker.share == 20
    cluster.pods = {key: ending for key, ending in cluster.pods.items() if key[1] not in {"bad-0", "bad-1", "bad-2"}}
    leader.sweep.touch("bad")
    settled(cluster, leader, seconds=60)
    assert (len(cluster.evicted), cluster.status.breaker) == (3, None)
