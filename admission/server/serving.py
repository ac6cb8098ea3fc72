"""The server: both ports, and the way down.

On SIGTERM a stock server closes its port.  A webhook must not: the API server neither retries a POST nor
stops using its connections to a pod that is going away (kubernetes/kubernetes#127335).  So it goes unready,
serves on for a while with ``Connection: close`` on every answer, and only then closes the port.

A connection that was idle all the while has been told nothing: to close it could cross a POST that is on its way, which
the API server then calls an error.  It is served on until it was used once more, or until its client has dropped it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.server.app import App, Busy, Ready, Review
from admission.server.config import Counts, ServerConfig
from admission.server.exposition import Exposition
from admission.server.listener import Listener
from admission.server.profile import HOST, Profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from admission.server.tls import Certificate

_log = logging.getLogger(__name__)
_LAST_SCRAPE_SECONDS = 1.0


class SlowServerError(RuntimeError):
    """uvloop or httptools is not in use; without them a third of the requests is served."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the server asks: see ``app.Review``, ``app.Busy``, ``app.Ready``; ``registry`` is what is scraped."""

    review: Review
    busy: Busy
    ready: Ready
    registry: CollectorRegistry


class Server:
    """The TLS port and the metrics port of one process, on the running event loop, without signals."""

    def __init__(self, config: ServerConfig, handlers: Handlers, *, certificate: Certificate, counts: Counts) -> None:
        require_fast_loop()
        self._config, self._certificate = config, certificate
        self._app = App(
            config,
            review=handlers.review,
            busy=handlers.busy,
            ready=self._reasons(handlers.ready),
            leaving=lambda: bool(handlers.ready()),
            counts=counts,
        )
        self._exposition = Exposition(handlers.registry)
        self._reviews = Listener(self._app, (config.host, config.port), limits=config.limits, counts=counts)
        metrics = (config.metrics_host, config.metrics_port)
        # Scrapes have counts of their own, so that the server's connections are the API server's.
        self._scrapes = Listener(self._exposition, metrics, limits=config.limits, counts=Counts())
        self._profile, self._debug = Profile(), None
        if config.debug_port is not None:
            self._debug = Listener(self._profile, (HOST, config.debug_port), limits=config.limits, counts=Counts())
        self._watch: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The TLS port."""
        return self._reviews.port

    @property
    def metrics_port(self) -> int:
        """The port of ``/metrics``."""
        return self._scrapes.port

    @property
    def debug_port(self) -> int | None:
        """The port of the profile, where there is one."""
        return self._debug.port if self._debug else None

    def start(self) -> None:
        """Listen on the ports and watch the certificate."""
        self._watch = asyncio.create_task(self._certificate.watch())
        self._reviews.start(self._certificate.listening)
        self._scrapes.start()
        if self._debug is not None:
            self._debug.start()

    def drain(self) -> None:
        """Go unready and make every answer the last of its connection; go on accepting and answering."""
        self._app.draining = True

    async def stop(self, keep_seconds: float = 0.0) -> None:
        """Close the ports; wait for what is in work, at most ``finish_seconds``, and for connections that are kept."""
        self.drain()
        await self._reviews.stop(self._config.finish_seconds, keep_seconds)
        await self._scrapes.stop(_LAST_SCRAPE_SECONDS)
        self._exposition.close()
        self._profile.close()
        if self._debug is not None:
            await self._debug.stop(_LAST_SCRAPE_SECONDS)
        if self._watch is not None:
            self._watch.cancel()

    def hurry(self) -> None:
        """Wait no longer for connections that are kept; what is in work still has its time."""
        self._reviews.hurry()

    def _reasons(self, ready: Ready) -> Ready:
        def reasons() -> list[str]:
            problem = self._certificate.problem()
            return [*ready(), problem] if problem else ready()

        return reasons


async def serve(
    config: ServerConfig,
    handlers: Handlers,
    *,
    certificate: Certificate,
    counts: Counts,
    on_drain: Callable[[], None],
    on_start: Callable[[Server], None],
) -> None:
    """Serve until SIGTERM or SIGINT, drain, and return.

    A second signal of either kind cuts the drain short, or the wait for kept connections.  Raises
    ``SlowServerError`` off uvloop and ``OSError`` when a port is taken; both say so before anything is served.
    """
    server = Server(config, handlers, certificate=certificate, counts=counts)
    async with signals() as arrived:
        server.start()
        on_start(server)
        first = await arrived.get()
        server.drain()
        on_drain()
        politely = first == signal.SIGTERM
        seconds = config.drain_seconds if politely else config.interrupt_seconds
        _log.warning("%s: draining for %g s", first.name, seconds)
        second = asyncio.create_task(arrived.get())
        await asyncio.wait({second}, timeout=seconds)
        await _stopped(server, config.keep_seconds if politely else 0.0, second)


async def _stopped(server: Server, keep_seconds: float, second: asyncio.Task[signal.Signals]) -> None:
    """Stop; once the second signal has come, kept connections are waited for no longer."""
    stopping = asyncio.create_task(server.stop(0.0 if second.done() else keep_seconds))
    await asyncio.wait({stopping, second}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        server.hurry()
    await stopping
    second.cancel()


@contextlib.asynccontextmanager
async def signals() -> AsyncIterator[asyncio.Queue[signal.Signals]]:
    """Deliver SIGTERM and SIGINT into a queue for as long as the block lasts."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Queue[signal.Signals]()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, arrived.put_nowait, number)
    try:
        yield arrived
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def require_fast_loop() -> None:
    """Raise ``SlowServerError`` unless the running loop is uvloop's and httptools can be imported."""
    if not type(asyncio.get_running_loop()).__module__.startswith("uvloop"):
        raise SlowServerError("the event loop is not uvloop's: run the server with uvloop.run(...)")
    if importlib.util.find_spec("httptools") is None:
        raise SlowServerError("httptools is not installed: pip install httptools")
