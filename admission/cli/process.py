"""This process as one replica of the server: where it runs, the tasks it keeps alive, how it starts anew."""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

_NAMESPACE_FILE = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

logger = logging.getLogger(__name__)


def own_namespace() -> str:
    """Return the namespace of the pod that this is; outside of a cluster, the one that the chart is installed into."""
    if "POD_NAMESPACE" in os.environ:
        return os.environ["POD_NAMESPACE"]
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "computegate-system"


async def kept_alive(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run for as long as the program; what fails unexpectedly is said and begun again."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("%s failed; beginning again", getattr(run, "__qualname__", run))
        await asyncio.sleep(1)


def all_kept_alive(runs: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> list[asyncio.Task[None]]:
    """Return the tasks that keep these alive."""
    return [asyncio.create_task(kept_alive(run)) for run in runs]


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait until they have ended."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def start_anew() -> None:
    """The cluster went back to a backup, so that every copy of it is newer than it is.

    The process ends and its supervisor starts it again: that drops every copy at once.  As on an interrupt, not as on
    SIGTERM: nobody shall be answered out of them for as long as connections are kept.
    """
    logger.critical("the cluster's store is older than what was read of it: a backup was restored; starting anew")
    signal.raise_signal(signal.SIGINT)
