"""By a collection that has been silent for too long nothing is decided, nor ended; a quiet one tells so in time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.watches import DECIDING, PATIENCE, Watches
from admission.cluster.client import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

OPTIONAL = ("deviceclasses", "resourceslices")
DECIDES = (
    *("namespaces", "nodes", *OPTIONAL, "quotaledgers", "allowances"),
    *(kind.crd.plural for kind in DECIDING),
)


class Quiet:
    """An API server in which nothing is, and nothing changes: it accepts every watch of what it serves."""

    def __init__(self, *unserved: str) -> None:
        self.unserved = unserved
        self.watched: dict[str, Mapping[str, str]] = {}

    async def request(self, _method: str, path: str, **_: Any) -> bytes:
        if path.rpartition("/")[2] in self.unserved:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return b'{"metadata": {"resourceVersion": "7"}, "items": []}'

    @contextlib.asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], _timeout: float) -> AsyncIterator[AsyncIterator[bytes]]:
        self.watched[path.rpartition("/")[2]] = query
        yield _nothing()


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def made(server: Quiet, stale_seconds: float = 90) -> Watches:
    """Return watches that have not begun."""
    anything: Any = server
    store: Any = _Store()
    return Watches(
        anything,
        anything,
        store,
        anything,
        keys=anything,
        stale_seconds=stale_seconds,
        now=lambda: datetime.now(UTC),
        last_good=anything,
        heed=lambda _: None,
        tell_weaker=lambda _name, _uid: None,
    )


def watching(server: Quiet, stale_seconds: float = 90) -> Watches:
    """Return watches that have begun, and were stopped then."""

    async def begun() -> Watches:
        watches = made(server, stale_seconds)
        tasks = [asyncio.create_task(each.run()) for each in watches.reflectors.values()]
        async with asyncio.timeout(30):
            while watches.unsynced() or len(server.watched) + len(server.unserved) < len(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        return watches

    return asyncio.run(begun())


class _Store:
    def doubt(self) -> None: ...


def test_nothing_is_decided_before_each_collection_was_read() -> None:
    assert set(made(Quiet()).unserving()) == {f"{name} not read yet" for name in DECIDES}


@pytest.mark.parametrize("name", DECIDES)
def test_by_whatever_has_long_been_silent_nothing_is_decided(name: str) -> None:
    watches = watching(Quiet())
    assert watches.reflectors.keys() == set(DECIDES)
    assert (watches.unready(), watches.unserving()) == ("", [])
    silent = watches.reflectors[name]
    silent._heard -= 91
    assert (watches.unready(), watches.unserving()) == (f"nothing heard of {name}", [])
    silent._heard -= 90 * PATIENCE - 90
    assert watches.unserving() == [f"nothing heard of {name}"]


def test_what_the_api_server_does_not_serve_is_not_held_against_it() -> None:
    assert watching(Quiet(*OPTIONAL)).unready() == ""


@pytest.mark.parametrize(("stale_seconds", "longest"), [(90, 60), (6, 4), (3600, 60)])
def test_each_watch_tells_that_nothing_changed_before_that_is_too_old(stale_seconds: float, longest: int) -> None:
    server = Quiet()
    watching(server, stale_seconds)
    assert server.watched.keys() == set(DECIDES)
    for query in server.watched.values():
        assert query["allowWatchBookmarks"] == "true"
        assert longest // 2 <= int(query["timeoutSeconds"]) <= longest
