"""The ledger as the rest of the program sees it: reserve, evaluate, release, view."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.decide.limits import ENDING, held, total
from admission.decide.shards import shard_of
from admission.ledger.accounts import kept
from admission.ledger.archive import is_archive
from admission.ledger.commit import Committer, Counters, Tuning
from admission.ledger.draft import Ask, Caps, Drafter, Withdrawal
from admission.ledger.limits import Differs, Exceeded, Granted, Level, Outcome, Request, Unavailable
from admission.ledger.store import StoreError
from admission.ledger.tranches import Tranche
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from admission.decide.limits import Account, Limit
    from admission.ledger.accounts import Kept
    from admission.ledger.state import Hours, State
    from admission.ledger.store import Store


class HoursUnder(NamedTuple):
    """Device-seconds under a limit: the asking tenant's, used within its window and prepaid, and everybody's."""

    own_used: int
    own_prepaid: int
    all: int


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """One scope as last seen here: devices by account, for status and metrics."""

    initialized: bool
    observed_pods: int
    used: Mapping[Account, int]
    reserved: Mapping[Account, int]
    entries: int
    hours: Hours
    """Use over time, in device-seconds."""
    promised_hours: Mapping[Account, int]
    """Device-seconds prepaid by what was promised; what runs has paid in ``hours``."""

    def __post_init__(self) -> None:
        """Keep each count together with its sums."""
        for name in ("used", "reserved", "promised_hours"):
            object.__setattr__(self, name, kept(getattr(self, name)))

    def all(self, limit: Limit) -> int:
        """Return what is held, or was promised, under a limit, in its unit, of devices at once."""
        return sum(each.sums.all(limit) for each in self._devices)

    def own(self, limit: Limit) -> int:
        """Return what of it is the asking tenant's own."""
        return sum(each.sums.own(limit) for each in self._devices)

    @property
    def _devices(self) -> tuple[Kept, Kept]:
        return kept(self.used), kept(self.reserved)

    def hours_under(self, limit: Limit) -> HoursUnder | None:
        """Return the device-seconds that count under a limit; None where not summed yet."""
        counted = self.hours.counted(limit.window)
        if counted is None:
            return None
        *used, paid = (each.sums for each in counted)
        prepaid = paid, kept(self.promised_hours).sums
        own_used, own_prepaid = (sum(each.own(limit) for each in sums) for sums in (used, prepaid))
        return HoursUnder(own_used, own_prepaid, sum(each.all(limit) for each in (*used, *prepaid)))

    def longest_hold(self, counts: Callable[[str], bool], now: int) -> int | None:
        """Return for how many seconds the longest hold has gone on, of the classes that count; None where none does."""
        since = [hold.since for (_, name), hold in self.hours.holds.items() if not hold.until and counts(name)]
        return max(0, now - min(since)) if since else None

    def paid_until(self, counts: Callable[[str, str], bool]) -> int | None:
        """Return up to when (unix seconds) an object without an end has paid, the first of those that count.

        ``counts`` says so of party and class key; None where there is none.
        """
        tranches = self.hours.tranches.items()
        ends = (each.until for (_, party), each in tranches if any(counts(party, key) for key, _ in each.counts))
        return min((until for until in ends if until), default=None)

    def device_seconds(self, window: int, weights: Mapping[str, int]) -> tuple[int, int] | None:
        """Return device-seconds: used within a window in seconds, and prepaid; None where not summed yet."""
        used = self.hours.used(window)
        if used is None:
            return None
        return total(used, weights), held(self.hours.prepaid, weights) + held(self.promised_hours, weights)


