"""Use over time where nothing watches the objects: what is in flight is what exists, since it was reserved.

What ended is spent as it is released (``draft``); here it goes into the archive, so that a window can leave it behind,
and the groups' continuous holds are followed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.ledger.archive import Archivist
from admission.ledger.hours import Stay, held_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.hours import Terms
    from admission.ledger.state import Entry, State
    from admission.ledger.store import Store


class Keeper:
    """Keeps the hours of a store's ledgers; ``now`` gives unix seconds, ``clock`` monotonic ones."""

    def __init__(
        self, store: Store, *, now: Callable[[], float], clock: Callable[[], float], timeout: float, between: float
    ) -> None:
        self._store, self._now, self._timeout = store, now, timeout
        self._archivist = Archivist(store, now=now, clock=clock, timeout=timeout, between=between)

    async def follow(self, scope: str, terms: Terms) -> None:
        """Bring the hours of a scope up to now; idle scopes are not written.

        Raises:
            StoreError: something could not be read or written; to be called again.

        """
        snapshot = self._store.cached(scope) or await self._store.read(scope, self._timeout)
        state = _holding(snapshot.state, terms, int(self._now()))
        if snapshot.state.initialized and state != snapshot.state:
            await self._store.write(scope, state, snapshot.version, self._timeout)
        if terms.windows:
            await self._archivist.follow(scope, terms)


def _holding(state: State, terms: Terms, now: int) -> State:
    """Return the state with the holds that its entries go on with."""
    stays = [_stay(entry) for entry in state.inflight.values()] if terms.gap is not None else ()
    return state.following(dataclasses.replace(state.hours, holds=held_on(state.hours, stays, terms.gap, now)))


def _stay(entry: Entry) -> Stay:
    charge = entry.charge
    return Stay(entry.uid, charge.party, charge.group, charge.counts, charge.seconds, entry.reserved_at)
