"""Proves that the object of an entry does not exist and cannot come any more, and tells what was seen of it before.

Both are stable: a create that cannot be committed any more never can, and a uid that is not there then never will be.
So a proof holds for whatever state a fold meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.fold import leaves
from admission.ledger.limits import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from admission.ledger.calm import Calm
    from admission.ledger.census import Census, Witness
    from admission.ledger.hours import Terms
    from admission.ledger.state import Entry, State
    from admission.ledger.store import Snapshot, Store


class Absence:
    """The waits and the proofs of one reconciler, over all scopes.

    ``wait`` is for how many seconds of calm an entry has been in flight before its absence is proved.
    """

    def __init__(
        self,
        store: Store,
        census: Callable[[], Census | None],
        witness: Witness,
        *,
        calm: Calm,
        clock: Callable[[], float],
        wait: float,
    ) -> None:
        self._store, self._census, self._witness = store, census, witness
        self._calm, self._clock, self._wait = calm, clock, wait
        self._first_seen: dict[tuple[str, str], float] = {}
        self._absent_at: dict[tuple[str, str], int] = {}
        self._older: dict[str, tuple[int, frozenset[str]]] = {}

    @property
    def waits(self) -> bool:
        """Whether anything is waited for."""
        return bool(self._first_seen)

    def waiting(self) -> Mapping[tuple[str, str], float]:
        """Return since when (by the clock) each entry in flight, by scope and uid, has been seen here."""
        return dict(self._first_seen)

    def forget(self) -> None:
        """Begin all waits anew."""
        for kept in (self._first_seen, self._absent_at, self._older):
            kept.clear()

    async def look(self, scope: str, snapshot: Snapshot, census: Census, timeout: float) -> Snapshot:  # noqa: ASYNC109 (the store's)
        """Return the snapshot; after a new list the newest one, as its entries may be older than the list.

        Raises:
            StoreError: it could not be read.

        """
        if self._older.get(scope, (None,))[0] != census.lists:
            snapshot = await self._store.read(scope, timeout)
            self._older[scope] = census.lists, frozenset(snapshot.state.inflight)
        return snapshot

    async def prove(self, scope: str, state: State, census: Census, terms: Terms) -> frozenset[str]:
        """Return the uids that have been in flight for too long to come, and are not there.

        Raises:
            Unanswered: it could not be found out.

        """
        self._note(scope, state, census)
        gone = set()
        for entry in state.inflight.values():
            # What the census has seen, the fold takes out.
            waits = not self._overdue(scope, entry) or leaves(entry, scope, census)
            if not waits and await self._absent(scope, entry, terms):
                gone.add(entry.uid)
        return frozenset(gone)

    def doubtful(self, state: State, scope: str, census: Census, gone: Collection[str]) -> Collection[str]:
        """Return the uids of objects that may have come and gone unseen: before the last list, or among claims."""
        lists, older = self._older.get(scope, (-1, frozenset()))
        if lists != census.lists:
            return gone
        entries = (state.inflight[uid] for uid in gone if uid in state.inflight)
        return {entry.uid for entry in entries if entry.uid in older or entry.kind is Kind.Claim}

    def _note(self, scope: str, state: State, census: Census) -> None:
        """Begin each entry's wait; that of an object that goes on needing its entry begins with the object's end."""
        for uid, entry in state.inflight.items():
            self._first_seen.setdefault((scope, uid), self._clock())
            if census.live(uid) and not leaves(entry, scope, census):
                self._first_seen[scope, uid] = self._clock()
        left = [key for key in self._first_seen if key[0] == scope and key[1] not in state.inflight]
        for key in left:
            del self._first_seen[key]
            self._absent_at.pop(key, None)

    def _overdue(self, scope: str, entry: Entry) -> bool:
        return self._calm.lasted(self._first_seen[scope, entry.uid]) > self._wait

    async def _absent(self, scope: str, entry: Entry, terms: Terms) -> bool:
        there = await self._calm.ask(self._witness.probe(entry))
        return not there and self._overdue(scope, entry) and await self._looked_back(scope, entry, terms)

    async def _looked_back(self, scope: str, entry: Entry, terms: Terms) -> bool:
        """Say whether all has been seen that happened before the entry's object was found absent.

        Only then can be told whether it never came, and gets back what it paid for, or came and went.
        """
        if not entry.charge.seconds or not terms.windows:
            return True
        if (scope, entry.uid) not in self._absent_at:
            self._absent_at[scope, entry.uid] = await self._calm.ask(self._witness.revision())
        census = self._census()
        return census is not None and census.resource_version >= self._absent_at[scope, entry.uid]
