"""The certificate of a Secret, kept in files from where it is served: each replica reads the Secret by itself.

A mounted Secret would reach a replica only a minute or so after it changed, and one that does not exist yet would
keep the pod from starting that is to make it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
from typing import TYPE_CHECKING

from admission.cluster.client import ClusterError
from admission.cluster.secret import fetch
from admission.server.tls import Certificate, CertificateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from admission.cluster.client import Client
    from admission.server.settings import SelfManaged, ServingTLS

_PAUSE_SECONDS = 3.0
_FILES = ("ca.crt", "tls.key", "tls.crt")

_log = logging.getLogger(__name__)


class Mirror:
    """Follows one Secret of a namespace; for as long as nothing was read of it, ``fill`` is called to make something.

    ``problem`` is why it could not be read when it last was to be, or ""; what was read before is served on.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        tls: ServingTLS,
        managed: SelfManaged,
        fill: Callable[[], Awaitable[None]],
    ) -> None:
        self._client, self._namespace, self._tls, self._managed = client, namespace, tls, managed
        self._fill = fill
        self._held: Mapping[str, bytes] = {}  # what the files hold
        self.problem = ""
        self.certificate: Certificate | None = None

    async def start(self) -> Certificate:
        """Return the Secret's certificate, or one that stands in for it, and is not ready, while there is none."""
        held = await self._fetch()
        if held is not None:
            try:
                self.certificate = await asyncio.to_thread(self._write_and_load, held)
                self._held = held
            except CertificateError as error:
                self._say(f"secret {self._managed.secret}: {error}")
        if self.certificate is None:
            self.certificate = await asyncio.to_thread(self._stand_in)
        return self.certificate

    async def run(self) -> None:
        """Follow the Secret until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            held = await self._fetch()
            if held is None and not self._held:
                await self._fill()
            if held is not None and held != self._held and self.certificate is not None:
                await asyncio.to_thread(self._write, held)
                await asyncio.to_thread(self.certificate.refresh)
                self._held = held

    async def _fetch(self) -> Mapping[str, bytes] | None:
        """Return what the files are to hold, or None while the Secret cannot be read or does not hold it."""
        try:
            found = await fetch(self._client, self._namespace, self._managed.secret)
        except ClusterError as error:
            self._say(f"secret {self._managed.secret} cannot be read, the last certificate is served on: {error}")
            return None
        held = {name: found.data[name] for name in _FILES if found.data.get(name)} if found else {}
        self._say("" if len(held) == len(_FILES) else f"secret {self._managed.secret} holds no certificate")
        return None if self.problem else held

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem

    def _write_and_load(self, held: Mapping[str, bytes]) -> Certificate:
        self._write(held)
        return self._load()

    def _load(self) -> Certificate:
        tls = self._tls
        return Certificate(tls.cert_file, tls.key_file, client_ca=tls.client_ca_file, name=self._managed.names[0])

    def _write(self, held: Mapping[str, bytes]) -> None:
        """Replace each file at once, the key before what belongs to it; a torn pair is seen and read again."""
        folder = self._tls.cert_file.parent
        folder.mkdir(parents=True, exist_ok=True)
        paths = {"ca.crt": folder / "ca.crt", "tls.key": self._tls.key_file, "tls.crt": self._tls.cert_file}
        for name in _FILES:
            fresh = paths[name].with_suffix(".new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(held[name])
            fresh.replace(paths[name])

    def _stand_in(self) -> Certificate:
        """Return a certificate that nobody trusts, so that probes and metrics are answered and say what is missing."""
        from admission.server.selfsigned import Authority  # noqa: PLC0415 (10 MB that are needed at a first start alone)

        now = dt.datetime.now(dt.UTC)
        authority = Authority.make(now)
        certificate, key = authority.issue(self._managed.names, now)
        self._write({"ca.crt": authority.pem(), "tls.crt": certificate, "tls.key": key})
        made = self._load()
        made.provisional = f"secret {self._managed.secret} holds no certificate that can be served"
        return made
