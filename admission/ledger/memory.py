"""Ledgers in this process's memory: for one run of a command, and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.state import State
from admission.ledger.store import Conflict, Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection


class MemoryStore:
    """A store that lives and dies with the process.

    ``initialized`` says whether a new ledger counts from nothing at once: right where nothing can exist
    that was admitted without it.
    """

    def __init__(self, *, initialized: bool) -> None:
        self._initialized = initialized
        self._snapshots: dict[str, Snapshot] = {}
        self._version = 0

    def scopes(self) -> Collection[str]:
        """Return the scopes read or written so far."""
        return tuple(self._snapshots)

    def cached(self, scope: str) -> Snapshot | None:
        """Return what stands."""
        return self._snapshots.get(scope)

    def forget(self) -> None:
        """Do nothing: what stands here is the store itself."""

    async def read(self, scope: str, timeout: float) -> Snapshot:  # noqa: ARG002, ASYNC109 (the interface's)
        """Return what stands; a missing ledger is created."""
        if scope not in self._snapshots:
            return self._put(scope, State(initialized=self._initialized))
        return self._snapshots[scope]

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ARG002, ASYNC109 (likewise)
        """Replace what stands at ``version``.

        Raises:
            Conflict: another version stands, or none.

        """
        found = self._snapshots.get(scope)
        if found is None or found.version != version:
            raise Conflict(scope)
        return self._put(scope, state)

    def _put(self, scope: str, state: State) -> Snapshot:
        self._version += 1
        self._snapshots[scope] = Snapshot(self._version, state)
        return self._snapshots[scope]
