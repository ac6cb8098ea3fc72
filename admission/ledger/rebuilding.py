"""Counts ledgers from nothing: new ones, those that went back or cannot be read, and those that nobody followed.

A promise that such a ledger does not know may still be kept, by a create that was answered before.  So the list that it
is counted by begins only after it has been seen uncounted for longer than any create can take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.fold import rebuilt
from admission.ledger.store import Fault, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from admission.ledger.archive import Archivist
    from admission.ledger.calm import Calm
    from admission.ledger.census import Census, Witness
    from admission.ledger.hours import Terms
    from admission.ledger.store import Store
    from admission.ledger.work import Waits, Work


class Uncountable(Exception):  # noqa: N818 (what the ledger is)
    """A ledger cannot be counted from nothing: something exists that it may have to count and nobody can read."""


Failure = tuple[str, StoreError | Uncountable]
"""A scope, and why it could not be counted."""


class Rebuilding:
    """The waits of one reconciler before it counts, over all scopes; its arguments are the reconciler's."""

    def __init__(
        self,
        store: Store,
        witness: Witness,
        archivist: Archivist,
        *,
        calm: Calm,
        clock: Callable[[], float],
        waits: Waits,
        armed: Callable[[], bool],
        terms: Callable[[str], Terms],
        now: Callable[[], float],
        shards: int,
        work: Work,
    ) -> None:
        self._store, self._witness, self._archivist = store, witness, archivist
        self._calm, self._clock, self._waits, self._armed = calm, clock, waits, armed
        self._terms, self._now, self._shards, self._work = terms, now, shards, work
        self._uncounted: dict[str, tuple[int, float]] = {}

    @property
    def waits(self) -> bool:
        """Whether anything is waited for."""
        return bool(self._uncounted)

    def forget(self) -> None:
        """Begin all waits anew."""
        self._uncounted.clear()

    async def rebuild(self, scopes: Collection[str]) -> Sequence[Failure]:
        """Count those of some ledgers that have waited for long enough, by one list; return what failed.

        Raises:
            Unanswered: there was no list.

        """
        self._uncounted = {scope: seen for scope, seen in self._uncounted.items() if scope in scopes}
        due = [scope for scope in scopes if self._due(scope)]
        if not due:
            return ()
        versions = {scope: self._uncounted[scope][0] for scope in due}
        census = await self._calm.ask(self._witness.recount(), long=True)
        failures: list[Failure] = []
        for scope in due:
            try:
                await self._initialize(scope, versions[scope], census)
            except (StoreError, Uncountable) as error:
                failures.append((scope, error))
        return failures

    def _due(self, scope: str) -> bool:
        """Say whether a ledger has been seen uncounted, at one and the same version, for long enough.

        At one version: a ledger that was counted in between may have made promises since.
        """
        snapshot = self._store.cached(scope)
        if snapshot is None or snapshot.state.initialized or snapshot.fault is Fault.NEWER or not self._armed():
            self._uncounted.pop(scope, None)
            return False
        version, since = self._uncounted.get(scope, (snapshot.version, self._clock()))
        if version != snapshot.version:
            since = self._clock()
        self._uncounted[scope] = (snapshot.version, since)
        return self._calm.lasted(since) >= self._waits.rebuild

    async def _initialize(self, scope: str, version: int, census: Census) -> None:
        snapshot = self._store.cached(scope)
        if snapshot is None or snapshot.version != version:
            return
        unreadable = census.unreadable(scope)
        if unreadable:
            self._uncounted.pop(scope, None)  # to be tried again after another wait
            raise Uncountable(f"cannot be read: {', '.join(sorted(unreadable))}")
        terms = self._terms(scope)
        archive = await self._archivist.read(scope) if terms.windows else None
        state = rebuilt(
            snapshot.state, scope, census, archive=archive, terms=terms, now=int(self._now()), shards=self._shards
        )
        await self._store.write(scope, state, version, self._waits.timeout)
        self._work.rebuilt += 1
