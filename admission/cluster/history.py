"""What happened to a collection between two of its resourceVersions, for as long as the API server remembers it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError, Unreachable
from admission.cluster.decoding import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from admission.cluster.client import Client

PATIENCE = 75.0
"""Seconds for an event or a bookmark at ``until`` to come; bookmarks come every minute, and before a watch ends."""

_WATCH_SECONDS = 3
_GRACE = 5.0

_line = Decoder(wire.WatchLine)
_status = Decoder(wire.Status)
_identified = Decoder(wire.Identified)


async def changes(client: Client, path: str, after: int, until: int) -> AsyncIterator[tuple[str, bytes]]:
    """Yield type and object of each change with ``after < resourceVersion <= until``, in order.

    Raises:
        ApiError: 410 where the API server does not remember ``after`` any more.
        Unreachable: the watch broke; or nothing has told within PATIENCE seconds that ``until`` is reached.
    """
    ends = asyncio.get_running_loop().time() + PATIENCE
    version = after
    while version < until:
        if asyncio.get_running_loop().time() > ends:
            raise Unreachable(f"{path}: nothing was heard of version {until}")
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with client.stream(path, query, _WATCH_SECONDS + _GRACE) as lines:
            async for line in lines:
                kind, raw, version = _read(line)
                if version > until:
                    return
                if kind != "BOOKMARK":
                    yield kind, raw
                if version == until:
                    return


def _read(line: bytes) -> tuple[str, bytes, int]:
    try:
        event = _line.decode(line)
        raw = bytes(event.object)
        if event.type == "ERROR":
            status = _status.decode(raw)
            raise ApiError(status.code or 0, status.reason or "", status.message or "")
        return event.type, raw, int(_identified.decode(raw).metadata.resource_version)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unreachable(f"not what a Kubernetes API server sends: {error}") from error
