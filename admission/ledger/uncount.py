"""Marks ledgers as not counted: what a replica does first that finds the store to be a restored backup."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from admission.ledger.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.ledger.store import Store

_TRIES = 20
_PAUSE = 0.1  # seconds


async def uncount(store: Store, scope: str, timeout: float) -> None:  # noqa: ASYNC109 (passed on to the store)
    """Mark one ledger, so that no replica grants on it until it was counted anew.

    Raises:
        StoreError: it could not be read or written; another writer may have been first.

    """
    snapshot = await store.read(scope, timeout)
    if snapshot.state.initialized:
        state = dataclasses.replace(snapshot.state, initialized=False)
        await store.write(scope, state, snapshot.version, timeout)


async def uncount_all(store: Store, scopes: Iterable[str], timeout: float) -> None:  # noqa: ASYNC109 (likewise)
    """Mark ledgers, each tried often enough to win over writers under load; what fails still is left to the leader."""
    for scope in scopes:
        for _ in range(_TRIES):
            with contextlib.suppress(StoreError):
                await uncount(store, scope, timeout)
                break
            await asyncio.sleep(_PAUSE)
