"""A collection read once, page by page: no more than one page is held at a time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError, ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from admission.cluster.client import Client

PAGE = 100
"""Objects in one page."""

_page = msgspec.json.Decoder(wire.Page)


async def pages(
    client: Client, path: str, query: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[msgspec.Raw, ...]]:
    """Yield the objects of a collection, undecoded; nothing of a collection that the cluster does not serve.

    Raises ``ClusterError``, also when the list outlives what the API server keeps of it (about five minutes).
    """
    asked = {**(query or {}), "limit": str(PAGE)}
    while True:
        try:
            page = _page.decode(await client.get(path, asked))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return
            raise
        except msgspec.MsgspecError as error:
            raise ClusterError(f"{path}: not what a Kubernetes API server sends: {error}") from error
        yield page.items or ()
        if not page.metadata.continue_:
            return
        asked["continue"] = page.metadata.continue_
