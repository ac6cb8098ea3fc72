"""events.k8s.io/v1 Events on our own objects: one for a transition, with a count, never one for each denied pod.

What is denied again and again is one transition for an hour; what ended and began again is told by its caller anew.

Nothing depends on them: recording never blocks and never raises, what cannot be sent is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cachetools
import msgspec

from admission.cluster.client import ClusterError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from admission.cluster.client import Client

CONTROLLER = "computegate.io/webhook"
"""``reportingController`` of every event of ours."""

_CLUSTER_SCOPED = "default"  # the only namespace but kube-system that validation allows for cluster-scoped objects
_LONGEST_NAME = 200  # with "." and 16 digits well under the 253 of an object's name
_LONGEST_NOTE = 1024  # bytes
_LONGEST_WORD = 128  # of reason, action and instance
_MOST_ANEW = 25
"""Events of one transition in a row that are told anew; what goes back and forth for longer only counts."""
_TIMEOUT = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object an event is about."""

    api_version: str
    kind: str
    name: str
    uid: str
    namespace: str = ""


@dataclass(slots=True)
class _Series:
    """What was recorded of one transition in the current window."""

    path: str
    number: int
    """Events that were made of it, this one included."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Message:
    """A request that waits to be sent; ``key`` names its series while it creates the event."""

    method: str
    path: str
    body: bytes
    key: tuple[str, ...] | None


class Events:
    """Records transitions; ``run`` sends them, as a task.

    Args:
        client: the API server.
        instance: this process, such as the pod's name.
        now: wall clock with time zone, for the times people read.
        clock: monotonic seconds.
        window: seconds within which a transition that repeats only counts; the API server keeps an event an hour.
        remembered: transitions held at most; past that the least recently used is forgotten, and may be sent again.
        waiting: requests that wait at most; past that they are dropped.
    """

    def __init__(
        self,
        client: Client,
        instance: str,
        *,
        now: Callable[[], dt.datetime],
        clock: Callable[[], float] = time.monotonic,
        window: float = 3600.0,
        remembered: int = 1000,
        waiting: int = 200,
    ) -> None:
        self._client = client
        self._instance = instance[:_LONGEST_WORD]
        self._now = now
        self._series: cachetools.TTLCache[tuple[str, ...], _Series] = cachetools.TTLCache(
            remembered, window, timer=clock
        )
        self._queue: asyncio.Queue[_Message] = asyncio.Queue(waiting)
        self.sent = 0
        self.repeated = 0
        self.dropped = 0

    def record(
        self,
        regarding: Regarding,
        reason: str,
        note: str,
        *,
        action: str,
        warning: bool = False,
        transition: str = "",
        anew: bool = False,
    ) -> None:
        """Record that ``reason`` holds for an object since now; the same again within the window only counts.

        Args:
            regarding: the object.
            reason: one PascalCase word, why.
            note: one line for a person; cut at 1024 bytes.
            action: one word, what was done: ``Admission``, ``Evaluation``.
            warning: whether the type is Warning rather than Normal.
            transition: tells apart what is one reason but not one case, such as a class.
            anew: whether it had ended since it was recorded last: it is then an event of its own.
        """
        key = (regarding.uid or regarding.name, reason, transition)
        series = self._series.get(key)
        if series is not None and not (anew and series.number < _MOST_ANEW):
            self._repeat(series)
            return
        name = f"{regarding.name[:_LONGEST_NAME].rstrip('.-')}.{uuid.uuid4().hex[:16]}"
        namespace = regarding.namespace or _CLUSTER_SCOPED
        collection = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        self._series[key] = _Series(f"{collection}/{name}", series.number + 1 if series else 1)
        body = self._event(regarding, reason, note, action, warning=warning)
        body["metadata"] = {"name": name, "namespace": namespace}
        self._put(_Message("POST", collection, _encode(body), key))

    async def run(self) -> None:
        """Send what was recorded, one after another, until cancelled."""
        while True:
            message = await self._queue.get()
            patch = message.method == "PATCH"
            content_type = "application/merge-patch+json" if patch else "application/json"
            try:
                await self._client.request(
                    message.method, message.path, body=message.body, content_type=content_type, timeout=_TIMEOUT
                )
            except ClusterError as error:
                logger.warning("an event was dropped: %s", error)
                self._drop(message)
            else:
                self.sent += 1

    def _repeat(self, series: _Series) -> None:
        """Count; the event in the cluster is told at 10, 100, 1000, ..."""
        self.repeated += 1
        series.count += 1
        digits = str(series.count)
        if len(digits) > 1 and digits == f"1{'0' * (len(digits) - 1)}":
            body = {"series": {"count": series.count, "lastObservedTime": self._time()}}
            self._put(_Message("PATCH", series.path, _encode(body), None))

    def _event(self, regarding: Regarding, reason: str, note: str, action: str, *, warning: bool) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "eventTime": self._time(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "type": "Warning" if warning else "Normal",
            "reason": reason[:_LONGEST_WORD],
            "action": action[:_LONGEST_WORD],
            "note": note.encode(errors="replace")[:_LONGEST_NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": regarding.api_version,
                "kind": regarding.kind,
                "name": regarding.name,
                "uid": regarding.uid,
                **({"namespace": regarding.namespace} if regarding.namespace else {}),
            },
        }

    def _time(self) -> str:
        return self._now().isoformat(timespec="microseconds")

    def _put(self, message: _Message) -> None:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._drop(message)

    def _drop(self, message: _Message) -> None:
        self.dropped += 1
        if message.key is not None:
            self._series.pop(message.key, None)  # so that the next one tries again


def _encode(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body)
