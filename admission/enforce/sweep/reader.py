"""Reads the pods that run, page by page, and has each judged: no more than one page is held at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import cachetools
import msgspec

from admission.cluster import lists
from admission.cluster.client import ClusterError
from admission.cluster.decoding import Decoder
from admission.enforce.sweep.found import Found
from admission.ledger.seen import ENDED
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from admission.cluster.client import Client
    from admission.review.reasons import Reason

PODS = "/api/v1/pods"

PAGE = 500
"""Pods in one page of the API server: a hundred thousand are read in two hundred requests."""

PART = 100
"""Pods that are judged between two looks at what decides."""

_REMEMBERED = 1000  # pods of which it was said that they cannot be judged
_BATCH = 10  # pods between two turns of the loop: each takes 50 to 300 us

logger = logging.getLogger(__name__)


class Reviewed(NamedTuple):
    """What a pod that runs would be told now."""

    reasons: frozenset[Reason] = frozenset()
    controlled: bool = False
    """Whether it may have controlled accelerators."""


if TYPE_CHECKING:
    Review = Callable[[Pod], Awaitable[Reviewed | None]]
    """Judges a pod; None where nobody can tell now."""

_pods = Decoder(Pod)


def of_namespace(namespace: str) -> str:
    """Return the path of a namespace's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


class Reader:
    """Reads and judges; ``on_begin`` is told of each namespace before the first of its pods is judged.

    All raise ``ClusterError``.
    """

    def __init__(
        self, client: Client, review: Review, excluded: Collection[str], on_begin: Callable[[str], None]
    ) -> None:
        self._client, self._review = client, review
        self._excluded, self._on_begin = frozenset(excluded), on_begin
        self._said: cachetools.LRUCache[str, None] = cachetools.LRUCache(_REMEMBERED)
        self.judged = Counter(allowed=0, denied=0, untold=0)
        """Pods that were judged, by what came of it."""
        self.calls = 0
        """Pages that were asked for."""

    async def live(self, path: str) -> AsyncIterator[list[Pod]]:
        """Yield the pods that have not ended, some at a time, without those of excluded namespaces."""
        async for page in lists.pages(self._client, path, size=PAGE, onward=True):
            self.calls += 1
            for first in range(0, max(1, len(page)), PART):
                yield [pod async for pod in self._decoded(page[first : first + PART])]

    async def _decoded(self, page: Sequence[msgspec.Raw]) -> AsyncIterator[Pod]:
        for count, pod in enumerate(map(_read, page), 1):
            if pod and pod.status.phase not in ENDED and pod.metadata.namespace not in self._excluded:
                yield pod
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    async def review(self, pod: Pod) -> Reviewed | None:
        """Return what a pod would be told now; None where nobody can tell, whatever it is of this pod that breaks."""
        reviewed = await self._reviewed(pod)
        self.judged["untold" if reviewed is None else "denied" if reviewed.reasons else "allowed"] += 1
        return reviewed

    async def _reviewed(self, pod: Pod) -> Reviewed | None:
        try:
            return await self._review(pod)
        except ClusterError:
            raise
        except Exception:
            meta = pod.metadata
            if meta.uid not in self._said:
                logger.exception("pod %s/%s cannot be judged; the others are", meta.namespace, meta.name)
            self._said[meta.uid] = None
            return None

    async def namespace(self, name: str) -> Found | None:
        """Judge the pods of a namespace; None where nobody can tell now of all of them."""
        self._on_begin(name)
        found: Found | None = Found()
        async for pods in self.live(of_namespace(name)):
            found = await self._count(pods, found)
        return found

    async def every(self) -> AsyncIterator[dict[str, Found | None]]:
        """Judge all pods; yield after each part of a page the namespaces that it completed: they come in order."""
        begun: dict[str, Found | None] = {}
        async for pods in self.live(PODS):
            by_namespace: dict[str, list[Pod]] = {}
            for pod in pods:
                by_namespace.setdefault(pod.metadata.namespace, []).append(pod)
            done = {name: begun.pop(name) for name in tuple(begun) if by_namespace and name not in by_namespace}
            for name, these in by_namespace.items():
                if name not in begun:
                    self._on_begin(name)
                begun[name] = await self._count(these, begun.get(name, Found()))
            yield done
        yield begun

    async def _count(self, pods: list[Pod], found: Found | None) -> Found | None:
        for count, pod in enumerate(pods, 1):
            reviewed = await self.review(pod)
            if reviewed is None or found is None:
                return None
            ends = pod if pod.metadata.deletion_timestamp is not None else None
            found.take(reviewed.reasons, controlled=reviewed.controlled, created=created(pod), ends=ends)
            found.name(reviewed.reasons, pod.metadata.name)
            found.keep(owner.uid for owner in pod.metadata.owner_references or () if owner.controller)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        return found


def created(pod: Pod) -> datetime | None:
    """Return when a pod was created; None where it does not say so."""
    try:
        found = datetime.fromisoformat(pod.metadata.creation_timestamp or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def _read(raw: msgspec.Raw) -> Pod | None:
    """A pod that cannot be read is told of by the census; nothing is done about what nobody can read."""
    try:
        return _pods.decode(raw)
    except msgspec.MsgspecError as error:
        logger.debug("a pod cannot be read: %s", error)
        return None
