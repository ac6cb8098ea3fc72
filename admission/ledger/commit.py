"""Group commit: all that waits for one scope goes into one write, and one write at a time is under way.

How an attempt goes on after each outcome of the write:

    written    every verdict of the batch holds, denials too: the swap proves that the state was the newest
    Conflict   read the newest state; everybody is judged anew
    Unknown    the same.  If the write did happen, the attempt's own entry stands in what is read; if it is
               still on its way, it conflicts with whatever is written next, or leaves an entry too many
    Failed     the same, after a pause
    no write   nothing was granted or taken back, so the verdicts rest on the state alone: they hold if it was
               read after the last of the batch had arrived, and are judged anew on one that is, if not
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import TYPE_CHECKING

from admission.ledger.draft import Ask, Caps, Draft, Drafter, Withdrawal
from admission.ledger.limits import Granted, Outcome, Unavailable
from admission.ledger.store import Conflict, Forbidden, Snapshot, StoreError
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.store import Store

CROWD = 2
"""Requests in one commit from which on the ledger counts as loaded."""


BACKLOG = 128
"""Entries in flight from which on commits make room: the fold that takes entries out is another replica's."""


def pace(batch: int, inflight: int) -> float:
    """Return the least seconds between two commits, given how many requests the last one carried, and what stands.

    Alone, a request is never held up; under load 8 ms gather a larger batch, which lowers the writes for
    each admission fourfold and raises throughput.
    """
    if inflight >= BACKLOG:
        return 0.05
    return 0.008 if batch >= CROWD else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Tuning:
    """Bounds in seconds and counts; the defaults suit a real API server."""

    timeout: float = 2.0
    """For one read or write of the store."""
    pause: float = 0.05
    """Longest wait before the next attempt after a failure; the actual wait is random below it."""
    patience: int = 20
    """Failed attempts after which withdrawals that no request waits with are left to expiry."""
    queue: int = 2048
    """Requests that may wait for one scope; more are told LedgerBusy at once."""
    pace: Callable[[int, int], float] = pace
    """Least seconds between commits, given the size of the last batch and the entries in flight."""


@dataclasses.dataclass(slots=True)
class Counters:
    """What a committer did since it was made; for metrics."""

    commits: int = 0
    granted: int = 0
    conflicts: int = 0
    failures: int = 0
    confirmations: int = 0


@dataclasses.dataclass(slots=True, eq=False)
class _Waiter:
    ask: Ask
    answer: asyncio.Future[Outcome]
    tried: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class _Pending:
    withdrawal: Withdrawal
    done: asyncio.Future[None]


