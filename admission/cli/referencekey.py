"""The key of references, which all replicas of a cluster have in common: from a file, or from a Secret.

Beside it may stand ``previous`` and ``next``, by which no reference is made and which are known all the same: while the
key is changed some replicas have the one, and some the other; and what tenants were told stands for longer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import pathlib
import random
import secrets
from typing import TYPE_CHECKING

import msgspec

from admission.cluster.backoff import Backoff
from admission.cluster.client import ApiError, ClusterError
from admission.review.reference import Keys
from admission.server.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from admission.cluster.client import Client
    from admission.server.settings import Settings

LEAST_BYTES = 32
"""A shorter key could be guessed: references, marks of canaries and the record are signed with it."""

AWAY = "the API server does not answer; this replica starts once it does"

_OTHERS = ("previous", "next")

logger = logging.getLogger(__name__)


async def reference_keys(
    client: Client, settings: Settings, namespace: str, waiting: Callable[[], AbstractAsyncContextManager[None]]
) -> Keys:
    """Return the keys; wait for an API server that is away, within what ``waiting`` makes.

    Raises ``ApiError`` for a no that stays one, ``SettingsError`` for a key that anybody could guess.
    """
    if settings.reference_key_file is not None:
        path = settings.reference_key_file
        others = filter(pathlib.Path.exists, map(path.with_name, _OTHERS))
        return Keys(key_in(path), tuple(map(key_in, others)))
    return await _patiently(lambda: _of_secret(client, namespace, settings.reference_secret), waiting)


def key_in(path: pathlib.Path) -> bytes:
    """Return the key that stands in a file.  Raises ``SettingsError`` and ``OSError``."""
    return _long_enough(path.read_bytes(), str(path))


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < LEAST_BYTES:
        raise SettingsError(f"{where}: a key of references has {LEAST_BYTES} random bytes or more, not {len(key)}")
    return key


async def _patiently(
    ask: Callable[[], Awaitable[Keys]], waiting: Callable[[], AbstractAsyncContextManager[None]]
) -> Keys:
    backoff = Backoff(random.uniform)  # spreads replicas, guards nothing
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                return await ask()
            except ClusterError as error:
                if isinstance(error, ApiError) and not (error.outcome_unknown or error.retry_after):
                    raise
                if not backoff.failures:
                    logger.warning("%s: %s", AWAY, error)
                    await stack.enter_async_context(waiting())
                await asyncio.sleep(backoff.delay(error.retry_after if isinstance(error, ApiError) else None))


async def _of_secret(client: Client, namespace: str, name: str) -> Keys:
    """Return the keys that stand in a Secret, which the first replica makes."""
    collection = f"/api/v1/namespaces/{namespace}/secrets"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"key": base64.b64encode(secrets.token_bytes(32)).decode()},
    }
    try:
        found = await client.create(collection, msgspec.json.encode(secret))
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        found = await client.get(f"{collection}/{name}")
    data = msgspec.json.decode(found).get("data") or {}
    own, *others = (
        _long_enough(base64.b64decode(data.get(entry, "")), f"Secret {namespace}/{name}, {entry}")
        for entry in ("key", *(each for each in _OTHERS if each in data))
    )
    return Keys(own, tuple(others))
