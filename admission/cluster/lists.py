"""A collection read once, page by page: no more than one page is held at a time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError, ClusterError
from admission.cluster.decoding import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from admission.cluster.client import Client

PAGE = 100
"""Objects in one page."""

_page = Decoder(wire.Page)


async def pages(
    client: Client, path: str, query: Mapping[str, str] | None = None, *, size: int = PAGE, onward: bool = False
) -> AsyncIterator[tuple[msgspec.Raw, ...]]:
    """Yield the objects of a collection, undecoded; nothing of a collection that the cluster does not serve.

    A list that outlives what the API server keeps of it (five to ten minutes) ends with ``ClusterError``, as all that
    goes wrong; or, ``onward``, goes on by what is there then.  Either way each object comes once at most, and in the
    order of namespaces and names; what came or went meanwhile may be missing.
    """
    asked = {**(query or {}), "limit": str(size)}
    outlived = False
    while True:
        try:
            page = _page.decode(await client.get(path, asked))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return
            if not onward or outlived or error.status != HTTPStatus.GONE or not error.rest:
                raise
            asked["continue"], outlived = error.rest, True
            continue
        except msgspec.MsgspecError as error:
            raise ClusterError(f"{path}: not what a Kubernetes API server sends: {error}") from error
        outlived = False
        yield page.items or ()
        if not page.metadata.continue_:
            return
        asked["continue"] = page.metadata.continue_
