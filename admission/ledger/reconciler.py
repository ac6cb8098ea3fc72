"""Confirms, releases and expires: makes every ledger follow what exists.

One replica runs it, chosen by a Lease, for economy alone: two at once, or one with an old cache, are safe,
as every write is a compare-and-swap, folds only go forward, and entries leave on proof.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from admission.decide.shards import is_used
from admission.ledger.absence import Absence
from admission.ledger.archive import Archivist, is_archive
from admission.ledger.calm import Calm, Unanswered
from admission.ledger.fold import fold, is_current, uncounted
from admission.ledger.hours import UNTIMED
from admission.ledger.paying import Paying
from admission.ledger.rebuilding import Rebuilding
from admission.ledger.retirement import Retirement
from admission.ledger.state import State
from admission.ledger.store import Conflict, Snapshot, StoreError
from admission.ledger.uncount import uncount
from admission.ledger.work import Waits, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from admission.ledger.census import Census, Witness
    from admission.ledger.hours import Terms
    from admission.ledger.renewal import Renewing
    from admission.ledger.store import Store

_TRIES = 8  # of one fold, before the other ledgers get their turn
_GLANCES = 5  # at the ledgers, between two passes
_CROWD = 32  # entries in flight from which on the next pass begins at the next glance

logger = logging.getLogger(__name__)


class Reconciler:
    """Keeps the ledgers of a store.

    ``census`` returns what the watch has, or None while a list of it, the first or a later one, is under way.
    ``armed`` says whether admissions are counted at all (on install: whether the webhook configuration is in force);
    the wait for a rebuild runs only while it does.  ``restored`` is called when the store is found to have gone back in
    time, and all ledgers are marked: whoever keeps caches must drop them.  ``turn`` keeps this process from writing a
    ledger twice at once.  ``drifted`` is called with a scope and the devices that a fold has just counted in there and
    no reservation had announced.  ``shards`` is the number for which ledgers are counted.
    ``renewing`` says of a scope how what has no end goes on there, None where nothing does; ``refused`` is called with
    the objects whose next hour does not fit, and once more when that is over.
    ``limited`` says of a scope which classes anybody reserves there, and ``named`` whether any limit stands in it.
    """

    def __init__(
        self,
        store: Store,
        census: Callable[[], Census | None],
        witness: Witness,
        *,
        clock: Callable[[], float],
        waits: Waits | None = None,
        armed: Callable[[], bool] = lambda: True,
        restored: Callable[[], None] = lambda: None,
        terms: Callable[[str], Terms] = lambda _: UNTIMED,
        now: Callable[[], float] = time.time,
        turn: Callable[[str], contextlib.AbstractAsyncContextManager[None]] = lambda _: contextlib.nullcontext(),
        drifted: Callable[[str, int], None] = lambda _scope, _devices: None,
        limited: Callable[[str], Callable[[str], bool]] = lambda _scope: lambda _key: True,
        named: Callable[[str], bool] = lambda _scope: True,
        renewing: Callable[[str], Renewing | None] = lambda _scope: None,
        refused: Callable[[Collection[str]], None] = lambda _uids: None,
        shards: int = 0,
    ) -> None:
        self.work = Work()
        self._store, self._census, self._witness = store, census, witness
        self._clock, self._waits = clock, waits or Waits()
        self._restored, self._turn, self._drifted = restored, turn, drifted
        self._terms, self._now, self._shards = terms, now, shards
        self._limited = limited
        self._archivist = Archivist(
            store, now=now, clock=clock, timeout=self._waits.timeout, between=self._waits.archive
        )
        self._paying = Paying(
            store,
            self._agreed,
            self._went_back,
            renewing=renewing,
            refused=refused,
            turn=turn,
            now=now,
            timeout=self._waits.timeout,
        )
        self._calm = Calm(clock, slow=self._waits.slow, gap=10 * self._waits.heartbeat)
        self._retirement = Retirement(store, named, clock=clock, wait=self._waits.retire, timeout=self._waits.timeout)
        self._rebuilding = Rebuilding(
            store,
            witness,
            self._archivist,
            calm=self._calm,
            clock=clock,
            waits=self._waits,
            armed=armed,
            terms=terms,
            now=now,
            shards=shards,
            work=self.work,
        )
        self.absence = Absence(store, census, witness, calm=self._calm, clock=clock, wait=self._waits.absent)
        self._last_read: dict[str, float] = {}
        self._suspects: set[str] = set()
        self._taken_in: dict[str, tuple[int, int]] = {}
        self._highest = 0
        self._awake = asyncio.Event()

    def is_followed(self, scope: str) -> bool:
        """Say whether a ledger is kept as what exists: not one in which no limit stands any more."""
        return self._retirement.is_followed(scope)

    def wake(self) -> None:
        """Ask for a pass soon: something was seen."""
        self._awake.set()

    async def run(self) -> None:
        """Go on until cancelled; passes are at least ``between`` apart, and ``reread`` at most."""
        audited = self._clock()
        while True:
            self._awake.clear()
            if self._clock() - audited >= self._waits.audit:
                audited = self._clock()
                await self.audit()
            await self.reconcile()
            await self._rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle()):
                    await self._awake.wait()

    async def _rest(self) -> None:
        """Wait between two passes, and not for long while many entries wait to be folded: ledgers must not fill up."""
        for _ in range(_GLANCES):
            await asyncio.sleep(self._waits.between / _GLANCES)
            snapshots = map(self._store.cached, self._store.scopes())
            if any(each is not None and len(each.state.inflight) >= _CROWD for each in snapshots):
                return

    async def reconcile(self) -> None:
        """Make one pass over all ledgers; what fails is tried again in the next."""
        scopes = self._scopes()
        try:
            await self._listen()
            await self._mark()
            await self._renumber()
            for scope, error in await self._rebuilding.rebuild(scopes):
                self._fail(scope, error)
        except (StoreError, Unanswered) as error:
            self._fail("the API server", error)
        for scope in scopes:
            try:
                await self._follow(scope)
            except (StoreError, Unanswered) as error:
                self._fail(scope, error)
            if self._shards:
                await asyncio.sleep(0)  # many ledgers take long to count, and reviews wait meanwhile
        self._forget(scopes)
        try:
            await self._retirement.retire(scopes)
        except StoreError as error:
            self._fail("a ledger without limits", error)

    async def audit(self) -> None:
        """Recount all by a list, note what was counted nowhere, and fold it in at once; each ledger by itself."""
        try:
            census = await self._calm.ask(self._witness.recount(), long=True)
        except Unanswered as error:
            self._fail("recount", error)
            return
        for scope in self._scopes():
            try:
                await self._recount(scope, census)
            except (StoreError, Unanswered) as error:
                self._fail(f"recount of {scope}", error)

    async def _recount(self, scope: str, census: Census) -> None:
        snapshot = await self._store.read(scope, self._waits.timeout)
        if self._is_counted(snapshot.state):
            self.work.uncounted[scope] = uncounted(snapshot.state, scope, census, self._limited(scope))
            await self._fold(scope, lambda: census, (), recount=True)

    # -- what has been counted -----------------------------------------------------------------

    async def _follow(self, scope: str) -> None:
        snapshot = await self._look(scope)
        census = self._census()
        if census is None:
            return
        terms = self._terms(scope)
        snapshot = await self.absence.look(scope, snapshot, census, self._waits.timeout)
        if self._is_counted(snapshot.state):
            gone = await self.absence.prove(scope, snapshot.state, census, terms)
            await self._fold(scope, self._census, gone)
            await self._follow_hours(scope, terms)

    async def _follow_hours(self, scope: str, terms: Terms) -> None:
        census = self._census()
        if terms.timed and census is not None:
            self._note_taken_in(scope, census)
        if terms.windows:
            await self._paying.pay(scope)
            await self._archivist.follow(scope, terms)

    def _scopes(self) -> tuple[str, ...]:
        used = (scope for scope in self._store.scopes() if not is_archive(scope) and is_used(scope, self._shards))
        return tuple(scope for scope in used if self.is_followed(scope))

    def _is_counted(self, state: State) -> bool:
        return state.initialized and state.shards == self._shards

    def _forget(self, scopes: Collection[str]) -> None:
        """Let the census forget the ends that every ledger with limits over time has taken in."""
        census = self._census()
        if census is not None:
            taken_in = [self._taken_in.get(scope, (0, 0)) for scope in scopes if self._terms(scope).timed]
            census.forget(*(min(versions) for versions in zip(census.newest(), *taken_in, strict=True)))

    async def _look(self, scope: str) -> Snapshot:
        snapshot = self._store.cached(scope)
        if snapshot is not None and self._clock() - self._last_read.get(scope, float("-inf")) < self._waits.reread:
            return snapshot
        snapshot = await self._store.read(scope, self._waits.timeout)
        self._last_read[scope] = self._clock()
        return snapshot

    async def _fold(
        self, scope: str, census: Callable[[], Census | None], gone: Collection[str], *, recount: bool = False
    ) -> None:
        """Write what the census and the proofs change, if anything: idle clusters write nothing.

        The census is asked for anew each time, as it moves on, or begins again, while the store is awaited.
        """
        snapshot = self._store.cached(scope) or await self._store.read(scope, self._waits.timeout)
        if self._fold_of(snapshot.state, scope, census(), gone, recount=recount) is None or await self._went_back():
            return
        for _ in range(_TRIES):
            async with self._turn(scope):
                snapshot = self._store.cached(scope) or await self._store.read(scope, self._waits.timeout)
                state = self._fold_of(snapshot.state, scope, census(), gone, recount=recount)
                if state is None:
                    return
                missed = self._missed(snapshot.state, scope, census())
                try:
                    await self._store.write(scope, state, snapshot.version, self._waits.timeout)
                except Conflict:
                    await self._store.read(scope, self._waits.timeout)
                    continue
            self.work.folds += 1
            self.work.expired += len(snapshot.state.inflight.keys() & gone)
            self._tell(scope, missed)
            return

    def _agreed(self, state: State, scope: str) -> Census | None:
        """Return the census where a state has all that it counts."""
        census = self._census()
        if census is None or not self._is_counted(state) or scope in self._suspects:
            return None
        waits = self._fold_of(state, scope, census, (), recount=False) is not None
        return census if is_current(census, state, scope) and not waits else None

    def _note_taken_in(self, scope: str, census: Census) -> None:
        """Note that the ledger has all ends that the watch has seen, where nothing is left to fold."""
        snapshot = self._store.cached(scope)
        if snapshot is None or not self._is_counted(snapshot.state) or not is_current(census, snapshot.state, scope):
            return
        if any(stay.uid in snapshot.state.inflight for stay in census.ended(scope)):
            return  # to be settled when the entry leaves
        if self._fold_of(snapshot.state, scope, census, (), recount=False) is None:
            self._taken_in[scope] = census.newest()

    def _missed(self, state: State, scope: str, census: Census | None) -> dict[str, int]:
        return uncounted(state, scope, census, self._limited(scope)) if census is not None else {}

    def _tell(self, scope: str, missed: Mapping[str, int]) -> None:
        """Note what a fold had to count in that came in past the ledger."""
        total = self.work.missed.setdefault(scope, {})
        for party, count in missed.items():
            total[party] = total.get(party, 0) + count
        if missed:
            logger.warning("%s: %d devices were counted nowhere, and are now", scope, sum(missed.values()))
            self._drifted(scope, sum(missed.values()))

    def _fold_of(
        self, state: State, scope: str, census: Census | None, gone: Collection[str], *, recount: bool
    ) -> State | None:
        if census is None or not self._is_counted(state) or scope in self._suspects:
            return None
        return fold(
            state,
            scope,
            census,
            gone,
            doubtful=self.absence.doubtful(state, scope, census, gone),
            terms=self._terms(scope),
            now=int(self._now()),
            recount=recount,
        )

    # -- what has not been counted -------------------------------------------------------------

    async def _renumber(self) -> None:
        """Mark what was counted for another number of shards, and empty the shards that it has no more.

        All of them before any ledger is counted for this number: one that is used again later must not be an old count.
        """
        for scope in self._store.scopes():
            if is_archive(scope):
                continue
            snapshot = self._store.cached(scope) or await self._store.read(scope, self._waits.timeout)
            state = snapshot.state
            if not is_used(scope, self._shards):
                empty = State(epoch=state.epoch)
                if state != empty:
                    await self._store.write(scope, empty, snapshot.version, self._waits.timeout)
            elif state.initialized and not self._is_counted(state):
                await uncount(self._store, scope, self._waits.timeout)

    # -- the API server itself -----------------------------------------------------------------

    async def _listen(self) -> None:
        """Ask the API server something now and then while a wait runs: only calm that was heard counts."""
        waiting = self.absence.waits or self._rebuilding.waits
        if waiting and self._calm.silence() >= self._waits.heartbeat:
            await self._went_back()

    async def _went_back(self) -> bool:
        """Find out whether the store is older than what was seen of it: it was restored from a backup.

        What was promised since that backup is in no ledger, so all of them are counted anew.
        """
        census = self._census()
        known = max(self._highest, census.resource_version if census else 0)
        self._highest = await self._calm.ask(self._witness.revision())
        if self._highest >= known:
            return False
        logger.error("the store went back from revision %d to %d: counting anew", known, self._highest)
        self.distrust()
        await self._mark()
        return True

    def distrust(self) -> None:
        """Have all ledgers counted anew: the store is older than what was seen of it."""
        self.work.restored += 1
        self._suspects |= set(self._scopes())
        self._store.forget()
        self.absence.forget()
        self._rebuilding.forget()
        self._taken_in.clear()
        self.wake()

    async def _mark(self) -> None:
        """Mark the suspects as not counted, so that no replica grants on them."""
        if not self._suspects:
            return
        for scope in sorted(self._suspects):
            await uncount(self._store, scope, self._waits.timeout)
            self._suspects.discard(scope)
        self._restored()

    def _idle(self) -> float:
        return self._waits.heartbeat if self.absence.waits or self._rebuilding.waits else self._waits.reread

    def _fail(self, what: str, error: Exception) -> None:
        self.work.failures += 1
        logger.warning("%s: %s", what, error)
