"""Finds the Workload by which Kueue queues something: what it has admitted it starts again, whoever suspends it.

Kueue makes one for each Job, JobSet or the like, which owns it.  Set to inactive, it is evicted, and not queued anew.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cluster import lists
from admission.cluster.client import ApiError, ClusterError
from admission.cluster.decoding import Decoder
from admission.review.pod import Meta

if TYPE_CHECKING:
    from admission.cluster.client import Client

_GROUP = "/apis/kueue.x-k8s.io"


class _Preferred(msgspec.Struct, frozen=True):
    version: str


class _Group(msgspec.Struct, frozen=True, rename="camel"):
    preferred_version: _Preferred


class _Spec(msgspec.Struct, frozen=True):
    active: bool | None = None


class Workload(msgspec.Struct, frozen=True):
    """What Kueue decides about."""

    metadata: Meta = Meta()
    spec: _Spec = _Spec()


class Queued(NamedTuple):
    """A Workload, and its path."""

    path: str
    workload: Workload

    @property
    def active(self) -> bool:
        """Whether Kueue admits it, or tries to."""
        return self.workload.spec.active is not False


_group = Decoder(_Group)
_workload = Decoder(Workload)


async def queued(client: Client, namespace: str, owner: str) -> Queued | None:
    """Return the Workload that an object of this uid owns; None without one, or without Kueue.

    In the version that the API server prefers: Kueue has renamed it before, and serves the older ones for a while.
    Raises ``ClusterError``.
    """
    version = await _version(client)
    if version is None:
        return None
    collection = f"{_GROUP}/{version}/namespaces/{namespace}/workloads"
    async for page in lists.pages(client, collection):
        for raw in page:
            workload = _read(raw, collection)
            if any(each.uid == owner for each in workload.metadata.owner_references or ()):
                return Queued(f"{collection}/{workload.metadata.name}", workload)
    return None


def _read(raw: msgspec.Raw, collection: str) -> Workload:
    try:
        return _workload.decode(raw)
    except msgspec.MsgspecError as error:
        raise ClusterError(f"{collection}: {error}") from error


async def _version(client: Client) -> str | None:
    try:
        return _group.decode(await client.get(_GROUP)).preferred_version.version
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    except msgspec.MsgspecError as error:
        raise ClusterError(f"{_GROUP}: {error}") from error
