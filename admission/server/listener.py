"""A listening socket: accepts, shakes hands, keeps the number of connections bounded, ends the slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from admission.server.protocol import Connection

if TYPE_CHECKING:
    import ssl

    from admission.server.config import Counts, Limits

_BACKLOG = 1024
_TICK_SECONDS = 0.02
_AT_ONCE = 16  # connections accepted before others have their turn
_SWEEPS = 8  # looks at the connections within the shortest time-out


class Listener:
    """One port with one ASGI app behind it, over TLS when a context is given.

    Connections count from accept on, so that half-made handshakes are bounded too.  At the bound the
    connection that has been idle longest makes room; where none is idle, the new one is closed.
    """

    def __init__(self, app: Any, address: tuple[str, int], *, limits: Limits, counts: Counts) -> None:
        self._limits, self._counts = limits, counts
        self._socket = _bind(address)
        self._config = _configure(app, limits)
        self._state = ServerState()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._open = 0
        self._keep_seconds = 0.0
        self._tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    @property
    def open(self) -> int:
        """How many connections are open, handshakes included."""
        return self._open

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections until ``stop``; raises ``OSError`` where something else listens on the port."""
        self._tls = tls
        _listen(self._socket)
        self._sweeping = asyncio.create_task(self._sweep())
        self._accept_from_now()

    async def stop(self, finish_seconds: float, keep_seconds: float = 0.0) -> None:
        """Close the port, let what is in work finish within a bound, then cut the rest.

        Whoever has connected before the port closes is served, also where it still waits to be accepted.  A
        connection on which nothing was asked for ``keep_seconds`` is closed; until then it is served on, as its
        client could not be told that it is the last time.
        """
        loop = asyncio.get_running_loop()
        self._accept_no_more()
        self._keep_seconds, begun = keep_seconds, loop.time()
        while self._open and loop.time() < begun + max(finish_seconds, self._keep_seconds):
            for connection in self._connections():
                connection.shutdown(self._keep_seconds)
            await asyncio.sleep(_TICK_SECONDS)
        if self._sweeping is not None:
            await _cancel(self._sweeping)
        for connection in self._connections():
            connection.transport.abort()
        for task in (*self._state.tasks, *self._handshakes):
            task.cancel()

    def hurry(self) -> None:
        """Keep idle connections no longer: ``stop`` is under way and shall end."""
        self._keep_seconds = 0.0

    def _connections(self) -> list[Connection]:
        """Return the connections whose handshake is done; uvicorn's protocol keeps them in its server's state."""
        return [connection for connection in self._state.connections if isinstance(connection, Connection)]

    def _accept_from_now(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept_no_more(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._look_away()
        with contextlib.suppress(OSError):
            for _ in range(_BACKLOG):
                self._take()
        self._socket.close()

    def _look_away(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()

    def _accept(self) -> None:
        try:
            for _ in range(_AT_ONCE):
                self._take()
        except BlockingIOError:
            return
        except OSError:  # out of file descriptors, or the client has left already
            self._counts.closed["accept"] += 1
            self._look_away()  # for a moment: a port that stays readable would be looked at without pause
            self._pause = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._accept_from_now)

    def _take(self) -> None:
        """Take one connection; raises ``BlockingIOError`` where none waits, ``OSError`` where none can be taken."""
        client, _ = self._socket.accept()
        if self._open >= self._limits.connections and not self._evict():
            self._counts.closed["full"] += 1
            client.close()
        else:
            client.setblocking(False)
            self._count(1)
            task = asyncio.get_running_loop().create_task(self._greet(client))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _greet(self, client: socket.socket) -> None:
        """Hand a connection to the protocol once its handshake is done; from then on it counts itself out."""
        connection = Connection(
            self._config, self._state, limits=self._limits, counts=self._counts, on_close=lambda: self._count(-1)
        )
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, client, **self._tls_arguments())
        except OSError:  # ssl.SSLError, ConnectionError and TimeoutError are
            self._counts.handshakes_failed += 1
        finally:
            if connection.transport is None:
                self._count(-1)

    def _tls_arguments(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        return {
            "ssl": self._tls,
            "ssl_handshake_timeout": self._limits.handshake_seconds,
            "ssl_shutdown_timeout": self._limits.linger_seconds,
        }

    def _count(self, change: int) -> None:
        self._open += change
        self._counts.connections += change

    def _evict(self) -> bool:
        """Close the connection that has been idle longest; False when there is none."""
        longest = min(self._connections(), key=Connection.idle_since, default=None)
        if longest is None or longest.idle_since() == math.inf:
            return False
        longest.end("evicted")
        return True

    async def _sweep(self) -> None:
        limits, loop = self._limits, asyncio.get_running_loop()
        pause = min(1.0, min(limits.head_seconds, limits.body_seconds, limits.idle_seconds) / _SWEEPS)
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for connection in self._connections():
                connection.expire(now)


def _bind(address: tuple[str, int]) -> socket.socket:
    """Return a bound socket that does not listen yet; IPv6 takes IPv4 along when it is the wildcard."""
    host, _ = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refused(error, address) from error
    bound.setblocking(False)
    return bound


def _listen(bound: socket.socket) -> None:
    """Two sockets can be bound to one port, of a wildcard and of the loopback; the second that listens is refused."""
    try:
        bound.listen(_BACKLOG)
    except OSError as error:
        address = bound.getsockname()
        bound.close()
        raise _refused(error, address) from error


def _refused(error: OSError, address: tuple[str, int]) -> OSError:
    return OSError(error.errno, f"cannot listen on {address[0]} port {address[1]}: {error.strerror}")


def _configure(app: Any, limits: Limits) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what clients send wrongly is counted, not logged
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(limits.idle_seconds) + 60,  # the sweep comes first, and counts
    )
    config.load()
    return config


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
