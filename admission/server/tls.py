"""The served certificate: loaded, tried, swapped when its files change, never broken by a torn pair.

The listening context never changes.  Its SNI callback, which OpenSSL also calls for a client that names no
server, hands each handshake over to the current context.  A pair of files is loaded into a fresh context
and tried in a handshake in memory first: loading a mismatched pair into a live context would break it.

What cannot be served, or would not be believed, never takes the place of what would; and a handshake with the
listening context, every two seconds, is the proof that clients are shown what was loaded, and may believe it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.review import alarms
from admission.server import der
from admission.server.handshake import doubt, server_context, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOON_SECONDS, SOON_SHARE = 14 * 86400, 1 / 6
"""What is left of a certificate when its end is told, and the part of its life at most; in time, it has more."""

_log = logging.getLogger(__name__)


class CertificateError(ValueError):
    """The certificate and key on disk cannot be served; the message says which files and why."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What the files held when they were loaded; ``authority`` and ``client_ca`` are empty where there are none."""

    certificate: bytes
    key: bytes
    authority: bytes
    client_ca: bytes


class Certificate:
    """The certificate that new connections get.

    ``client_ca`` turns on the verification of client certificates: one that is presented must be signed by
    it, and the app asks for one where it matters (health probes of the kubelet present none).  ``name`` is that by
    which the API server calls us; empty is any.  A file ``ca.crt`` beside the certificate says who signed it.
    ``provisional`` is why this certificate only stands in for one that is yet to come, or "".
    Raises ``CertificateError`` when made of files that no handshake can be done with.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        client_ca: Path | None = None,
        name: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._authority = certificate.with_name("ca.crt")
        self._name, self._clock = name, clock
        self._failure, self._doubt, self.provisional = "", "", ""
        self.reloads: Counter[str] = Counter()
        self._turn = threading.Lock()  # whoever wrote the files, and the watch, may look at once
        self._pair = self._read()
        self._current = self._build(self._pair)
        self.expires_at = der.expiry(self._pair.certificate)
        self.listening = self._build(
            self._pair
        )  # how clients are verified, it keeps; whom to trust is the current one's
        self.listening.sni_callback = self._hand_over
        self._prove()

    @property
    def current(self) -> bool:
        """Whether the served certificate is what the files hold, and clients may believe it."""
        return not self._failure and self.problem() is None

    def problem(self) -> str | None:
        """Return why clients would not believe what is served, or None.

        That the files hold something that cannot be served is none: what is served is still believed.
        """
        if self.provisional:
            return self.provisional
        if self._clock() >= self.expires_at:
            return f"certificate {self._certificate} has expired"
        return f"certificate {self._certificate}: {self._doubt}" if self._doubt else None

    @property
    def failure(self) -> str:
        """Why what the files hold now is not served, or ""."""
        return self._failure

    def ends(self) -> dict[str, float]:
        """Return when the served certificate, its authority and that of clients end, in seconds since the epoch."""
        ends = {"serving": self.expires_at}
        with contextlib.suppress(ValueError):
            ends["authority"] = der.expiry(self._pair.authority)
        with contextlib.suppress(ValueError):
            ends["clients"] = der.last_expiry(self._pair.client_ca)
        return ends

    def ending(self) -> str:
        """Return which of them ends before long, and when, or "": by then it was to be renewed."""
        soon = min(SOON_SECONDS, der.life(self._pair.certificate) * SOON_SHARE)
        kind, end = min(self.ends().items(), key=lambda each: each[1])
        if self._clock() < end - soon:
            return ""
        return alarms.certificate_ends(kind, dt.datetime.fromtimestamp(end, dt.UTC))

    async def watch(self, poll_seconds: float = 2.0) -> None:
        """Look at the files every so often until cancelled, in a thread, as a disk may hang.

        Polled, because a mounted Secret changes by a swapped symbolic link, which inotify is easily blind to.
        """
        while True:
            await asyncio.sleep(poll_seconds)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Serve what is on disk if it changed and works; return whether it was swapped.  Never raises for a file."""
        with self._turn:
            swapped = self._reload()
            self._prove()
        return swapped

    def _reload(self) -> bool:
        swapped = False
        try:
            pair = self._read()
            if pair != self._pair:
                self._swap(pair)
                swapped = True
            self._failure = ""
        except CertificateError as error:
            self._fail(str(error))
        return swapped

    def _swap(self, pair: _Pair) -> None:
        context = self._build(pair)
        doubted = self._doubted(context, pair)
        if doubted and self.problem() is None:
            raise CertificateError(f"{self._certificate}: {doubted}; the former certificate is kept")
        self._pair, self._current, self.expires_at = pair, context, der.expiry(pair.certificate)
        self.provisional = ""
        self.reloads["ok"] += 1

    def _prove(self) -> None:
        """Shake hands with the listening context, and note what a client would think of it."""
        try:
            doubted = self._doubted(self.listening, self._pair)
            if not doubted and shown(self.listening) != der.certificates(self._pair.certificate)[0]:
                doubted = "another one is served"
        except ssl.SSLError as error:
            doubted = str(error)
        if doubted and doubted != self._doubt:
            _log.error("certificate %s: %s", self._certificate, doubted)
        self._doubt = doubted

    def _doubted(self, context: ssl.SSLContext, pair: _Pair) -> str:
        """Return why the API server would not believe a context that serves the pair, or ""."""
        said = doubt(context, pair.authority or pair.certificate, self._name)
        if said == "certificate has expired" and self._clock() < der.expiry(pair.certificate):
            return f"its authority in {self._authority} has expired"
        return said

    def _fail(self, why: str) -> None:
        if why != self._failure:
            self._failure = why
            self.reloads["failed"] += 1
            _log.warning("certificate not reloaded, the former one is served on: %s", why)

    def _hand_over(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> _Pair:
        try:
            client_ca = self._client_ca.read_bytes() if self._client_ca else b""
            authority = self._authority.read_bytes() if self._authority.exists() else b""
            return _Pair(self._certificate.read_bytes(), self._key.read_bytes(), authority, client_ca)
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from error

    def _build(self, pair: _Pair) -> ssl.SSLContext:
        """Return a context that serves the pair, after a handshake with it; raise ``CertificateError``."""
        context = server_context()
        try:
            der.expiry(pair.certificate)
            context.load_cert_chain(self._certificate, self._key, password=_refuse_password)
            shown(context)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CertificateError(f"{self._certificate} with {self._key}: {error}") from error
        self._verify_clients(context, pair)
        if self._read() != pair:
            raise CertificateError(f"{self._certificate} changed while it was read")
        return context

    def _verify_clients(self, context: ssl.SSLContext, pair: _Pair) -> None:
        if not self._client_ca:
            return
        try:
            der.last_expiry(pair.client_ca)
            context.load_verify_locations(cadata=pair.client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(f"{self._client_ca}: {error}") from error
        context.verify_mode = ssl.CERT_OPTIONAL


def _refuse_password() -> str:
    """Instead of OpenSSL's prompt, which would hang a server that has a terminal."""
    raise CertificateError("the key is encrypted; supply it in the clear, readable by this user alone")
