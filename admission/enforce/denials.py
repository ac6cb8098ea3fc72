"""Writes the last denial of each namespace into its Allowance, by the replica that denied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from admission.enforce.patcher import ALLOWANCE, LEAST_SECONDS, ROUND_SECONDS, Patcher, dumped

if TYPE_CHECKING:
    from admission.api.allowance import LastDenial
    from admission.cluster.client import Client


class DenialNotes:
    """Puts the last denial of each namespace into its Allowance; every replica notes its own."""

    def __init__(self, client: Client, most: int = 10_000) -> None:
        self._patcher = Patcher(client)
        self._waiting: dict[str, LastDenial] = {}
        self._written: dict[str, float] = {}
        self._most = most

    def note(self, namespace: str, denial: LastDenial) -> None:
        """Remember the latest denial of a namespace, to be written soon."""
        if namespace in self._waiting or len(self._waiting) < self._most:
            self._waiting[namespace] = denial

    async def run(self) -> None:
        """Write what was noted until cancelled, each namespace at most every ten seconds."""
        while True:
            clock = asyncio.get_running_loop().time()
            self._written = {name: at for name, at in self._written.items() if clock - at < LEAST_SECONDS}
            for namespace in [name for name in self._waiting if name not in self._written]:
                denial = self._waiting.pop(namespace)
                self._written[namespace] = clock
                path = f"namespaces/{namespace}/allowances/{ALLOWANCE}"
                if not await self._patcher.patch(path, {"lastDenial": dumped(denial)}):
                    self._waiting.setdefault(namespace, denial)
            await asyncio.sleep(ROUND_SECONDS)