class Ledger:
    """Exact counts over any number of scopes, decided by compare-and-swap in ``store``.

    Any number of replicas may do this at once.  ``clock`` is monotonic and is the one that deadlines are
    of; ``wall`` only dates entries for people.  ``identity`` names this process and no other, ever.
    """

    def __init__(
        self,
        store: Store,
        *,
        identity: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        caps: Caps | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._store = store
        self._identity = identity or secrets.token_hex(6)
        self._clock, self._wall = clock, wall
        self._caps, self._tuning = caps or Caps(), tuning or Tuning()
        self._committers: dict[str, Committer] = {}
        self._views: dict[str, tuple[State, View]] = {}
        self._attempts = 0

    async def reserve(self, request: Request, deadline: float) -> Outcome:
        """Reserve in all scopes of a request, one after the other in the order of all requests, or in none.

        Granted only once every entry is durable.  Where one scope says no, what earlier ones gave is taken
        back; until then it over-counts, which is safe.
        """
        self._attempts += 1
        owner = f"{self._identity}.{self._attempts:x}"
        levels: list[Level] = []
        held: list[str] = []
        try:
            for scope, limits in sorted(request.scopes, key=_scope):
                held.append(scope)
                outcome = await self._committer(scope).reserve(_ask(request, limits, owner), deadline)
                if not isinstance(outcome, Granted):
                    self._take_back(request.uid, owner, held[:-1])
                    return outcome
                levels += outcome.levels
        except asyncio.CancelledError:
            self._take_back(request.uid, owner, held[:-1])
            raise
        return Granted(tuple(levels))

    def evaluate(self, request: Request) -> Outcome:
        """Say what ``reserve`` would, from the newest states seen here, and change nothing."""
        outcomes = [self._evaluate(request, scope, limits) for scope, limits in sorted(request.scopes, key=_scope)]
        for outcome in outcomes:
            if isinstance(outcome, Unavailable | Differs):
                return outcome
        shortfalls = tuple(s for outcome in outcomes if isinstance(outcome, Exceeded) for s in outcome.shortfalls)
        if shortfalls:
            return Exceeded(shortfalls)
        return Granted(tuple(level for outcome in outcomes if isinstance(outcome, Granted) for level in outcome.levels))

    async def release(self, uid: str) -> bool:
        """Take back whatever is held in flight for an object that is gone and cannot come back.

        False when something may still be held: the store could not be read, or written, for some tries.
        For modes in which objects are not watched (standalone); elsewhere the reconciler proves absence.
        """
        try:
            for scope in self.scopes():  # what another process reserved may not have been seen here
                await self._store.read(scope, self._tuning.timeout)
        except StoreError:
            return False
        scopes = [scope for scope in self.scopes() if self._holds(scope, uid)]
        await asyncio.gather(*(self._committer(scope).withdraw(Withdrawal(uid, None)) for scope in scopes))
        return not any(self._holds(scope, uid) for scope in scopes)

    async def ensure(self, scope: str, timeout: float) -> None:  # noqa: ASYNC109 (passed on to the store)
        """Make sure that a scope has a ledger, so that its wait for being counted begins before it is needed.

        Raises:
            StoreError: the store could not be asked.

        """
        if self._store.cached(scope) is None:
            await self._store.read(scope, timeout)

    def turn(self, scope: str) -> asyncio.Lock:
        """Return what whoever writes a ledger holds meanwhile: two writes of one process at once would conflict."""
        return self._committer(scope).turn

    def view(self, scope: str) -> View | None:
        """Return a scope as last seen here; None before it was seen at all."""
        snapshot = self._store.cached(scope)
        if snapshot is None:
            return None
        state, known = snapshot.state, self._views.get(scope)
        if known is None or known[0] is not state:
            known = self._views[scope] = (state, _view(state))
        return known[1]

    def tranche(self, scope: str, uid: str, party: str) -> Tranche | None:
        """Return what an object without an end has paid for in a scope, as last seen here; None where nothing is."""
        snapshot = self._store.cached(scope)
        if snapshot is None:
            return None
        entry = snapshot.state.inflight.get(uid)
        if entry is not None:
            return Tranche(entry.charge.counts, entry.reserved_at, entry.charge.seconds + ENDING)
        return snapshot.state.hours.tranches.get((uid, party))

    def scopes(self) -> Collection[str]:
        """Return the scopes known here."""
        return [scope for scope in self._store.scopes() if not is_archive(scope)]

    def counters(self) -> Mapping[str, Counters]:
        """Return what was done so far, by scope."""
        return {scope: committer.counters for scope, committer in self._committers.items()}

    async def close(self, grace: float = 1.0) -> None:
        """Let writes under way end, for at most ``grace`` seconds."""
        await asyncio.gather(*(committer.close(grace) for committer in self._committers.values()))

    def _evaluate(self, request: Request, scope: str, limits: tuple[Limit, ...]) -> Outcome:
        snapshot = self._store.cached(scope)
        if snapshot is None:
            return Unavailable(Reason.NotSynced)
        drafter = Drafter(snapshot.state, self._caps, int(self._wall()))
        return drafter.draft([_ask(request, limits, "")], []).outcomes[0]

    def _take_back(self, uid: str, owner: str, scopes: list[str]) -> None:
        for scope in scopes:
            self._committer(scope).withdraw(Withdrawal(uid, owner))

    def _holds(self, scope: str, uid: str) -> bool:
        snapshot = self._store.cached(scope)
        return snapshot is not None and uid in snapshot.state.inflight

    def _committer(self, scope: str) -> Committer:
        if scope not in self._committers:
            self._committers[scope] = Committer(
                scope, self._store, clock=self._clock, wall=self._wall, caps=self._caps, tuning=self._tuning
            )
        return self._committers[scope]


def _view(state: State) -> View:
    return View(
        initialized=state.initialized,
        observed_pods=state.observed_pods,
        used=state.used,
        reserved=state.reserved(),
        entries=len(state.inflight),
        hours=state.hours,
        promised_hours=state.promised_hours(),
    )


def _scope(pair: tuple[str, tuple[Limit, ...]]) -> tuple[bool, str]:
    """Shards first: who is at its own limit takes nothing away in the ledger of all, not for a moment."""
    return shard_of(pair[0]) is None, pair[0]


def _ask(request: Request, limits: tuple[Limit, ...], owner: str) -> Ask:
    named = request.uid, request.namespace, request.name
    return Ask(*named, request.charge, limits, owner, request.kind, request.origin, request.shards)
