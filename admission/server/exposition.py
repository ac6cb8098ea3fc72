"""The metrics port: ``GET /metrics`` in plain HTTP, rendered in a thread of its own, one scrape at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from admission.server.answer import Answer, Receive, Scope, Send, deliver, text

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Exposition:
    """An ASGI app over a registry.  A render of some hundred series takes tens of ms: never on the event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        await deliver(await self._answer(scope), send, close=False)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["path"] != "/metrics":
            return text(404, "no such path; metrics are at /metrics", close=True)
        if scope["method"] not in ("GET", "HEAD"):
            return text(405, "send a GET", (b"allow", b"GET, HEAD"), close=True)
        rendered = await asyncio.get_running_loop().run_in_executor(self._thread, generate_latest, self._registry)
        return Answer(200, rendered, ((b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode()),))
