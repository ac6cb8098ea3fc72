"""A reflector: a copy of one collection of objects, kept current by a paged list and then a watch.

Four rules make the copy one that decisions can rest on.

* The list is a consistent read (no resourceVersion given).  ``resourceVersion=0`` would be cheaper, but may be
  answered from an API server that lags: a revoked clearance could come back (kubernetes/kubernetes#59848).
* An object that cannot be decoded is dropped and reported: unknown is not cleared, and its neighbours stay right.
* After the API server could not be reached the copy is made anew by a list.  It may have come back with a restored
  backup: a watch from a version that this store never had is accepted, and silent until the store gets there.
* ``silence`` says how long nothing was heard; whoever decides sets the bound past which the copy is stale.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from admission.cluster import wire
from admission.cluster.backoff import Backoff
from admission.cluster.change import Added, Deleted, Malformed, Modified
from admission.cluster.client import ApiError, ClusterError, Unreachable
from admission.cluster.decoding import Decoder
from admission.cluster.envelope import UndecodableError, decode_envelope, decoder_of, identity_of, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.cluster.change import Event
    from admission.cluster.client import Client

T = TypeVar("T")

PAGE_TIMEOUT = 30.0
"""Seconds for one page of a list."""

WATCH_GRACE = 5.0
"""Seconds a watch may outlive the end that the API server was asked for, before we call it dead."""

_STEADY = 1.0  # seconds after which a watch that ends by itself is not a failure
_BATCH = 20  # objects between two turns of the loop: 20 x 30 us for a struct, 20 x 200 us for a pydantic model
_LONGEST_ERROR = 500

_page = Decoder(wire.Page)
_line = Decoder(wire.WatchLine)
_status = Decoder(wire.Status)

logger = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """Keeps ``items`` equal to the collection at ``path``; run it as one task on the loop that reads it.

    Args:
        client: the API server.
        path: the collection, such as ``/api/v1/namespaces``.
        decoder: a msgspec struct, or a callable from an object's bytes; whatever it raises makes it Malformed.
        on_change: called for every change, after ``items`` has it.  It must not block nor raise: an exception
            ends ``run``.  During a relist deletions come last, so a sum over the items never misses a live one.
        on_cut: called when the API server could not be reached: what is held may be of a history that is no more.
        query: further parameters of list and watch, such as ``labelSelector``.
        optional: the API server may not serve the resource: the collection is then empty, and asked for again as often
            as a watch would end.
        server_timeout: seconds after which the API server ends a watch, drawn from this range each time.
        page: objects in one page of a list.
        clock: monotonic seconds.
        uniform: a draw from a range, for time-outs and back-off.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        decoder: type[T] | Callable[[bytes], T],
        *,
        on_change: Callable[[Event[T]], None] | None = None,
        on_cut: Callable[[], None] | None = None,
        query: Mapping[str, str] | None = None,
        optional: bool = False,
        server_timeout: tuple[float, float] = (30.0, 60.0),
        page: int = 100,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._client = client
        self.path = path
        self._decode = decoder_of(decoder)
        self._on_change = on_change or (lambda _: None)
        self._on_cut = on_cut or (lambda: None)
        self._query = dict(query or {})
        self._optional = optional
        self._server_timeout = server_timeout
        self._page = page
        self._clock = clock
        self._uniform = uniform
        self._backoff = Backoff(uniform)
        self._items: dict[str, T] = {}
        self._identities: dict[str, wire.Identity] = {}
        self._malformed: dict[str, str] = {}
        self._listed = False
        self._synced = asyncio.Event()
        self._heard = clock()
        self.resource_version = 0
        self.relists = 0

    @property
    def items(self) -> Mapping[str, T]:
        """The objects by ``namespace/name`` or ``name``.  While a relist runs, old and new ones stand together."""
        return self._items

    @property
    def malformed(self) -> Mapping[str, str]:
        """Why an object that exists is not in ``items``, by key."""
        return self._malformed

    @property
    def synced(self) -> bool:
        """Whether one list has been complete; stays true for ever."""
        return self._synced.is_set()

    @property
    def settled(self) -> bool:
        """Whether ``items`` are those of ``resource_version``: false while a list or relist runs."""
        return self._listed

    async def wait_synced(self) -> None:
        """Return when ``synced`` is true."""
        await self._synced.wait()

    def silence(self) -> float:
        """Seconds since a page, a watch line, or the API server's acceptance of a watch."""
        return self._clock() - self._heard

    async def run(self) -> None:
        """List, then watch, until cancelled; every failure is waited out with a growing, random pause."""
        while True:
            try:
                if not self._listed:
                    await self._list()
                await self._watch()
            except ClusterError as error:
                if self._optional and isinstance(error, ApiError) and error.status == HTTPStatus.NOT_FOUND:
                    await self._do_without()
                else:
                    await self._recover(error)

    async def _do_without(self) -> None:
        """The resource is not served: nothing of it exists.  A list that finds it later begins as the first one did."""
        await self._drop_unseen(set(), self.resource_version)
        self._listed, self._heard = True, self._clock()
        self._synced.set()
        await asyncio.sleep(self._uniform(*self._server_timeout))
        self._listed = False

    async def _recover(self, error: ClusterError) -> None:
        gone = isinstance(error, ApiError) and error.status == HTTPStatus.GONE
        if gone or isinstance(error, UndecodableError):
            self._listed = False
        elif _is_cut(error):
            self._doubt()
        delay = self._backoff.delay(error.retry_after if isinstance(error, ApiError) else None)
        # An expired resourceVersion is ordinary: etcd keeps five minutes of history.
        logger.log(logging.INFO if gone else logging.WARNING, "%s: %s; next try in %.1f s", self.path, error, delay)
        await asyncio.sleep(delay)

    def _doubt(self) -> None:
        """Have everything listed and decoded anew: a restored store gives the same versions to other contents."""
        self._listed = False
        self._identities = {
            key: msgspec.structs.replace(known, resource_version="") for key, known in self._identities.items()
        }
        self._on_cut()

    async def _list(self) -> None:
        """Read every page of one snapshot; what it does not name is deleted at the end."""
        seen: set[str] = set()
        query = {**self._query, "limit": str(self._page)}
        while True:
            raw = await self._client.request("GET", self.path, query=query, timeout=PAGE_TIMEOUT)
            page = decode_envelope(_page, raw)
            self._heard = self._clock()
            seen.update(await self._take_page(page.items or ()))
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        version = version_of(page.metadata.resource_version)
        await self._drop_unseen(seen, version)
        self.resource_version = version
        self.relists += self.synced
        self._listed = True
        self._synced.set()

    async def _take_page(self, items: tuple[msgspec.Raw, ...]) -> list[str]:
        keys = []
        for count, item in enumerate(items, 1):
            raw = bytes(item)
            identity = identity_of(raw)
            keys.append(identity.key)
            self._store(identity, raw)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        return keys

    async def _drop_unseen(self, seen: set[str], version: int) -> None:
        for count, key in enumerate(self._identities.keys() - seen, 1):
            self._remove(key, version)
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    async def _watch(self) -> None:
        """Follow changes from ``resource_version`` until the API server ends the watch."""
        seconds = int(self._uniform(*self._server_timeout))
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self.resource_version),
            "timeoutSeconds": str(max(1, seconds)),
        }
        began, count = self._clock(), 0
        async with self._client.stream(self.path, query, seconds + WATCH_GRACE) as lines:
            self._heard = self._clock()
            async for line in lines:
                count += 1
                self._heard = self._clock()
                self._take_line(line)
                self._backoff.reset()
                if count % _BATCH == 0:  # a burst is read without one turn of the loop
                    await asyncio.sleep(0)
        if count == 0 and self._clock() - began < _STEADY:
            raise Unreachable("the watch ended at once")
        self._backoff.reset()

    def _take_line(self, line: bytes) -> None:
        event = decode_envelope(_line, line)
        raw = bytes(event.object)
        if event.type == "ERROR":
            status = decode_envelope(_status, raw)
            raise ApiError(status.code or 0, status.reason or "", status.message or "")
        identity = identity_of(raw)
        version = version_of(identity.resource_version)
        if event.type == "DELETED":
            self._remove(identity.key, version)
        elif event.type != "BOOKMARK":
            self._store(identity, raw)
        self.resource_version = version

    def _store(self, identity: wire.Identity, raw: bytes) -> None:
        """Hold one version of an object, unless it is held already."""
        key, known = identity.key, self._identities.get(identity.key)
        if known == identity:
            return
        if known is not None and known.uid != identity.uid:
            # Deleted and made again while we did not look: two objects, two events.
            self._remove(key, version_of(identity.resource_version))
        self._identities[key] = identity
        try:
            item = self._decode(raw)
        except Exception as error:  # noqa: BLE001  (whatever a decoder makes of one object, the others go on)
            self._reject(key, f"{type(error).__name__}: {error}"[:_LONGEST_ERROR])
            return
        self._malformed.pop(key, None)
        old = self._items.get(key)
        self._items[key] = item
        self._on_change(Added(key, item) if old is None else Modified(key, item, old))

    def _reject(self, key: str, error: str) -> None:
        self._malformed[key] = error
        self._on_change(Malformed(key, error, self._items.pop(key, None)))

    def _remove(self, key: str, version: int) -> None:
        if self._identities.pop(key, None) is not None:
            self._malformed.pop(key, None)
            self._on_change(Deleted(key, self._items.pop(key, None), version))


def _is_cut(error: ClusterError) -> bool:
    """Say whether the API server, or what stands before it, may have been away."""
    return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR if isinstance(error, ApiError) else True
