"""The backends that the one conformance suite runs against.

A backend is opened afresh for each test; ``replica`` returns a store as another replica would have it,
over the same ledgers.  Another backend needs a line in ``BACKENDS`` and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from admission.cluster.client import ApiError, Client
from admission.ledger.database import Database
from admission.ledger.memory import MemoryStore
from admission.ledger.objects import COLLECTION, ObjectStore
from admission.ledger.sqlite import SqliteStore
from tests.ledger.simulation import ApiServer, Faults
from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
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


class _File:
    """Each replica has a connection of its own to one file, as another process would."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.stores: list[SqliteStore] = []

    def replica(self) -> Store:
        self.stores.append(SqliteStore(self._path, initialized=False))
        return self.stores[-1]


class _QuotaLedgers:
    def __init__(self, client: Client) -> None:
        self._client = client

    def replica(self) -> Store:
        return ObjectStore(self._client)


@contextlib.asynccontextmanager
async def _memory() -> AsyncIterator[Backend]:
    yield _Memory()


@contextlib.asynccontextmanager
async def _objects() -> AsyncIterator[Backend]:
    yield _Objects()


@contextlib.asynccontextmanager
async def _sqlite() -> AsyncIterator[Backend]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        Database(path).create()
        file = _File(path)
        yield file
        for store in file.stores:
            await store.close()


@contextlib.asynccontextmanager
async def _quotaledgers(plane: ControlPlane) -> AsyncIterator[Backend]:
    client = await Client.connect(plane.kubeconfig)
    try:
        await client.request("DELETE", COLLECTION)
        yield _QuotaLedgers(client)
    finally:
        await client.close()


@pytest.fixture(scope="session")
def ledger_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own, as every test begins without a ledger; it knows QuotaLedgers and no controllers."""
    with ControlPlane(tmp_path_factory.mktemp("ledger-plane"), controllers=()) as plane:
        kubectl = Kubectl(plane)
        kubectl("apply", "-f", Path("charts/computegate/files/crds/quotaledgers.yaml"))
        kubectl("wait", "--for=condition=Established", "crd/quotaledgers.computegate.io", "--timeout=30s")
        asyncio.run(_served(plane))
        yield plane


async def _served(plane: ControlPlane) -> None:
    """Wait until the API server serves the new kind: it does a moment after it says so."""
    client = await Client.connect(plane.kubeconfig)
    try:
        async with asyncio.timeout(30):
            while not await _lists(client):  # noqa: ASYNC110 (another process decides)
                await asyncio.sleep(0.1)
    finally:
        await client.close()


async def _lists(client: Client) -> bool:
    try:
        await client.get(COLLECTION)
    except ApiError as error:
        if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):  # "storage is (re)initializing"
            raise
        return False
    return True


BACKENDS: dict[str, Callable[[], AbstractAsyncContextManager[Backend]]] = {
    "memory": _memory,
    "file of SQLite": _sqlite,
    "objects of a simulated API server": _objects,
}
REAL = "objects of a real API server"


@pytest.fixture(params=[*BACKENDS, REAL])
def backend(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[Backend]]:
    """Return what opens the backend under test."""
    if request.param == REAL:
        return functools.partial(_quotaledgers, request.getfixturevalue("ledger_plane"))
    return BACKENDS[request.param]
