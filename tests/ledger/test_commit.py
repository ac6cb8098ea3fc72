"""One replica's commits when answers are lost, late or refused, in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from admission.decide.limits import Charge, Limit, Parties, whole
from admission.ledger.commit import Tuning
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Exceeded, Granted, Outcome, Request, Unavailable
from admission.ledger.objects import ObjectStore
from admission.ledger.state import State
from admission.review.reasons import Reason
from tests.ledger.simulation import ApiServer, Faults, now, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BUSY = Unavailable(Reason.LedgerBusy)


def wanted(uid: str, count: int = 1, scopes: tuple[str, ...] = ("CN",)) -> Request:
    limits = tuple((s, (Limit(s, "devices", 4, {"h100": 1}, None, Parties.of(whole, "acme")),)) for s in scopes)
    return Request(uid, "ns", uid, Charge("acme", (("h100", count),)), limits)


class Scene:
    """One ledger on a simulated API server whose network can be made bad at any moment."""

    def __init__(self) -> None:
        self.server = ApiServer(random.Random(1), Faults(delay=0.0), {})  # noqa: S311 (a trace to repeat)
        self.ledger = Ledger(ObjectStore(self.server), identity="r", clock=now, wall=now, tuning=Tuning(timeout=1.0))

    async def open(self, *scopes: str) -> None:
        for scope in scopes:
            store = ObjectStore(self.server)
            await store.write(scope, State(initialized=True), (await store.read(scope, 1)).version, 1)
        self.server.writes = 0

    async def reserve(self, request: Request, within: float = 5.0) -> Outcome:
        return await self.ledger.reserve(request, now() + within)

    def held(self, scope: str = "CN") -> set[str]:
        state = self.server.state(scope)
        assert state is not None
        return set(state.inflight)


def stage(play: Callable[[Scene], Awaitable[None]], *scopes: str) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.open(*(scopes or ("CN",)))
        await play(scene)

    run(main())


def test_a_write_whose_answer_is_lost_is_found_and_not_repeated() -> None:
    async def play(scene: Scene) -> None:
        scene.server.faults = Faults(delay=0.0, unanswered=1.0)
        asked = asyncio.create_task(scene.reserve(wanted("u1", 4)))
        await asyncio.sleep(2.5)
        scene.server.faults = Faults(delay=0.0)
        assert isinstance(await asked, Granted)
        assert (scene.held(), scene.server.writes) == ({"u1"}, 1)

    stage(play)


def test_who_waits_for_a_ledger_that_may_not_be_read_or_written_is_told_at_once() -> None:
    async def play(scene: Scene) -> None:
        await scene.reserve(wanted("u0"))
        scene.server.faults = Faults(delay=0.0, forbidden=True)
        begun = now()
        assert await scene.reserve(wanted("u1"), within=9.0) == Unavailable(Reason.NotSynced)
        assert now() - begun < 0.1
        await asyncio.sleep(9.0)
        assert scene.server.forbidden < 50, "what is to be taken back is not tried for ever"
        scene.server.faults = Faults(delay=0.0)
        assert isinstance(await scene.reserve(wanted("u1")), Granted)

    stage(play)


def test_a_write_that_never_arrived_is_made_again() -> None:
    async def play(scene: Scene) -> None:
        await scene.reserve(wanted("u0"))
        scene.server.faults = Faults(delay=0.0, lost=1.0)
        asked = asyncio.create_task(scene.reserve(wanted("u1")))
        await asyncio.sleep(0.5)
        scene.server.faults = Faults(delay=0.0)
        assert isinstance(await asked, Granted)
        assert scene.held() == {"u0", "u1"}

    stage(play)


def test_a_write_that_arrives_late_changes_nothing_that_was_written_since() -> None:
    async def play(scene: Scene) -> None:
        await scene.reserve(wanted("u0"))
        scene.server.faults = Faults(delay=0.0, late=1.0)
        asked = asyncio.create_task(scene.reserve(wanted("u1", 3), within=0.9))
        await asyncio.sleep(0.5)
        scene.server.faults = Faults(delay=0.0)
        assert await asked == BUSY
        other = Ledger(ObjectStore(scene.server), clock=now)
        assert isinstance(await other.reserve(wanted("u2", 3), now() + 5), Granted)
        await asyncio.sleep(10)
        assert scene.held() == {"u0", "u2"}

    stage(play)


def test_what_was_written_for_somebody_who_gave_up_is_taken_back() -> None:
    async def play(scene: Scene) -> None:
        await scene.reserve(wanted("u0"))
        scene.server.faults = Faults(delay=0.0, unanswered=1.0)
        assert await scene.reserve(wanted("u1", 3), within=0.5) == BUSY
        assert scene.held() == {"u0", "u1"}
        scene.server.faults = Faults(delay=0.0)
        await asyncio.sleep(5)
        assert scene.held() == {"u0"}

    stage(play)


@pytest.mark.parametrize(
    "after", [0.0, 0.001, 0.002, 0.004, 0.05], ids=["at once", "in flight", "as one ends", "as both end", "granted"]
)
def test_a_caller_that_is_cancelled_holds_nothing(after: float) -> None:
    async def play(scene: Scene) -> None:
        scene.server.faults = Faults(delay=0.002)
        asked = asyncio.create_task(scene.reserve(wanted("u1", 2, scopes=("CN", "group"))))
        await asyncio.sleep(after)
        if asked.cancel():
            with pytest.raises(asyncio.CancelledError):
                await asked
            await asyncio.sleep(1)
            assert (scene.held("CN"), scene.held("group")) == (set(), set())
        else:
            assert isinstance(asked.result(), Granted)

    stage(play, "CN", "group")


def test_a_store_that_is_down_is_answered_busy_in_time_and_is_left_alone_after() -> None:
    async def play(scene: Scene) -> None:
        scene.server.faults = Faults(delay=0.0, lost=1.0)
        outcomes = await asyncio.gather(*(scene.reserve(wanted(f"u{n}"), within=3.0) for n in range(9)))
        assert (outcomes, now()) == ([BUSY] * 9, 3.0)
        await asyncio.sleep(120)
        asked, served = 0, scene.server._serve

        async def count(*args: object) -> None:
            nonlocal asked
            asked += 1
            await served(*args)  # type: ignore[arg-type]  # passed through as they came

        scene.server._serve = count  # type: ignore[method-assign,assignment]  # watched, not changed
        await asyncio.sleep(60)
        assert asked == 0

    stage(play)


def test_a_full_ledger_is_read_once_for_all_that_are_denied_and_never_written() -> None:
    async def play(scene: Scene) -> None:
        await scene.reserve(wanted("u0", 4))
        outcomes = await asyncio.gather(*(scene.reserve(wanted(f"u{n}")) for n in range(1, 40)))
        assert all(isinstance(outcome, Exceeded) for outcome in outcomes)
        assert (scene.server.writes, scene.ledger.counters()["CN"].confirmations) == (1, 1)

    stage(play)


def test_two_reviews_of_one_object_are_not_undone_by_the_one_that_is_denied() -> None:
    async def play(scene: Scene) -> None:
        one, two = scene.ledger, Ledger(ObjectStore(scene.server), identity="s", clock=now)
        request = wanted("u1", 2, scopes=("CN", "group"))
        await scene.reserve(wanted("x", 4, scopes=("group",)))
        in_first = wanted("u1", 2)
        assert isinstance(await one.reserve(in_first, now() + 5), Granted)
        denied = asyncio.create_task(two.reserve(request, now() + 5))
        assert isinstance(await denied, Exceeded)
        await asyncio.sleep(1)
        assert scene.held("CN") == {"u1"}

    stage(play, "CN", "group")


def test_commits_keep_their_distance_under_load_and_before_a_backlog_and_alone_nobody_waits() -> None:
    async def play(scene: Scene) -> None:
        tuning = Tuning(pace=lambda batch, inflight: 2.0 if inflight >= 4 else 0.5 if batch > 1 else 0.0)
        scene.ledger = Ledger(ObjectStore(scene.server), clock=now, tuning=tuning)
        await scene.reserve(wanted("u0"))
        await scene.reserve(wanted("u1"))
        assert now() == 0.0
        await asyncio.gather(scene.reserve(wanted("u2")), scene.reserve(wanted("u3", 9)))
        await scene.reserve(wanted("u4"))
        assert now() == 0.5
        await scene.reserve(wanted("u5"))
        assert now() == 2.5

    stage(play)