class Committer:
    """All writes of this replica to one scope's ledger."""

    def __init__(
        self,
        scope: str,
        store: Store,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        caps: Caps,
        tuning: Tuning,
    ) -> None:
        self.counters = Counters()
        self.turn = asyncio.Lock()
        self._scope, self._store = scope, store
        self._clock, self._wall = clock, wall
        self._caps, self._tuning = caps, tuning
        self._waiters: dict[_Waiter, None] = {}  # in order of arrival
        self._pending: dict[_Pending, None] = {}
        self._worker: asyncio.Task[None] | None = None
        self._distrust = False
        self._next = float("-inf")

    async def reserve(self, ask: Ask, deadline: float) -> Outcome:
        """Reserve, or say why not, by the deadline (of ``clock``).

        A caller that is answered anything but Granted holds nothing that it could rely on: what was
        written for it meanwhile is taken back, or expires.
        """
        if len(self._waiters) >= self._tuning.queue or deadline <= self._clock():
            return Unavailable(Reason.LedgerBusy)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(ask, loop.create_future())
        self._waiters[waiter] = None
        self._start()
        timer = loop.call_later(max(0.0, deadline - self._clock()), self._give_up, waiter)
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: _Waiter, reason: Reason = Reason.LedgerBusy) -> None:
        """Tell who waits that it is granted nothing: at its deadline, or before, where waiting is in vain."""
        if not waiter.answer.done():
            self._abandon(waiter)
            waiter.answer.set_result(Unavailable(reason))

    def withdraw(self, withdrawal: Withdrawal) -> asyncio.Future[None]:
        """Take an entry back with the next commit; the future is done when it is gone, or given up."""
        pending = _Pending(withdrawal, asyncio.get_running_loop().create_future())
        self._pending[pending] = None
        self._start()
        return pending.done

    async def close(self, grace: float) -> None:
        """Let the work under way end, for at most ``grace`` seconds; what is then left over expires."""
        if self._worker is not None:
            await asyncio.wait((self._worker,), timeout=grace)
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _abandon(self, waiter: _Waiter) -> None:
        self._waiters.pop(waiter, None)
        if waiter.tried:
            self.withdraw(Withdrawal(waiter.ask.uid, waiter.ask.owner))

    def _start(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        fruitless = 0
        while self._waiters or self._pending:
            await asyncio.sleep(max(0.0, self._next - self._clock()))
            try:
                async with self.turn:
                    await self._attempt()
                fruitless = 0
            except Conflict:
                self.counters.conflicts += 1
                self._distrust = True
            except StoreError as error:
                if isinstance(error, Forbidden):  # no time that somebody waits would change it
                    for waiter in tuple(self._waiters):
                        self._give_up(waiter, Reason.NotSynced)
                self.counters.failures += 1
                self._distrust = True
                fruitless += 1
                await self._rest(fruitless)

    async def _rest(self, fruitless: int) -> None:
        if fruitless >= self._tuning.patience:
            self._finish(tuple(self._pending))
        pause = min(self._tuning.pause, 0.001 * 2**fruitless)
        await asyncio.sleep(random.uniform(0.0, pause))  # noqa: S311 (spreads replicas, guards nothing)

    async def _attempt(self) -> None:
        """Judge everybody who waits now, write once, and answer; raises StoreError with nobody answered."""
        waiters, pending = tuple(self._waiters), tuple(self._pending)
        snapshot = None if self._distrust else self._store.cached(self._scope)
        fresh = snapshot is None
        if snapshot is None:
            snapshot = await self._read()
            waiters = self._remaining(waiters)
        draft = self._draft(snapshot, waiters, pending)
        if draft.state is None and waiters and not fresh:
            # A cache may lag behind a release or a raised count: it may delay a verdict, never be one.
            self.counters.confirmations += 1
            snapshot = await self._read()
            waiters = self._remaining(waiters)
            draft = self._draft(snapshot, waiters, pending)
        if draft.state is not None:
            await self._write(draft, snapshot.version, waiters)
        inflight = (draft.state or snapshot.state).inflight
        self._next = self._clock() + self._tuning.pace(len(waiters), len(inflight))
        self._answer(draft, waiters)
        self._finish(pending)

    def _remaining(self, waiters: tuple[_Waiter, ...]) -> tuple[_Waiter, ...]:
        """Drop who gave up meanwhile: nothing was written for it, so nothing will be taken back."""
        return tuple(waiter for waiter in waiters if waiter in self._waiters)

    async def _read(self) -> Snapshot:
        snapshot = await self._store.read(self._scope, self._tuning.timeout)
        self._distrust = False
        return snapshot

    def _draft(self, snapshot: Snapshot, waiters: tuple[_Waiter, ...], pending: tuple[_Pending, ...]) -> Draft:
        drafter = Drafter(snapshot.state, self._caps, int(self._wall()))
        return drafter.draft([waiter.ask for waiter in waiters], [one.withdrawal for one in pending])

    async def _write(self, draft: Draft, version: int, waiters: tuple[_Waiter, ...]) -> None:
        assert draft.state is not None
        for waiter in waiters:
            waiter.tried = True
        await self._store.write(self._scope, draft.state, version, self._tuning.timeout)
        self.counters.commits += 1

    def _answer(self, draft: Draft, waiters: tuple[_Waiter, ...]) -> None:
        for waiter, outcome in zip(waiters, draft.outcomes, strict=True):
            if waiter in self._waiters:  # else it was abandoned, and its withdrawal waits already
                del self._waiters[waiter]
                if not waiter.answer.cancelled():  # else it will be abandoned at once
                    waiter.answer.set_result(outcome)
                self.counters.granted += isinstance(outcome, Granted)

    def _finish(self, pending: tuple[_Pending, ...]) -> None:
        for one in pending:
            self._pending.pop(one, None)
            if not one.done.done():
                one.done.set_result(None)
