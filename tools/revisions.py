"""Every change that etcd made, one after the other in its own order.

A watch of the API server may leave out states that are gone by the time it looks; etcd's own watch leaves out none.
It is read through the JSON gateway on etcd's client port, over all keys, so that each revision shows.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ALL = base64.b64encode(b"\0").decode()  # as first key and as range end: every key
_UNBOUNDED = aiohttp.ClientTimeout(total=None)


class HistoryLost(RuntimeError):  # noqa: N818 (what became of it)
    """Revisions are missing: etcd compacted what was not read yet, or ended the watch."""


class Change(NamedTuple):
    """A key's new value, or None where it was deleted, at a revision; one revision may change several keys."""

    revision: int
    key: str
    value: bytes | None


class _Pair(msgspec.Struct):
    key: bytes
    mod_revision: str
    value: bytes = b""


class _Event(msgspec.Struct):
    kv: _Pair
    type: str = "PUT"


class _Result(msgspec.Struct):
    events: list[_Event] = []
    canceled: bool = False
    compact_revision: str = "0"


class _Line(msgspec.Struct):
    result: _Result | None = None


_line = msgspec.json.Decoder(_Line)


async def newest(etcd: str) -> int:
    """Return the revision at which etcd is now."""
    asked = {"key": _ALL, "range_end": _ALL, "count_only": True}
    async with (
        aiohttp.ClientSession(timeout=_UNBOUNDED) as session,
        session.post(f"{etcd}/v3/kv/range", json=asked) as answer,
    ):
        return int((await answer.json())["header"]["revision"])


async def changes(etcd: str, since: int = 1) -> AsyncIterator[Change]:
    """Yield every change from a revision on, for ever; while etcd stands still, so does this.

    Raises:
        HistoryLost: it cannot go on without a gap.

    """
    wanted: dict[str, Any] = {"key": _ALL, "range_end": _ALL, "start_revision": since, "fragment": True}
    async with (
        aiohttp.ClientSession(timeout=_UNBOUNDED) as session,
        session.post(f"{etcd}/v3/watch", json={"create_request": wanted}) as answer,
    ):
        async for line in _lines(answer.content):
            result = _line.decode(line).result
            if result is None or result.canceled:
                raise HistoryLost(line[:500].decode(errors="replace"))
            for event in result.events:
                value = None if event.type == "DELETE" else event.kv.value
                yield Change(int(event.kv.mod_revision), event.kv.key.decode(), value)
            await asyncio.sleep(0)  # a long backlog must not hold up whoever shares the loop
    raise HistoryLost("etcd ended the watch")


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
