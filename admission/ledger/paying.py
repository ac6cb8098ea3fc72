"""Pays the next tranches of what has no end, scope by scope, while one replica leads.

That there is one is economy: two at once, or one with an old cache, find what the other has written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.renewal import Renewed, Renewing, renewed
from admission.ledger.store import Conflict

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Awaitable, Callable, Collection

    from admission.ledger.census import Census
    from admission.ledger.state import State
    from admission.ledger.store import Snapshot, Store

_TRIES = 8  # of one write, before the other ledgers get their turn


class Paying:
    """The renewals of one reconciler, whose arguments these are; ``went_back`` says whether the store is older now.

    ``agreed`` returns the census where a scope's state has all of it, and None where it is to be folded first.
    """

    def __init__(
        self,
        store: Store,
        agreed: Callable[[State, str], Census | None],
        went_back: Callable[[], Awaitable[bool]],
        *,
        renewing: Callable[[str], Renewing | None],
        refused: Callable[[Collection[str]], None],
        turn: Callable[[str], contextlib.AbstractAsyncContextManager[None]],
        now: Callable[[], float],
        timeout: float,
    ) -> None:
        self._store, self._agreed, self._went_back = store, agreed, went_back
        self._renewing, self._refused, self._turn = renewing, refused, turn
        self._now, self._timeout = now, timeout
        self._refusals: dict[str, frozenset[str]] = {}

    async def pay(self, scope: str) -> None:
        """Pay what is due in a scope, all in one write; nothing is written where nothing is due.

        Raises:
            StoreError: something could not be read or written; to be called again.

        """
        renewing = self._renewing(scope)
        if renewing is None:
            return
        after = self._after(await self._look(scope), scope, renewing)
        if after.state is not None:
            if await self._went_back():
                return
            after = await self._write(scope, renewing)
        self._tell(scope, after.refused)

    async def _write(self, scope: str, renewing: Renewing) -> Renewed:
        """Judge and write, anew where somebody else wrote meanwhile; return what stands then."""
        for _ in range(_TRIES):
            async with self._turn(scope):
                snapshot = await self._look(scope)
                after = self._after(snapshot, scope, renewing)
                if after.state is None:
                    return after
                try:
                    await self._store.write(scope, after.state, snapshot.version, self._timeout)
                except Conflict:
                    await self._store.read(scope, self._timeout)
                else:
                    return after
        return self._as_before(scope)

    async def _look(self, scope: str) -> Snapshot:
        return self._store.cached(scope) or await self._store.read(scope, self._timeout)

    def _after(self, snapshot: Snapshot, scope: str, renewing: Renewing) -> Renewed:
        census = self._agreed(snapshot.state, scope)
        if census is None:
            return self._as_before(scope)
        return renewed(snapshot.state, census.stays(scope, ()), renewing, int(self._now()))

    def _as_before(self, scope: str) -> Renewed:
        return Renewed(None, self._refusals.get(scope, frozenset()))

    def _tell(self, scope: str, refused: frozenset[str]) -> None:
        """Tell of what is refused now and was not before, and of what no longer is."""
        changed = refused ^ self._refusals.get(scope, frozenset())
        self._refusals[scope] = refused
        if changed:
            self._refused(changed)
