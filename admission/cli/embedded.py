"""The ledger of one run of ``check``: in this process's memory, counting from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.draft import UNWATCHED
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.ledger.state import State

if TYPE_CHECKING:
    from admission.ledger.store import Snapshot


def embedded_ledger() -> Ledger:
    """Return a ledger in which every scope stands, empty, from the start."""
    return Ledger(_Standing(initialized=True), caps=UNWATCHED)


class _Standing(MemoryStore):
    """A store whose scopes need not be reserved in before they can be looked at (dry runs, observed namespaces)."""

    def cached(self, scope: str) -> Snapshot:
        """Return what stands; nothing held where nothing was written."""
        return super().cached(scope) or self._put(scope, State(initialized=True))
