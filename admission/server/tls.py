"""The served certificate: loaded, tried, swapped when its files change, never broken by a torn pair.

The listening context never changes.  Its SNI callback, which OpenSSL also calls for a client that names no
server, hands each handshake over to the current context.  A pair of files is loaded into a fresh context
and tried in a handshake in memory first: loading a mismatched pair into a live context would break it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.server import der

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)


class CertificateError(ValueError):
    """The certificate and key on disk cannot be served; the message says which files and why."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What the files held when they were loaded."""

    certificate: bytes
    key: bytes
    client_ca: bytes


class Certificate:
    """The certificate that new connections get.

    ``client_ca`` turns on the verification of client certificates: one that is presented must be signed by
    it, and the app asks for one where it matters (health probes of the kubelet present none).
    ``settle_seconds`` is how long the files may differ from what is served before ``problem`` says so, as
    writers replace the two files one after the other.  Raises ``CertificateError`` when made of bad files.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        client_ca: Path | None = None,
        settle_seconds: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._settle_seconds, self._clock = settle_seconds, clock
        self._failure, self._differs_since = "", None
        self.reloads: Counter[str] = Counter()
        self._pair = self._read()
        self._current = self._build(self._pair)
        self.expires_at = der.expiry(self._pair.certificate)
        self.listening = self._build(self._pair)
        self.listening.sni_callback = self._hand_over

    _differs_since: float | None

    def problem(self) -> str | None:
        """Return why the served certificate is not the current one, or None."""
        now = self._clock()
        if now >= self.expires_at:
            return f"certificate {self._certificate} has expired"
        if self._differs_since is not None and now - self._differs_since > self._settle_seconds:
            return f"certificate on disk is not the one served: {self._failure}"
        return None

    async def watch(self, poll_seconds: float = 2.0) -> None:
        """Look at the files every so often until cancelled, in a thread, as a disk may hang.

        Polled, because a mounted Secret changes by a swapped symbolic link, which inotify is easily blind to.
        """
        while True:
            await asyncio.sleep(poll_seconds)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Serve what is on disk if it changed and works; return whether it was swapped.  Never raises for a file."""
        try:
            pair = self._read()
            if pair == self._pair:
                self._failure, self._differs_since = "", None
                return False
            self._swap(pair)
        except CertificateError as error:
            self._fail(str(error))
            return False
        return True

    def _swap(self, pair: _Pair) -> None:
        context, expires_at = self._build(pair), der.expiry(pair.certificate)
        if expires_at <= self._clock() < self.expires_at:
            raise CertificateError(f"{self._certificate} has expired already; the former certificate is kept")
        self._pair, self._current, self.expires_at = pair, context, expires_at
        self._failure, self._differs_since = "", None
        self.reloads["ok"] += 1

    def _fail(self, why: str) -> None:
        if self._differs_since is None:
            self._differs_since = self._clock()
        if why != self._failure:
            self._failure = why
            self.reloads["failed"] += 1
            _log.warning("certificate not reloaded: %s", why)

    def _hand_over(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> _Pair:
        try:
            client_ca = self._client_ca.read_bytes() if self._client_ca else b""
            return _Pair(self._certificate.read_bytes(), self._key.read_bytes(), client_ca)
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from error

    def _build(self, pair: _Pair) -> ssl.SSLContext:
        """Return a context that serves the pair, after a handshake with it; raise ``CertificateError``."""
        context = _bare_context()
        try:
            der.expiry(pair.certificate)
            context.load_cert_chain(self._certificate, self._key, password=_refuse_password)
            if pair.client_ca:
                context.load_verify_locations(cadata=pair.client_ca.decode("ascii"))
                context.verify_mode = ssl.CERT_OPTIONAL
            _try(context)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CertificateError(f"{self._certificate} with {self._key}: {error}") from error
        if self._read() != pair:
            raise CertificateError(f"{self._certificate} changed while it was read")
        return context


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0  # the API server resumes no session, and a ticket would outlive its certificate
    context.set_alpn_protocols(["http/1.1"])  # the API server speaks nothing else to webhooks
    return context


def _refuse_password() -> str:
    """Instead of OpenSSL's prompt, which would hang a server that has a terminal."""
    raise CertificateError("the key is encrypted; supply it in the clear, readable by this user alone")


def _try(context: ssl.SSLContext) -> None:
    """Shake hands with the context in memory; raise ``ssl.SSLError`` when it cannot be done."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(there, back, server_side=True)
    client = anyone.wrap_bio(back, there)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    server.do_handshake()
