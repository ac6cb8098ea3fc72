"""One connection: uvicorn's HTTP/1.1 protocol with the time-outs and the bound on headers that it lacks.

uvicorn alone waits for ever for the rest of a request.  Here every state in which the client is to act has
a deadline, which the listener compares with the clock now and then; no timer is armed per request.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import uvicorn
    from uvicorn.server import ServerState

    from admission.server.config import Counts, Limits

_SPARE_SECONDS = 1.0


class Connection(HttpToolsProtocol):
    """One connection of a listener; ``on_close`` is called once when it has ended."""

    def __init__(
        self,
        config: uvicorn.Config,
        state: ServerState,
        *,
        limits: Limits,
        counts: Counts,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._limits, self._counts, self._on_close = limits, counts, on_close
        self._awaiting = "head"
        self._deadline = math.inf
        self._head_bytes = 0
        self._unread_since = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first request, for long, as clients keep spares; remember who the client proved to be."""
        super().connection_made(transport)
        self._await("idle", self._limits.idle_seconds)
        self.app_state = {"client_name": common_name(transport.get_extra_info("peercert"))}

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell uvicorn and the listener."""
        super().connection_lost(exc)
        self._on_close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head without end, as the parser itself would keep it all."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._awaiting in ("head", "idle"):
            self._head_bytes += len(data)
            if self._awaiting == "idle":  # blank lines before a request, and no request
                self._await("head", self._limits.head_seconds)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """From the first byte of a request its head has a time-out."""
        super().on_message_begin()
        if self._awaiting != "head":
            self._head_bytes = 0
            self._await("head", self._limits.head_seconds)

    def on_headers_complete(self) -> None:
        """From the end of the head the body has a time-out."""
        super().on_headers_complete()
        self._await("body", self._limits.body_seconds)

    def on_message_complete(self) -> None:
        """The next move is ours, unless the answer did not wait for the body."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._await("idle", self._limits.idle_seconds)
        else:
            self._awaiting, self._deadline = "answer", math.inf

    def on_response_complete(self) -> None:
        """The next move is the client's: a new request, or the rest of the one that was answered early."""
        super().on_response_complete()
        if self._awaiting != "answer":
            self._await(self._awaiting, self._limits.body_seconds)
        elif self.cycle.response_complete:
            self._head_bytes = 0
            self._await("idle", self._limits.idle_seconds)

    def pause_writing(self) -> None:
        """From here the client has answers waiting that it does not read."""
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._unread_since = math.inf

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._counts.closed["malformed"] += 1
        super().send_400_response(msg)

    def shutdown(self, keep_seconds: float = 0.0) -> None:
        """Close when idle for so long; else let the request that is arriving or in work be answered first.

        A client that has just shaken hands is about to send its request, so it gets a moment; one that
        stays silent was a spare of the client's pool.
        """
        patience = keep_seconds if self.cycle else max(keep_seconds, _SPARE_SECONDS)
        if self.loop.time() - self._silent_since() >= patience:
            self.transport.close()

    def idle_since(self) -> float:
        """Return when it became idle, in the loop's time; infinity when in use, closing, or just opened."""
        since = self._silent_since()
        fresh = self.cycle is None and self.loop.time() - since < self._limits.head_seconds
        return math.inf if fresh else since

    def _silent_since(self) -> float:
        """Return when the last response ended, or the handshake; infinity when it is in use, or closing already."""
        idle = self._awaiting == "idle" and not self.transport.is_closing()
        return self._deadline - self._limits.idle_seconds if idle else math.inf

    def expire(self, now: float) -> None:
        """Close the connection if the client let its deadline pass while nothing of it is in work."""
        if self.transport.is_closing():
            return
        if now - self._unread_since > self._limits.body_seconds:
            self.end("unread")
        elif now > self._deadline and not self._at_work():
            self.end(self._awaiting)

    def end(self, cause: str) -> None:
        """Close the connection for a counted cause."""
        self._counts.closed[cause] += 1
        self.transport.close()

    def _await(self, what: str, seconds: float) -> None:
        self._awaiting, self._deadline = what, self.loop.time() + seconds

    def _at_work(self) -> bool:
        """Whether a complete request is being answered, the next one perhaps half received behind it (pipelining)."""
        return bool(self.pipeline) or (
            self._awaiting != "body" and self.cycle is not None and not self.cycle.response_complete
        )

    def _refuse_head(self) -> None:
        self.transport.write(
            STATUS_LINE[431]
            + b"content-type: text/plain\r\ncontent-length: 18\r\nconnection: close\r\n\r\nheaders too large\n"
        )
        self.end("head_bytes")


def common_name(peer: dict[str, Any] | None) -> str | None:
    """Return the common name of a verified peer certificate as ``ssl`` describes it, or None."""
    for name in (peer or {}).get("subject", ()):
        for key, value in name:
            if key == "commonName":
                return str(value)
    return None
