"""Use over time where nothing watches the objects: counted in its window, joined while it goes on, forgotten after."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from admission.decide.limits import Charge, Limit, Parties, whole
from admission.ledger.archive import archive_of
from admission.ledger.draft import UNWATCHED
from admission.ledger.hours import HOUR, Terms
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Exceeded, Granted, Request
from admission.ledger.memory import MemoryStore
from admission.ledger.unwatched import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from admission.ledger.limits import Outcome

DAY, BEGUN = 24 * HOUR, 1_000 * HOUR
TERMS = Terms(frozenset({DAY}), HOUR)


class Scene:
    """A scope with 10 device-hours a day and holds of at most two hours, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = float(BEGUN)
        self.store = MemoryStore(initialized=True)
        self.ledger = Ledger(self.store, caps=UNWATCHED, wall=lambda: self.now)
        self._keeper = Keeper(self.store, now=lambda: self.now, clock=lambda: self.now, timeout=1.0, between=0.0)

    async def ask(self, uid: str, devices: int = 1, seconds: int = HOUR // 2) -> Outcome:
        weights, classes = {"h100": 1}, frozenset({"h100"})
        limits = (
            Limit("hours", "deviceHours", 10 * HOUR, weights, None, Parties.of(whole, "acme"), DAY),
            Limit("hold", "hold", 2 * HOUR, weights, None, Parties.of(whole, "acme"), HOUR, classes),
        )
        charge = Charge("acme", (("h100", devices),), seconds=seconds)
        return await self.ledger.reserve(Request(uid, "ns", uid, charge, (("CN", limits),)), math.inf)

    async def pass_on(self, seconds: float) -> None:
        """Let time pass, and the keeper see to it before and after."""
        await self._keeper.follow("CN", TERMS)
        self.now += seconds
        await self.store.read("CN", 1.0)
        await self._keeper.follow("CN", TERMS)

    def version(self) -> tuple[int, ...]:
        return tuple(found.version for name in ("CN", archive_of("CN")) if (found := self.store.cached(name)))


def play(scene: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    asyncio.run(scene(Scene()))


def shortfalls(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Exceeded)
    return [short.limit.key for short in outcome.shortfalls]


def test_what_ended_counts_with_what_it_used_until_its_window_has_passed() -> None:
    async def scene(at: Scene) -> None:
        assert isinstance(await at.ask("a", 8, HOUR - 600), Granted)
        assert shortfalls(await at.ask("b", 8, HOUR - 600)) == ["hours"], "the first has paid for its whole deadline"
        await at.pass_on(HOUR / 4)
        assert await at.ledger.release("a")
        assert isinstance(await at.ask("c", 8, HOUR - 600), Granted), "and gets back what it did not use"
        await at.pass_on(HOUR / 2)
        assert await at.ledger.release("c")
        await at.pass_on(DAY - 2 * HOUR)
        assert shortfalls(await at.ask("d", 8, HOUR - 600)) == ["hours"], "six hours are used"
        await at.pass_on(3 * HOUR)
        assert isinstance(await at.ask("e", 8, HOUR - 600), Granted), "and out of the window"

    play(scene)


def test_a_hold_goes_on_from_pod_to_pod_until_there_is_a_break() -> None:
    async def scene(at: Scene) -> None:
        assert isinstance(await at.ask("a"), Granted)
        await at.pass_on(1.25 * HOUR)
        assert await at.ledger.release("a")
        await at.pass_on(HOUR / 2)
        assert shortfalls(await at.ask("b")) == ["hold"], "an hour and three quarters, and half an hour more"
        assert isinstance(await at.ask("c", seconds=HOUR // 8), Granted)
        await at.pass_on(HOUR / 8)
        assert await at.ledger.release("c")
        await at.pass_on(1.5 * HOUR)
        assert isinstance(await at.ask("d"), Granted), "the break was longer than the gap"

    play(scene)


def test_nothing_is_written_while_nothing_happens() -> None:
    async def scene(at: Scene) -> None:
        await at.ask("a")
        await at.ledger.release("a")
        await at.ask("b")
        await at.pass_on(60)
        before = at.version()
        for _ in range(3):
            await at.pass_on(1)
        assert at.version() == before

    play(scene)
