"""A steady stream of requests for pods through the API server, each answer of which is kept.

    with Stream(plane, [Asked(allowed), Asked(denied, "[NotCleared]")], rate=120) as stream:
        ...
    stream.answers

Pods are asked for in turn, by dry runs that reviews see and etcd does not, at the given rate whatever the answers take,
from a thread of its own.  Requests that the API server leaves without an answer for a minute count as unanswered.
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

import aiohttp

from tools.controlplane import ControlPlane
from tools.node.answers import Answer

_TIMEOUT = aiohttp.ClientTimeout(total=60)
_CONNECTIONS = 32
_GONE = 404
_AGAIN_SECONDS = 1.0
_UNDER_WAY = 400
"""Requests under way at once from which on no further one is begun: the API server stands still."""


class Gate(Enum):
    """By what answers are judged."""

    Open = auto()
    """Nothing is enforced: all must be admitted."""
    Turning = auto()
    """It is being closed, or opened: of what the policy refuses, either answer is right."""
    Closed = auto()
    """Each as the policy says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A pod to ask for, and the words by which the policy refuses it; "" where it admits it.

    With `kept` it is no dry run, and deleted at once; what is refused is so created only while the gate is closed, as
    it would hold what others ask for.
    """

    pod: dict[str, Any]
    denial: str = ""
    kept: bool = False

    def wanted(self, begun: Gate, ended: Gate) -> str | None:
        """Return what is right of a request that was begun at one state of the gate and ended at another."""
        if not self.denial or begun is ended is Gate.Open:
            return ""
        return self.denial if begun is ended is Gate.Closed else None


class Stream:
    """Requests from entering the context to leaving it."""

    def __init__(self, plane: ControlPlane, asked: Sequence[Asked], rate: float, gate: Gate = Gate.Closed) -> None:
        self.answers: list[Answer] = []
        self.gate = gate
        """Set it when that changes; what is under way then is right either way."""
        self.late = 0.0
        """The most seconds by which the stream itself was behind its rate: what the machine had no time for."""
        self._server, self._asked, self._interval = plane.server, asked, 1 / rate
        self._context = ssl.create_default_context(cafile=str(plane.ca))
        client = plane.kubeconfig.parent
        self._context.load_cert_chain(client / "tls.crt", client / "tls.key")
        self._ending, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Begin no request meanwhile; those under way go on."""
        self._going.clear()
        try:
            yield
        finally:
            self._going.set()

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=_CONNECTIONS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session,
            asyncio.TaskGroup() as group,
        ):
            due, number = time.monotonic(), 0
            under_way = set[asyncio.Task[None]]()
            while not self._ending.is_set():
                if not self._going.is_set():
                    await asyncio.sleep(self._interval)
                    due = time.monotonic()
                    continue
                if len(under_way) < _UNDER_WAY:
                    task = group.create_task(self._ask(session, self._asked[number % len(self._asked)], number))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                    number += 1
                due += self._interval
                self.late = max(self.late, time.monotonic() - due)
                await asyncio.sleep(max(0, due - time.monotonic()))

    async def _ask(self, session: aiohttp.ClientSession, asked: Asked, number: int) -> None:
        metadata = {**asked.pod["metadata"], "name": f"{asked.pod['metadata']['name']}-{number}"}
        url = f"{self._server}/api/v1/namespaces/{metadata['namespace']}/pods"
        begun, gate = time.monotonic(), self.gate
        kept = asked.kept and (not asked.denial or gate is Gate.Closed)
        try:
            query = {} if kept else {"dryRun": "All"}
            async with session.post(url, params=query, json={**asked.pod, "metadata": metadata}) as response:
                status, text = response.status, await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            status, text = 0, json.dumps({"message": f"{type(error).__name__}: {error}"})
        message = "" if status < 300 else _message(text)  # noqa: PLR2004  success
        self.answers.append(Answer(begun, time.monotonic(), asked.wanted(gate, self.gate), status, message))
        if kept:
            await self._delete(session, f"{url}/{metadata['name']}")

    async def _delete(self, session: aiohttp.ClientSession, url: str) -> None:
        """Delete what was created, however its creation was answered, until the API server says that it is gone."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with session.delete(url, params={"gracePeriodSeconds": "0"}) as response:
                    if response.status == _GONE:
                        return
            await asyncio.sleep(_AGAIN_SECONDS)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:500]
