"""A real TLS server on loopback with a review function of the tests' own, and clients for it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter

from admission.review.wire import BadReview
from admission.server import selfsigned
from admission.server.config import Counts, ServerConfig
from admission.server.serving import Handlers, Server
from admission.server.tls import Certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 20.0
"""Seconds after which a test gives up; nothing asserts that something is fast."""

JSON = {"content-type": "application/json"}


async def review(entry: str, budget: float, body: bytes) -> bytes:
    """Echo what was asked; do as the body says."""
    if body == b"bad":
        raise BadReview("not a review:\nwrite one")
    if body == b"bug":
        raise LookupError("a fault of ours")
    if body == b"timeout":
        raise TimeoutError("a fault of ours that looks like the budget's end")
    if body == b"shared":
        raise asyncio.CancelledError
    if body == b"large":
        return b" " * (1 << 20)
    if body.startswith(b"sleep "):
        await asyncio.sleep(float(body[6:]))
    return json.dumps({"entry": entry, "budget": budget, "bytes": len(body)}).encode()


def busy(entry: str, body: bytes) -> bytes:
    """Say to try again."""
    return b"try again %s %d" % (entry.encode(), len(body))


@dataclasses.dataclass
class Running:
    """A server that runs until the test is over."""

    server: Server
    loop: asyncio.AbstractEventLoop
    counts: Counts
    certificate: Certificate
    folder: Path
    authority: selfsigned.Authority
    reasons: list[str]

    def client_context(self) -> ssl.SSLContext:
        """Return what a client needs to trust the server."""
        return ssl.create_default_context(cadata=self.authority.pem().decode())

    def client(self) -> http.client.HTTPSConnection:
        """Return a client that keeps its connection."""
        return http.client.HTTPSConnection(
            "localhost", self.server.port, context=self.client_context(), timeout=PATIENCE
        )

    def post(self, body: Any = b"{}", path: str = "/validate/enforced", **headers: str) -> tuple[int, bytes]:
        """POST on a connection of its own; return status and body."""
        connection = self.client()
        try:
            connection.request("POST", path, body, JSON | headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """GET on a connection of its own; return status and text."""
        connection = self.client()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the server and wait for it."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(PATIENCE)

    def issue(self, name: str = "localhost", days: float = 1.0) -> tuple[bytes, bytes]:
        """Return a fresh certificate and key from the authority that clients trust."""
        return self.authority.issue([name, "127.0.0.1"], now(), days)


def wait(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail when it never does."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def now() -> dt.datetime:
    """Return the present instant."""
    return dt.datetime.now(dt.UTC)


CONFIG = ServerConfig(port=0, metrics_port=0, margin_seconds=0.1, finish_seconds=5.0)


def build(
    loop: asyncio.AbstractEventLoop, folder: Path, config: ServerConfig, *, client_ca: bool, name: str
) -> Running:
    """Start a server on a loop that runs in another thread, with files in a folder."""
    authority = selfsigned.Authority.make(now())
    files = selfsigned.write(folder, *authority.issue(["localhost", "127.0.0.1"], now()))
    (folder / "ca.crt").write_bytes(authority.pem())
    certificate = Certificate(*files, client_ca=folder / "ca.crt" if client_ca else None, name=name)
    counts, reasons, registry = Counts(), list[str](), CollectorRegistry()
    PrometheusCounter("things", "Things that happened", registry=registry).inc()
    handlers = Handlers(review=review, busy=busy, ready=lambda: list(reasons), registry=registry)

    async def begin() -> Server:
        server = Server(config, handlers, certificate=certificate, counts=counts)
        server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
    return Running(server, loop, counts, certificate, folder, authority, reasons)
