"""Listens while a server cannot be made yet: live, so that no probe ends it, and not ready, with the reason."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import CollectorRegistry

from admission.server.config import Counts, ServerConfig
from admission.server.serving import Handlers, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from admission.server.tls import Certificate


@contextlib.asynccontextmanager
async def waiting(config: ServerConfig, why: str, certificate: Certificate) -> AsyncIterator[None]:
    """Answer probes on the server's ports within the block, and no review; raises ``OSError`` when a port is taken."""
    handlers = Handlers(_unasked, _unasked, lambda: [why], CollectorRegistry())
    without = dataclasses.replace(config, entries=())
    server = Server(without, handlers, certificate=certificate, counts=Counts())
    server.start()
    try:
        yield
    finally:
        await server.stop()


def _unasked(*_: object) -> NoReturn:
    raise AssertionError("there is no entry that could be asked")
