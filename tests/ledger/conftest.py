"""The backends that the one conformance suite runs against.

A backend is opened afresh for each test; ``replica`` returns a store as another replica would have it,
over the same ledgers.  Another backend needs a line in ``BACKENDS`` and nothing else.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Protocol

import pytest

from admission.ledger.memory import MemoryStore
from admission.ledger.objects import ObjectStore
from tests.ledger.simulation import ApiServer, Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from admission.ledger.store import Store


class Backend(Protocol):
    """Where ledgers are kept, for the length of one test."""

    def replica(self) -> Store:
        """Return a store of another replica."""


class _Memory:
    def __init__(self) -> None:
        self._store = MemoryStore(initialized=False)

    def replica(self) -> Store:
        return self._store


class _Objects:
    def __init__(self) -> None:
        self._server = ApiServer(random.Random(0), Faults(), {})  # noqa: S311 (a trace to repeat, no secret)

    def replica(self) -> Store:
        return ObjectStore(self._server)


@contextlib.asynccontextmanager
async def _memory() -> AsyncIterator[Backend]:
    yield _Memory()


@contextlib.asynccontextmanager
async def _objects() -> AsyncIterator[Backend]:
    yield _Objects()


BACKENDS: dict[str, Callable[[], AbstractAsyncContextManager[Backend]]] = {
    "memory": _memory,
    "objects of a simulated API server": _objects,
}


@pytest.fixture(params=list(BACKENDS.values()), ids=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[Backend]]:
    """Return what opens the backend under test."""
    opener: Callable[[], AbstractAsyncContextManager[Backend]] = request.param
    return opener
