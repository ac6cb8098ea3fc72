"""A server for each test, in a thread with an event loop of its own."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from admission.server.config import Limits
from tests.server.webserver import CONFIG, PATIENCE, Running, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return a function that starts a server with other limits or settings than the default ones."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[Running] = []

    def begin(limits: Limits | None = None, *, client_ca: bool = False, name: str = "", **settings: Any) -> Running:
        config = dataclasses.replace(CONFIG, limits=limits or Limits(linger_seconds=0.5), **settings)
        started.append(build(loop, tmp_path, config, client_ca=client_ca, name=name))
        return started[-1]

    yield begin
    for running in started:
        running.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


@pytest.fixture
def server(start: Callable[..., Running]) -> Running:
    """Return a server with default settings."""
    return start()
