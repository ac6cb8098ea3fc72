"""The server of a folder with its ledger in this process's memory, for what the rest of it costs.

Usage: inmemory.py ARGUMENTS...

Nothing watches pods here, so the ledger takes into its use what was promised, a few dozen entries at a time, as the
replica that leads does it in a cluster: what a commit costs does not grow with the run.  A write takes no time, so
commits do not gather.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import Counter
from typing import TYPE_CHECKING

from admission.cli import standalone
from admission.cli.main import main
from admission.ledger.accounts import Kept
from admission.ledger.commit import Tuning
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from admission.ledger.state import State
    from admission.ledger.store import Snapshot

_MOST = 32
"""Entries in flight, from which on they are counted as used."""


class Folding(MemoryStore):
    """In place of a ledger's file."""

    problem = ""

    def __init__(self, _path: Path, *, initialized: bool) -> None:
        super().__init__(initialized=initialized)

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109 (the interface's)
        """Replace what stands."""
        return await super().write(scope, _folded(state), version, timeout)

    async def open(self, timeout: float) -> None:  # noqa: ASYNC109 (likewise)
        """Do nothing, like those that follow: there is no file."""

    async def refresh(self, timeout: float) -> None:  # noqa: ASYNC109 (likewise)
        """Do nothing."""

    async def probe(self, timeout: float) -> None:  # noqa: ASYNC109 (likewise)
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


def _folded(state: State) -> State:
    if len(state.inflight) < _MOST:
        return state
    used = Counter(state.used)
    for entry in state.inflight.values():
        for key, count in entry.charge.counts:
            used[entry.charge.party, key] += count
    return dataclasses.replace(state, used=Kept(used, state.used), inflight={})


def run(*arguments: str) -> int:
    """Become the server."""
    at_once = Tuning(pace=lambda _batch, _inflight: 0.0)
    vars(standalone).update(SqliteStore=Folding, Ledger=functools.partial(Ledger, tuning=at_once))
    return main(list(arguments))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
