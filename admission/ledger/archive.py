"""Keeps what was used, hour by hour, beside the ledger: too much to be rewritten with every reservation.

The archive of a scope is a ledger of its own, in the same store.  What is spent moves there in two writes, the
archive's first: each raises the same number by one, so that whoever finds them one apart makes the second write and
no other.  Meanwhile the ledger still counts what it has moved, and nobody decides by the archive.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from admission.ledger.hours import HOUR, after_archiving, archived, replaced
from admission.ledger.state import Hours, State
from admission.ledger.store import Conflict, Failed, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.hours import Terms
    from admission.ledger.store import Snapshot, Store

_NAME = re.compile(r"hours-[0-9a-f]{16}")


def archive_of(scope: str) -> str:
    """Return the name of a scope's archive."""
    return f"hours-{hashlib.sha256(scope.encode()).hexdigest()[:16]}"


def is_archive(scope: str) -> bool:
    """Say whether this is the name of an archive."""
    return _NAME.fullmatch(scope) is not None


class Archivist:
    """Moves spent hours into archives, and sums up what each window still reaches.

    ``now`` gives unix seconds, ``clock`` monotonic ones; ``between`` is how far apart two moves of a scope are.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], float], clock: Callable[[], float], timeout: float, between: float
    ) -> None:
        self._store, self._now, self._clock = store, now, clock
        self._timeout, self._between = timeout, between
        self._known: dict[str, Snapshot] = {}
        self._moved: dict[str, float] = {}
        self._summed: dict[str, tuple[object, ...]] = {}

    async def read(self, scope: str) -> Hours:
        """Return what stands in a scope's archive now.

        Raises:
            StoreError: it could not be read.

        """
        name = archive_of(scope)
        self._known[scope] = snapshot = await self._store.read(name, self._timeout)
        return snapshot.state.hours

    async def follow(self, scope: str, terms: Terms) -> None:
        """Move what is spent, at times, and make the sums those of this hour.

        Raises:
            StoreError: something could not be read or written; to be called again.

        """
        snapshot = self._store.cached(scope) or await self._store.read(scope, self._timeout)
        if scope not in self._known:
            await self.read(scope)
        archive = await self._moving(scope, snapshot.state.hours, terms)
        basis = (self._known[scope].version, snapshot.state.hours.archived, int(self._now()) // HOUR, terms.windows)
        if self._summed.get(scope) != basis:
            archive = await self.read(scope)  # what is known may be of before a restore, under the same number
            await self._sum_up(scope, archive, terms)
            self._summed[scope] = (basis[0], archive.archived, *basis[2:])

    async def _moving(self, scope: str, hours: Hours, terms: Terms) -> Hours:
        """Return the archive, with what is spent moved there where it is time and nothing is half-way."""
        known = self._known[scope]
        if known.fault is Fault.NEWER:
            raise Failed(f"{archive_of(scope)}: a newer version wrote it")
        archive = known.state.hours
        if archive.archived < hours.archived or known.fault is Fault.CORRUPT:
            return await self._write(scope, replaced(hours, int(self._now())))
        waited = self._clock() - self._moved.get(scope, float("-inf"))
        if not hours.spent or archive.archived != hours.archived or waited < self._between:
            return archive
        self._moved[scope] = self._clock()
        return await self._write(scope, archived(archive, hours, terms.windows, int(self._now())))

    async def _write(self, scope: str, hours: Hours) -> Hours:
        """Write an archive; whatever comes out but success, it is read anew before anything else is done."""
        known = self._known.pop(scope)
        state = State(initialized=True, hours=hours)
        self._known[scope] = await self._store.write(archive_of(scope), state, known.version, self._timeout)
        return hours

    async def _sum_up(self, scope: str, archive: Hours, terms: Terms) -> None:
        while True:
            snapshot = await self._store.read(scope, self._timeout)
            if not snapshot.state.initialized or snapshot.state.hours.archived > archive.archived:
                self._known.pop(scope, None)
                return
            hours = after_archiving(snapshot.state.hours, archive, terms.windows, int(self._now()))
            if hours == snapshot.state.hours:
                return
            try:
                await self._store.write(scope, snapshot.state.following(hours), snapshot.version, self._timeout)
            except Conflict:
                continue
            return
