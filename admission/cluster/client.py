"""The API server over HTTP: raw bytes in, raw bytes out, every request bounded, nothing repeated.

The official client brings configuration, credentials, TLS and its aiohttp session; its generated methods and
models are not used (they decode into objects of 200 KB a pod, and re-encode a body that is already bytes).

Errors::

    ClusterError
    ├── ApiError      the API server answered no, with a Status
    └── Unreachable   no answer, or half of one: for a write the outcome is unknown
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from kubernetes.aio.client.rest import RESTClientObject

from admission import __version__
from admission.cluster import credentials, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path
    from typing import Self

TIMEOUT = 10.0
"""Seconds for a request whose caller does not say otherwise."""

LONGEST_LINE = 16 * 2**20
"""Bytes; etcd takes objects of 1.5 MiB, JSON of the same object can be a few times that."""

_CLOSING = 0.1  # seconds
_ERROR = 300  # redirects are not followed: a token must not travel

_status = msgspec.json.Decoder(wire.Status)


class ClusterError(Exception):
    """The API server did not do what was asked, or may not have."""


class Unreachable(ClusterError):  # noqa: N818 (a state of the world; the field says "unreachable")
    """No complete answer came in time.  Whether a write happened is unknown."""


class ApiError(ClusterError):
    """A Status: ``reason`` is the machine-readable word, ``retry_after`` seconds or None.

    ``rest`` asks for the rest of a list of which the API server keeps no more; "" where there is none.
    """

    def __init__(
        self, status: int, reason: str, message: str, retry_after: float | None = None, *, rest: str = ""
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.rest = rest

    @property
    def outcome_unknown(self) -> bool:
        """Whether a write may have happened all the same.

        The API server answers 504 while the write goes on behind it, and 500 when etcd timed out after taking
        the proposal; a proxy's 5xx says nothing about what is behind it.
        """
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status == HTTPStatus.REQUEST_TIMEOUT


class _Transport(RESTClientObject):  # type: ignore[misc]  # the official package ships no types
    """The official TLS context and session, for requests that are already bytes."""

    pool_manager: aiohttp.ClientSession | None

    def open(self) -> aiohttp.ClientSession:
        """Return the session, made on first use inside the running loop."""
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
            # aiohttp repeats a PUT or DELETE whose kept-alive connection broke.  The first may have been
            # committed, and the second then fails as Conflict: a lost answer must look lost.
            self.pool_manager._retry_connection = False  # noqa: SLF001  (there is no public switch)
        return self.pool_manager


class Client:
    """One API server, as one identity.  Make it with ``connect``; use it from one event loop.

    ``date`` is when the last answer began, by the API server's own clock, as HTTP writes it; "" before the first;
    ``on_date`` is called with it.
    """

    def __init__(self, access: credentials.Credentials) -> None:
        configuration = access.configuration
        configuration.retries = None
        # With trust_env aiohttp reads ~/.netrc in a thread for every request; a kubeconfig's proxy-url still holds.
        configuration.client_session_kwargs = {"trust_env": False}
        self._access = access
        self.date = ""
        self.on_date: Callable[[str], None] = lambda _: None
        self._base = configuration.host.rstrip("/")
        self._transport = _Transport(configuration)
        self._options: dict[str, Any] = {"allow_redirects": False, "proxy": configuration.proxy}
        if configuration.tls_server_name:
            self._options["server_hostname"] = configuration.tls_server_name

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> Self:
        """Load credentials: this kubeconfig, else KUBECONFIG, else the pod's service account.  Sends nothing.

        Raises:
            NoCredentialsError: none can be read or used.
        """
        access = await credentials.load(kubeconfig, clock)
        try:
            return cls(access)
        except OSError as error:  # ssl.SSLError is one
            raise credentials.NoCredentialsError(f"cannot use the certificates for the API server: {error}") from error

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float = TIMEOUT,  # noqa: ASYNC109  (credentials, sending and reading share one bound)
    ) -> bytes:
        """Send one request, once, and return the whole answer.

        Raises:
            ApiError: a status of 300 or more.
            Unreachable: no complete answer within ``timeout`` seconds; a write may have happened.
        """
        async with _answering(timeout), self._open(method, path, query, body, content_type) as response:
            return await response.read()

    @contextlib.asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        timeout: float,  # noqa: ASYNC109  (bounds the whole life of the watch)
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch: entering means that the API server accepted it, the value yields its lines.

        The API server answers at once, before there is any line, so the opening has a bound of its own.

        Raises, on entry and while iterating:
            ApiError: the API server refused it.
            Unreachable: it did not open within TIMEOUT seconds, broke, or lived longer than ``timeout``.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout
        async with _answering(min(timeout, TIMEOUT)) as bound, self._open("GET", path, query, None, "") as response:
            bound.reschedule(ends)
            try:
                yield _lines(response.content)
            finally:
                _abort(response)

    @contextlib.asynccontextmanager
    async def _open(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, content_type: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **await self._access.headers()}
        headers["User-Agent"] = f"computegate/{__version__}"
        if body is not None:
            headers["Content-Type"] = content_type
        session = self._transport.open()
        unlimited = aiohttp.ClientTimeout(total=None)  # the bound is _answering's
        async with session.request(
            method, self._base + path, params=query, data=body, headers=headers, timeout=unlimited, **self._options
        ) as response:
            self.date = response.headers.get("Date", "")
            self.on_date(self.date)
            if response.status >= _ERROR:
                if response.status == HTTPStatus.UNAUTHORIZED:
                    self._access.reject()
                raise _api_error(response.status, response.headers.get("Retry-After"), await response.read())
            yield response

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """Read one object, or one page of a list."""
        return await self.request("GET", path, query=query)

    async def create(self, path: str, body: bytes) -> bytes:
        """POST an object to its collection; returns it as stored."""
        return await self.request("POST", path, body=body)

    async def replace(self, path: str, body: bytes, *, timeout: float = TIMEOUT) -> bytes:  # noqa: ASYNC109
        """PUT an object, or its ``/status``; with a resourceVersion in it this is a compare-and-swap."""
        return await self.request("PUT", path, body=body, timeout=timeout)

    async def merge_patch(self, path: str, body: bytes, *, timeout: float = TIMEOUT) -> bytes:  # noqa: ASYNC109
        """Apply a JSON merge patch (RFC 7386); with ``metadata.resourceVersion`` in it a compare-and-swap."""
        return await self.request(
            "PATCH", path, body=body, content_type="application/merge-patch+json", timeout=timeout
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()
        # aiohttp does not wait until TLS connections are gone, and a loop that ends before warns about them:
        # https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown
        await asyncio.sleep(_CLOSING)


@contextlib.asynccontextmanager
async def _answering(timeout: float) -> AsyncIterator[asyncio.Timeout]:  # noqa: ASYNC109  (the bound of a whole exchange)
    """Bound an exchange and turn whatever breaks in it into Unreachable."""
    try:
        async with asyncio.timeout(timeout) as bound:
            yield bound
    except TimeoutError as error:
        raise Unreachable("no complete answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error


def _api_error(status: int, retry_after: str | None, body: bytes) -> ApiError:
    """Read a Status; what is not one (a proxy's page, a plain text) is quoted, shortened."""
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    try:
        said = _status.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return ApiError(status, "", body[:500].decode(errors="replace"), seconds)
    if seconds is None and said.details and said.details.retry_after_seconds is not None:
        seconds = float(said.details.retry_after_seconds)
    return ApiError(status, said.reason or "", said.message or "", seconds, rest=said.metadata.continue_)


def _abort(response: aiohttp.ClientResponse) -> None:
    """Drop a watch's connection: an orderly end of TLS would wait for a peer that may be gone."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream at newlines; a last line without one was cut and is dropped."""
    rest = b""
    async for chunk in _chunks(content):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > LONGEST_LINE:
            raise Unreachable(f"a watch line is longer than {LONGEST_LINE} bytes")


async def _chunks(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    try:
        async for chunk in content.iter_any():
            yield chunk
    except RuntimeError as error:  # so aiohttp says that the connection is closing, until it is closed
        raise Unreachable(str(error)) from error
