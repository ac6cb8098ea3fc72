"""The archive of hours and whoever keeps it, when etcd is restored beneath a process that runs on."""

from __future__ import annotations

import asyncio

from admission.ledger.archive import Archivist, archive_of
from admission.ledger.hours import HOUR, Terms
from admission.ledger.memory import MemoryStore
from admission.ledger.state import Hours, State

DAY = 86_400
ACCOUNT = ("acme", "h100")
TERMS = Terms(frozenset({DAY}))


async def _spent(store: MemoryStore, seconds: int) -> None:
    """Let the ledger and its archive be as in a backup, in which so much is spent and nothing archived."""
    ledger = State(initialized=True, hours=Hours(spent={(*ACCOUNT, 0): seconds}))
    for scope, state in (("CN", ledger), (archive_of("CN"), State())):
        found = await store.read(scope, 1)
        await store.write(scope, state, found.version, 1)


def test_what_is_known_of_an_archive_from_before_a_restore_is_not_summed_up() -> None:
    """Two archives that differ may bear the same number, as numbers are given out again."""
    store, hour = MemoryStore(initialized=True), [1]

    async def run() -> State:
        ran_on, fresh = (
            Archivist(store, now=lambda: hour[0] * HOUR, clock=lambda: 0.0, timeout=1, between=60) for _ in range(2)
        )
        await _spent(store, 52)
        await ran_on.follow("CN", TERMS)
        await _spent(store, 91)
        await fresh.follow("CN", TERMS)
        hour[0] += 1
        await ran_on.follow("CN", TERMS)
        return (await store.read("CN", 1)).state

    assert asyncio.run(run()).hours.used(DAY) == [(ACCOUNT, 91)]
