"""The receiver of KYC deliveries as a process: both ports, its secrets and certificate kept fresh, and the way down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector

from admission.server.config import Counts, Limits
from admission.server.exposition import Exposition
from admission.server.listener import Listener
from admission.server.metrics import Live
from admission.server.receiver import Receiver, Source
from admission.server.secrets import Secrets
from admission.server.serving import require_fast_loop, signals
from admission.server.settings import SettingsError
from admission.server.tls import Certificate
from admission.tenants.providers.mapping import with_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from admission.cluster.clearances import Clearances
    from admission.cluster.clock import Clock
    from admission.server.settings import ReceiverSettings

LIMITS = Limits(body_bytes=1 << 20, held_bytes=16 << 20, head_bytes=32 << 10, connections=200, idle_seconds=60.0)
"""Anybody may connect: what a stranger can make it hold is little."""

_FINISH_SECONDS = 10.0

_log = logging.getLogger(__name__)


async def receive(settings: ReceiverSettings, clearances: Clearances, clock: Clock) -> None:
    """Take deliveries until SIGTERM or SIGINT, drain, and return.

    Raises ``SettingsError``, ``MappingError``, ``CertificateError``, and ``OSError`` when a port is taken.
    """
    require_fast_loop()
    secrets = Secrets(settings.secrets_folder, (each.name for each in settings.providers))
    app = Receiver(sources(settings), secrets, clearances, limits=LIMITS, now=clock, unsure=clock.look)
    certificate = Certificate(settings.tls.cert_file, settings.tls.key_file) if settings.tls else None
    async with signals() as arrived, _listening(settings, app, secrets, certificate), _watching(secrets, certificate):
        _log.info("taking deliveries of %s", ", ".join(each.name for each in settings.providers))
        await arrived.get()
        app.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.get(), settings.drain_seconds)


def sources(settings: ReceiverSettings) -> Iterator[Source]:
    """Yield each provider with its mapping.  Raises ``SettingsError`` and ``MappingError``."""
    known = with_folder(settings.mappings_folder)
    for provider in settings.providers:
        mapping = known.get(provider.mapping or provider.name)
        if mapping is None:
            asked = provider.mapping or provider.name
            raise SettingsError(f"provider {provider.name}: no mapping {asked!r}; there are {', '.join(sorted(known))}")
        if provider.levels and mapping.fields.product is None:
            raise SettingsError(f"provider {provider.name}: levels: its mapping has no field product to tell them by")
        yield Source(provider, mapping)


@contextlib.asynccontextmanager
async def _listening(
    settings: ReceiverSettings, app: Receiver, secrets: Secrets, certificate: Certificate | None
) -> AsyncIterator[None]:
    listen = settings.listen
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collect in (app.figures, secrets.figures):
        registry.register(Live(collect))
    exposition = Exposition(registry)
    deliveries = Listener(app, (listen.host, listen.port), limits=LIMITS, counts=Counts())
    scrapes = Listener(exposition, (listen.metrics_host, listen.metrics_port), limits=LIMITS, counts=Counts())
    deliveries.start(certificate.listening if certificate else None)
    scrapes.start()
    try:
        yield
    finally:
        await deliveries.stop(_FINISH_SECONDS)
        await scrapes.stop(1.0)
        exposition.close()


@contextlib.asynccontextmanager
async def _watching(secrets: Secrets, certificate: Certificate | None) -> AsyncIterator[None]:
    watches = [asyncio.create_task(secrets.watch())]
    if certificate is not None:
        watches.append(asyncio.create_task(certificate.watch()))
    try:
        yield
    finally:
        for watch in watches:
            watch.cancel()
