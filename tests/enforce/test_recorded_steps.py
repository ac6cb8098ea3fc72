"""Every step stands in the record: before it is done, and with what came of it; where it cannot, that shows."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from admission.enforce.sweep.record import Line, Step
from admission.review.reasons import Reason
from tests.enforce.ground import ENFORCEMENT, Cluster, Leader
from tests.enforce.test_acting_within_bounds import settled

DUE = {"found": 4, "well": 9}


def found(**spec: object) -> Cluster:
    """Return a cluster in which a namespace was found, with an Enforcement that evicts at once after 30 s."""
    cluster = Cluster(DUE, mostShare=100, evictionsPerMinute=600, **spec)
    cluster.reasons["found"] = Reason.KYCExpired
    return cluster


def steps(cluster: Cluster) -> list[str]:
    return [str(line.step) for line in cluster.lines]


def test_every_step_of_a_finding_is_a_line_until_it_is_resolved() -> None:
    cluster = found()
    settled(cluster, Leader(cluster), seconds=40)
    assert steps(cluster) == ["Found", "GraceBegun", *["Evicting", "Evicted"] * 4]
    grace, last = cluster.lines[1], cluster.lines[-1]
    assert (grace.tenant, grace.reasons, grace.pods) == ("FOUND", ("KYCExpired",), 4)
    assert (last.workload and last.workload.name, last.deadline) == ("found-3", grace.deadline)
    assert {line.reference for line in cluster.lines[1:]} == {grace.reference} != {""}, "`explain` finds them by it"
    cluster.reasons["found"] = None
    cluster.pods = {key: ending for key, ending in cluster.pods.items() if not ending}
    settled(cluster, Leader(cluster), seconds=10)
    assert steps(cluster)[-1] == "Resolved"
    assert cluster.events[-1][0] == "Resolved"


@pytest.mark.parametrize(
    "withdrawn",
    [{"mode": "DryRun"}, {"steps": [{"action": "Report"}]}, {"steps": [{"action": "Evict", "codes": ["InfoNeeded"]}]}],
)
def test_what_is_withdrawn_while_its_pods_run_is_not_told_as_resolved(withdrawn: dict[str, object]) -> None:
    cluster = found()
    leader = Leader(cluster)
    settled(cluster, leader, seconds=5)
    cluster.change(**withdrawn)
    settled(cluster, leader, seconds=5)
    assert steps(cluster) == ["Found", "GraceBegun", "Withdrawn"]
    reason, note = cluster.events[-1]
    assert reason == "Withdrawn"
    assert "would still be denied" in note
    cluster.reasons["found"] = None
    settled(cluster, leader, seconds=5)
    assert steps(cluster)[-1] == "Withdrawn", "what nobody was told is not taken back"


@pytest.mark.parametrize("broken_by", [ZeroDivisionError, asyncio.CancelledError])
@pytest.mark.parametrize("part", ["reading", "taking"])
def test_what_a_look_at_all_pods_did_not_come_to_is_not_told_as_resolved(
    part: str, broken_by: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster({"early": 1, "found": 4, "well": 9}, mostShare=100, steps=[{"action": "Warn"}])
    cluster.reasons["found"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=5)
    known = leader.sweep.found

    async def going_on(seconds: int) -> int:
        broken = 0
        for _ in range(seconds):
            cluster.now += timedelta(seconds=1)
            try:
                await leader.step()
            except broken_by:
                broken += 1
        return broken

    def breaking(*_: object) -> None:
        raise broken_by

    with monkeypatch.context() as patched:
        broken_at = leader.sweep._reader if part == "reading" else leader.sweep._acts
        patched.setattr(broken_at, "live" if part == "reading" else "judged", breaking)
        assert asyncio.run(going_on(700)) > 1, "it begins anew"
    assert steps(cluster) == ["Found", "Warned"]
    age = leader.sweep.age
    asyncio.run(going_on(15))
    assert leader.sweep.age < 15 < age
    assert (leader.sweep.found, steps(cluster)) == (known, ["Found", "Warned"])


@pytest.mark.parametrize(("action", "step"), [("Warn", "Warned"), ("StopAdmitting", "StoppedAdmitting")])
def test_a_milder_step_is_told_by_its_name_and_a_leader_that_comes_next_tells_only_what_it_finds(
    action: str, step: str
) -> None:
    cluster = found(steps=[{"action": action}])
    settled(cluster, Leader(cluster), seconds=5)
    settled(cluster, Leader(cluster), seconds=5)
    assert steps(cluster) == ["Found", step, "Found"]


def test_what_is_only_reported_is_recorded_as_found() -> None:
    cluster = found(mode="DryRun")
    settled(cluster, Leader(cluster), seconds=60)
    assert steps(cluster) == ["Found"]
    assert cluster.lines[0].such_as == tuple(f"found-{number}" for number in range(4))


def test_a_budget_that_refuses_and_a_deletion_after_it_are_lines() -> None:
    cluster = found(steps=[{"action": "Evict", "gracePeriod": "30s", "respectBudgetsFor": "1m"}])
    cluster.budgeted.update(f"found-{number}" for number in range(4))
    settled(cluster, Leader(cluster), seconds=240)
    told = Counter(steps(cluster))
    assert (told["Deleting"], told["Deleted"], told["Evicted"]) == (4, 4, 0)
    assert told["Evicting"] == told["Refused"] > 4


def test_the_breaker_and_who_confirmed_it_are_lines_before_anything_is_evicted() -> None:
    cluster = Cluster(DUE, mostShare=20, evictionsPerMinute=600)
    cluster.reasons["found"] = Reason.KYCExpired
    leader = Leader(cluster)
    settled(cluster, leader, seconds=40)
    opened = cluster.lines[-1]
    assert (opened.step, opened.enforcement, opened.pods) == (Step.BreakerOpened, ENFORCEMENT, 4)
    cluster.confirm()
    settled(cluster, leader, seconds=10)
    confirmed, *after = cluster.lines[cluster.lines.index(opened) + 1 :]
    assert (confirmed.step, confirmed.token, confirmed.confirmed_by) == (Step.Confirmed, opened.token, ("carol",))
    evicted = [(line.step, line.confirmed_by) for line in after if line.workload]
    assert evicted == [(Step.Evicting, ("carol",)), (Step.Evicted, ("carol",))] * 4


def test_what_cannot_be_recorded_is_not_done_where_the_operator_says_so_and_is_counted_elsewhere() -> None:
    done = {}
    for strict in (True, False):
        cluster = found()
        leader = Leader(cluster, strict=strict)
        settled(cluster, leader, seconds=20)
        cluster.unwritable = True
        settled(cluster, leader, seconds=20)
        done[strict] = len(cluster.attempts), leader.steps.unrecorded > 0
        cluster.unwritable = False
        settled(cluster, leader, seconds=20)
        assert len(cluster.evicted) == 4
    assert done == {True: (0, True), False: (4, True)}


def test_nobody_is_told_what_cannot_be_recorded() -> None:
    cluster = found()
    cluster.unwritable = True
    settled(cluster, Leader(cluster, strict=True), seconds=20)
    assert "status" not in cluster.allowances["found"]


@pytest.mark.parametrize(
    ("at", "evicted", "last"),
    [
        ("Evicting", 0, ["Evicting", "NotEvicted"]),
        ("Evicted", 1, ["Evicting", "Evicted", "Evicting", "NotEvicted"]),
    ],
)
def test_data_that_goes_stale_at_any_moment_stops_the_very_next_eviction(
    at: str, evicted: int, last: list[str]
) -> None:
    cluster = found()
    leader = Leader(cluster)

    def goes_stale(line: Line) -> None:
        leader.stale = leader.stale or ("nothing heard of tenants" if line.step == at else "")

    cluster.on_line = goes_stale
    settled(cluster, leader, seconds=60)
    assert (len(cluster.attempts), steps(cluster)[2:]) == (evicted, [*last, "NotEvicted"])
    waits = cluster.lines[-1]
    assert (waits.pods, waits.detail, waits.workload) == (4 - evicted, "nothing heard of tenants", None)
    leader.stale, cluster.on_line = "", lambda _: None
    settled(cluster, leader, seconds=20)
    assert len(cluster.evicted) == 4


def test_who_waits_for_the_record_is_not_kept_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admission.enforce.sweep.record.PATIENCE_SECONDS", 0.01)
    cluster = found()
    leader = Leader(cluster)

    async def told() -> None:
        leader.steps._write = lambda _: asyncio.get_running_loop().create_future()
        await leader.steps.before(leader.steps.line(Step.Evicting))

    asyncio.run(told())
    assert leader.steps.unrecorded == 1
