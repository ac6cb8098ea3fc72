"""Where a replica in a cluster has its certificate from: files that somebody else writes, or a Secret that we keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.server.metrics import gauge
from admission.server.mirror import Mirror
from admission.server.rotation import Rotation
from admission.server.tls import Certificate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

    from prometheus_client.metrics_core import Metric

    from admission.cluster.client import Client
    from admission.server.settings import ServingTLS


class Certificates:
    """The source of the serving certificate: every replica follows it, and the leader renews what is ours."""

    def __init__(self, client: Client, namespace: str, tls: ServingTLS, *, now: Callable[[], dt.datetime]) -> None:
        self._tls = tls
        managed = tls.self_managed
        self._mirror = self._rotation = None
        if managed:
            self._rotation = Rotation(client, namespace, managed, now)
            self._mirror = Mirror(client, namespace, tls, managed, self._rotation.fill)

    async def certificate(self) -> Certificate:
        """Return the serving certificate; raise ``CertificateError`` where files that others write cannot be used."""
        return await self._mirror.start() if self._mirror else of_files(self._tls)

    def everywhere(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running once there is a certificate."""
        return [self._mirror.run] if self._mirror else []

    def leading(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running while this replica leads."""
        return [self._rotation.run] if self._rotation else []

    def shared(self) -> dict[str, Callable[[], str]]:
        """Return what may keep certificates from being renewed or read, by the reason of its event."""
        mirror, rotation = self._mirror, self._rotation
        if mirror is None or rotation is None:
            return {}
        return {"CertificateNotRenewed": lambda: rotation.problem, "CertificateUnread": lambda: mirror.problem}

    def figures(self, *, leads: bool) -> Iterable[Metric]:
        """Return what is scraped of how the certificate is kept."""
        if self._mirror is None or self._rotation is None:
            return ()
        text = "Whether the Secret of the certificate could be read when it last was."
        readable = gauge("computegate_certificate_secret_readable", text, {(): float(not self._mirror.problem)}, ())
        return (readable, *(self._rotation.figures() if leads else ()))


def of_files(tls: ServingTLS) -> Certificate:
    """Return the certificate of the settings' files; raise ``CertificateError``."""
    return Certificate(tls.cert_file, tls.key_file, client_ca=tls.client_ca_file, name=tls.server_name)
