"""Ledgers in which no limit stands any more: of quotas and authorizations that were deleted.

They are followed for a while, as a quota that is replaced is deleted and made again within moments.  Then each is
marked as not counted, once nothing is promised in it, and from then on left alone.  Nothing of it is removed: what was
used, hour by hour, is still there for a quota that is made again; and that quota's ledger is counted anew before it
grants, as one that nobody followed may lack what has come since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.uncount import uncount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from admission.ledger.store import Store


class Retirement:
    """Tells which ledgers are followed.

    ``named`` says of a scope whether some limit stands in it; ``wait`` is for how many seconds by the clock none must.
    """

    def __init__(
        self, store: Store, named: Callable[[str], bool], *, clock: Callable[[], float], wait: float, timeout: float
    ) -> None:
        self._store, self._named = store, named
        self._clock, self._wait, self._timeout = clock, wait, timeout
        self._unnamed: dict[str, float] = {}

    def is_followed(self, scope: str) -> bool:
        """Say whether a ledger is to follow what exists: all but those that nobody asks, and that are not counted."""
        snapshot = self._store.cached(scope)
        return self._named(scope) or snapshot is None or snapshot.state.initialized

    async def retire(self, scopes: Iterable[str]) -> None:
        """Mark those of some followed ledgers in which no limit has stood for long enough.

        Raises:
            StoreError: one could not be written; to be called again.

        """
        now = self._clock()
        self._unnamed = {scope: self._unnamed.get(scope, now) for scope in scopes if not self._named(scope)}
        for scope, since in self._unnamed.items():
            snapshot = self._store.cached(scope)
            if now - since >= self._wait and snapshot is not None and not snapshot.state.inflight:
                await uncount(self._store, scope, self._timeout)
