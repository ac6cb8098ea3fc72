"""Where the API server is and who we are there: a kubeconfig or the pod's service account, kept fresh.

The official client loads both.  What it leaves to its caller is freshness: it reads a kubeconfig's
``tokenFile`` and runs an ``exec`` plugin once, and re-reads the service account's token by the wall clock.  Here
both are loaded again by the monotonic clock, and at once after a 401.  Client certificates are read once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REFRESH_SECONDS = 60.0
"""How old credentials may grow: the kubelet renews a token at 80 % of its life, ten minutes at least."""

_LOAD_TIMEOUT = 30.0  # the official loader waits for an exec plugin for ever

logger = logging.getLogger(__name__)


class NoCredentialsError(Exception):
    """There is no usable way to the API server; the message says what to set."""


class Credentials:
    """The official client's configuration and the ``Authorization`` header, renewed every minute."""

    def __init__(self, configuration: Any, load: Callable[[], Awaitable[None]], clock: Callable[[], float]) -> None:
        self.configuration = configuration
        self._load = load
        self._clock = clock
        self._loaded = clock()
        self._lock = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request; none when a client certificate does."""
        if self._clock() - self._loaded >= REFRESH_SECONDS:
            await self._renew()
        settings = await self.configuration.auth_settings()
        # A token file may end in a newline, which is not allowed in a header.
        return {setting["key"]: setting["value"].strip() for setting in settings.values()}

    def reject(self) -> None:
        """Note that the API server did not accept them (401): the next request loads them again."""
        self._loaded = -math.inf

    async def _renew(self) -> None:
        async with self._lock:
            if self._clock() - self._loaded < REFRESH_SECONDS:
                return  # another request did it while we waited
            self._loaded = self._clock()
            try:
                await self._load()
            except Exception as error:  # noqa: BLE001  (a plugin's or provider's fault; the old ones may still be good)
                logger.warning("keeping the old credentials, the new ones cannot be read: %s", error)


async def load(kubeconfig: Path | None, clock: Callable[[], float]) -> Credentials:
    """Load a kubeconfig, else the one that KUBECONFIG names, else the pod's service account.

    Raises:
        NoCredentialsError: nothing usable is there.
    """
    path = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG", "")
    try:
        async with asyncio.timeout(_LOAD_TIMEOUT):
            return await _from_kubeconfig(path, clock) if path else await _from_pod(clock)
    except TimeoutError as error:
        raise NoCredentialsError(
            f"no credentials from {path} within {_LOAD_TIMEOUT:.0f} s; run its exec plugin by hand to see why"
        ) from error
    except Exception as error:  # the official loader raises whatever a file of another shape leads it to
        where = f"the kubeconfig {path}" if path else "the pod's service account (no kubeconfig was given)"
        raise NoCredentialsError(f"cannot read {where}: {error}; set KUBECONFIG or run in a pod") from error


async def _from_kubeconfig(path: str, clock: Callable[[], float]) -> Credentials:
    # The official loader reads KUBECONFIG at import and warns where a file is missing: name files that exist.
    if missing := _missing(path):
        raise FileNotFoundError(f"no such file: {', '.join(missing)}")
    configuration = Configuration()
    loader = await load_kube_config(path, client_configuration=configuration, persist_config=False)
    return Credentials(configuration, lambda: loader.load_and_set(configuration), clock)


def _missing(path: str) -> list[str]:
    return [part for part in path.split(os.pathsep) if part and not Path(part).expanduser().is_file()]


async def _from_pod(clock: Callable[[], float]) -> Credentials:
    if SERVICE_HOST_ENV_NAME not in os.environ:
        raise ConfigException(f"{SERVICE_HOST_ENV_NAME} is not set")
    configuration = Configuration()
    loader = InClusterConfigLoader(SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, try_refresh_token=False)

    async def read() -> None:
        loader.load_and_set(configuration)

    await read()
    return Credentials(configuration, read, clock)
