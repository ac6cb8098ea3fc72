"""Whatever happens: never faster than allowed, never beyond the breaker, never on stale data, never too early."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.allowance import Allowance
from admission.enforce.sweep.record import Step
from admission.review.reasons import Reason
from tests.enforce.ground import Cluster, Leader

if TYPE_CHECKING:
    from collections.abc import Callable

PACE, SHARE, GRACE = 4, 50, timedelta(seconds=30)
PODS = {"blue": 3, "green": 6, "red": 1}
SPEC: dict[str, Any] = {"evictionsPerMinute": PACE, "mostShare": SHARE}

HAPPENING = st.one_of(
    st.tuples(st.just("found"), st.sampled_from(sorted(PODS))),
    st.tuples(st.just("cleared"), st.sampled_from(sorted(PODS))),
    st.tuples(st.sampled_from(["stale", "stale", "fresh", "anew"]), st.integers(0, 1)),
    st.tuples(st.sampled_from(["step", "watch"]), st.integers(0, 1)),
    st.tuples(st.sampled_from(["away", "back", "gone", "kept"]), st.just(0)),
    st.tuples(st.sampled_from(["confirm", "race"]), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 7, 60, 400])),
    st.tuples(st.just("slow"), st.sampled_from([0, 0.4, 6])),
)
HAPPENINGS = st.lists(st.tuples(HAPPENING, st.sampled_from([0, 1, 3, 35])), min_size=5, max_size=20)
"""What happens, and for how many seconds both leaders live on then."""


class Play:
    """What happens to a cluster with two leaders, and what must hold of everything that is done."""

    def __init__(self) -> None:
        self.cluster = Cluster(PODS, **SPEC)
        self.leaders = [Leader(self.cluster), Leader(self.cluster)]
        self.first: dict[str, datetime] = {}
        self.confirmed = 0

    async def go(self, what: str, about: Any) -> None:
        cluster = self.cluster
        simple: dict[str, Callable[[], Any]] = {
            "watch": lambda: self._watch(about),
            "found": lambda: self._find(about),
            "cleared": lambda: self._clear(about),
            "anew": lambda: self.leaders.__setitem__(about, Leader(cluster)),
            "stale": lambda: setattr(self.leaders[about], "stale", "nothing heard of tenants"),
            "fresh": lambda: setattr(self.leaders[about], "stale", ""),
            "away": lambda: setattr(cluster, "away", True),
            "back": lambda: setattr(cluster, "away", False),
            "confirm": self._confirm,
            "gone": self._gone,
            "kept": lambda: cluster.budgeted.add("green-0"),
            "slow": lambda: setattr(cluster, "attempt_seconds", about),
            "wait": lambda: setattr(cluster, "now", cluster.now + timedelta(seconds=about)),
        }
        if what == "step":
            await self._step(self.leaders[about])
        elif what == "race":
            await asyncio.gather(*(leader.step() for leader in self.leaders))
            self._check_pace()
        else:
            simple[what]()

    async def live(self, seconds: int) -> None:
        """A while in which both leaders see and do what they can, the one a moment after the other."""
        for _ in range(seconds):
            self.cluster.now += timedelta(seconds=1)
            for number, leader in enumerate(self.leaders):
                self._watch(number)
                await self._step(leader)

    def _watch(self, number: int) -> None:
        self.leaders[number].watch()

    def _find(self, namespace: str) -> None:
        self.first.setdefault(namespace, self.cluster.now.replace(microsecond=0))
        self.cluster.reasons[namespace] = Reason.KYCExpired

    def _clear(self, namespace: str) -> None:
        self.cluster.reasons[namespace] = None

    def _confirm(self) -> None:
        breaker = self.cluster.status.breaker
        self.confirmed += breaker.pods if breaker else 0
        self.cluster.confirm()

    def _gone(self) -> None:
        self.cluster.pods = {key: ending for key, ending in self.cluster.pods.items() if not ending}

    async def _step(self, leader: Leader) -> None:
        cluster = self.cluster
        before, told = len(cluster.evicted), dict(cluster.allowances)
        done = len(cluster.attempts), told
        alive = len(cluster.pods)
        await leader.step()
        assert not leader.stale or done == (len(cluster.attempts), cluster.allowances), "stale"
        for at, namespace, _ in cluster.evicted[before:]:
            (entry,) = Allowance.model_validate(told[namespace]).status.findings
            assert entry.deadline is not None
            assert at >= entry.deadline >= entry.since + GRACE, "too early"
            assert entry.since >= self.first[namespace]
        self._check_pace()
        ending = sum(cluster.pods.values())
        allowed = max(1, SHARE * alive // 100)
        assert len(cluster.evicted) == before or ending <= max(allowed, self.confirmed), "beyond the breaker"

    def _check_pace(self) -> None:
        now = self.cluster.now
        assert len([at for at, *_ in self.cluster.attempts if now - at < timedelta(seconds=60)]) <= PACE, "too fast"


@given(HAPPENINGS)
def test_nothing_is_evicted_past_the_bounds(happenings: list[tuple[tuple[str, Any], int]]) -> None:
    async def played() -> None:
        play = Play()
        for happening, seconds in happenings:
            await play.go(*happening)
            await play.live(seconds)

    asyncio.run(played())


def settled(cluster: Cluster, *leaders: Leader, seconds: int = 600) -> None:
    """Let time pass, second by second; leaders act in the same moment, each request of one between two of another."""

    async def passing() -> None:
        for _ in range(seconds):
            cluster.now += timedelta(seconds=1)
            for leader in leaders:
                leader.watch()
            await asyncio.gather(*(leader.step() for leader in leaders))

    asyncio.run(passing())


def test_everything_that_is_found_is_evicted_in_the_end_the_oldest_deadline_first_by_two_who_try() -> None:
    cluster = Cluster({"late": 2, "early": 9, "well": 30}, evictionsPerMinute=5, mostShare=50)
    leaders = [Leader(cluster), Leader(cluster)]
    cluster.reasons["early"] = Reason.KYCExpired
    settled(cluster, *leaders, seconds=5)
    cluster.reasons["late"] = Reason.ListedParty
    settled(cluster, *leaders, seconds=240)
    assert [namespace for _, namespace, _ in cluster.evicted] == ["early"] * 9 + ["late"] * 2
    first, last = cluster.evicted[0][0], cluster.evicted[-1][0]
    assert timedelta(seconds=120) <= last - first <= timedelta(seconds=130), "eleven pods, five a minute"


def test_what_was_confirmed_is_evicted_to_the_last_pod_and_what_is_found_since_waits() -> None:
    cluster = Cluster({"bad": 6, "worse": 5, "well": 2}, evictionsPerMinute=60, mostShare=20)
    leader = Leader(cluster)
    cluster.reasons["bad"] = Reason.KYCExpired
    settled(cluster, leader, seconds=60)
    assert cluster.evicted == []
    cluster.budgeted.update({"bad-0", "bad-1"})
    cluster.confirm()
    settled(cluster, leader, seconds=2)
    cluster.reasons["worse"] = Reason.KYCExpired
    settled(cluster, leader, seconds=300)
    assert {namespace for _, namespace, _ in cluster.evicted} == {"bad"}
    assert len(cluster.attempts) <= 6, "as many attempts as were confirmed"
    breaker = cluster.status.breaker
    assert (breaker.pods, breaker.evicted) == (7, 0), "once these are used up, it shows all that is still due"


def test_nothing_is_written_when_nothing_changes() -> None:
    cluster = Cluster({"well": 3, "found": 2}, steps=[{"action": "Warn"}])
    leader = Leader(cluster)
    cluster.reasons["found"] = Reason.KYCExpired
    settled(cluster, leader, seconds=10)
    writes = cluster.writes
    assert writes > 0
    settled(cluster, leader, Leader(cluster), seconds=1300)
    assert cluster.writes == writes


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_copy_that_lags_is_not_written_against_again(overtaken: bool) -> None:
    cluster = Cluster({"bad": 1, "well": 10}, steps=[{"action": "Evict", "gracePeriod": "24h"}])
    leader, other = Leader(cluster), Leader(cluster)
    settled(cluster, leader, other, seconds=5)
    cluster.reasons["bad"] = Reason.KYCExpired
    leader.watch()
    if overtaken:
        settled(cluster, other, seconds=5)

    async def go_on() -> None:
        for _ in range(60):
            cluster.now += timedelta(seconds=0.5)
            await leader.step()

    asyncio.run(go_on())
    assert [line.step for line in cluster.lines].count(Step.GraceBegun) == (2 if overtaken else 1)
    settled(cluster, leader, seconds=5)
    (finding,) = cluster.allowances["bad"]["status"]["findings"]
    assert finding["action"] == "Evict"


def test_a_budget_is_respected_for_as_long_as_is_said() -> None:
    steps = [{"action": "Evict", "gracePeriod": "30s", "respectBudgetsFor": "5m"}]
    cluster = Cluster({"kept": 1, "well": 9}, steps=steps)
    cluster.budgeted.add("kept-0")
    cluster.reasons["kept"] = Reason.KYCExpired
    begun = cluster.now
    settled(cluster, Leader(cluster), seconds=700)
    ((at, *_),) = cluster.evicted
    assert timedelta(seconds=330) <= at - begun <= timedelta(seconds=335), "and no longer"
    assert 3 < len(cluster.attempts) < 12, "tried more and more seldom meanwhile"


def _stale(cluster: Cluster, leader: Leader) -> None:
    leader.stale = "nothing heard of tenants"
    settled(cluster, leader, seconds=300)
    leader.stale = ""


def _not_granted(cluster: Cluster, leader: Leader) -> None:
    cluster.forbids = True
    settled(cluster, leader, seconds=300)
    cluster.forbids = False


def _confirmed_late(cluster: Cluster, leader: Leader) -> None:
    cluster.change(mostShare=5)
    settled(cluster, leader, seconds=300)
    assert cluster.attempts == []
    cluster.confirm()


@pytest.mark.parametrize("held_up", [lambda _cluster, _leader: None, _stale, _not_granted, _confirmed_late])
def test_no_pod_is_deleted_before_its_budget_was_asked_for_as_long_as_is_said(
    held_up: Callable[[Cluster, Leader], None],
) -> None:
    steps = [{"action": "Evict", "gracePeriod": "30s", "respectBudgetsFor": "60s"}]
    cluster = Cluster({"kept": 20, "well": 60}, steps=steps, evictionsPerMinute=10, mostShare=50)
    cluster.budgeted.update(f"kept-{number}" for number in range(20))
    leader = Leader(cluster)
    cluster.reasons["kept"] = Reason.KYCExpired
    held_up(cluster, leader)
    settled(cluster, leader, seconds=300)
    cluster.confirm()  # what budgets refused was attempted, too
    settled(cluster, leader, seconds=300)
    refused: dict[str, datetime] = {}
    for line in cluster.lines:
        if line.workload and line.step == Step.Refused:
            refused.setdefault(line.workload.name, datetime.fromisoformat(line.at))
    assert len(cluster.evicted) == 20
    assert all(at - refused[name] >= timedelta(seconds=60) for at, _, name in cluster.evicted)


def test_what_is_cleared_in_time_is_left_alone() -> None:
    cluster = Cluster({"found": 4, "well": 9})
    leader = Leader(cluster)
    cluster.reasons["found"] = Reason.KYCExpired
    settled(cluster, leader, seconds=29)
    cluster.reasons["found"] = None
    settled(cluster, leader, seconds=100)
    assert cluster.evicted == []
    assert cluster.allowances["found"]["status"]["findings"] == []
