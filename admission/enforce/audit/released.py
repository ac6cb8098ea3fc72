"""Whether an upgrade is under way that takes the place of this replica.

Each pod of the release has its settings in an annotation, and in these the digest of what its release installed.  Who
may write pods in the release's namespace can forge that; they can also replace the server.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from admission.cluster.lists import pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.cluster.client import Client

ROLL = dt.timedelta(minutes=15)
"""Longer than the replicas of a Deployment take to be replaced."""

_CONFIG = "computegate.io/config"


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    creation_timestamp: dt.datetime
    annotations: dict[str, str] = {}


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Metadata


_decode = msgspec.json.Decoder(_Pod).decode


async def is_replaced(client: Client, namespace: str, given: Callable[[str], bool], now: dt.datetime) -> bool:
    """Whether pods of the namespace were made lately that were ``given`` certain settings; raises ``ClusterError``."""
    async for page in pages(client, f"/api/v1/namespaces/{namespace}/pods"):
        for made in (_decode(raw).metadata for raw in page):
            if given(made.annotations.get(_CONFIG, "")) and now - made.creation_timestamp < ROLL:
                return True
    return False
