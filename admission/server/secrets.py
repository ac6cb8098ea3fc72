"""The secrets that deliveries are signed with: one file for each provider, read again when it changes.

A file has one secret on a line, and during a rotation two: the new one and the one that still signs what is under way.
While a file is bad, what was last good goes on; a provider whose file was never good has none, and is refused.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from admission.review import deliveries
from admission.server.metrics import gauge

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

POLL_SECONDS = 2.0
"""Polled, because a mounted Secret changes by a swapped symbolic link, which inotify is easily blind to."""

MOST = 2
SHORTEST = 16
LARGEST = 4096

_log = logging.getLogger(__name__)


class SecretError(ValueError):
    """A file of secrets cannot be used; the message says why and never what stands in it."""


class NoSecret(LookupError):  # noqa: N818 (a state of the world; a repeat may succeed)
    """Nobody can tell the deliveries of this provider from others'."""


class Secrets:
    """The secrets of each provider, from the files of these names in a folder."""

    def __init__(self, folder: pathlib.Path, providers: Iterable[str]) -> None:
        self._folder = folder
        self._known: dict[str, tuple[bytes, ...]] = {}
        self._problems: dict[str, str] = dict.fromkeys(providers, "")
        self.reload()

    def of(self, provider: str) -> tuple[bytes, ...]:
        """Return the secrets of a provider.  Raises ``NoSecret`` while it has none."""
        if provider not in self._known:
            raise NoSecret(deliveries.no_secret())
        return self._known[provider]

    def problems(self) -> list[str]:
        """Return why deliveries of a provider cannot be told from others', one line each."""
        return [problem for name, problem in self._problems.items() if name not in self._known]

    async def watch(self) -> None:
        """Follow the files, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await asyncio.to_thread(self.reload)

    def reload(self) -> None:
        """Read the files; each new reason against one is logged once."""
        for name, before in self._problems.items():
            problem = ""
            try:
                secrets = _read(self._folder / name)
                if self._known.get(name, secrets) != secrets:
                    _log.info("secrets of provider %s: changed, %d now", name, len(secrets))
                self._known[name] = secrets
            except SecretError as error:
                problem = str(error)
            if problem and problem != before:
                _log.warning("secrets of provider %s stay as they were: %s", name, problem)
            self._problems[name] = problem

    def figures(self) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        readable: dict[tuple[str, ...], float] = {
            (name,): float(not problem) for name, problem in self._problems.items()
        }
        text = "Whether the file with the provider's secrets can be read."
        return (gauge("computegate_kyc_secrets_readable", text, readable, ("provider",)),)


def _read(path: pathlib.Path) -> tuple[bytes, ...]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}") from None
    lines = tuple(line.strip() for line in content.splitlines() if line.strip())
    if len(content) > LARGEST or not 1 <= len(lines) <= MOST:
        raise SecretError(f"{path}: write one secret, or during a rotation {MOST}, each on a line")
    if min(map(len, lines)) < SHORTEST:
        raise SecretError(f"{path}: a secret is shorter than {SHORTEST} characters")
    return lines
