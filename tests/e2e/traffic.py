"""Creators and deleters at one limit, for as long as a test needs them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from typing import TYPE_CHECKING

from admission.cluster.client import ClusterError
from tests.e2e.history import Tally, create, delete, gather
from tests.e2e.objects import gpu_pod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from admission.cluster.client import Client

WORKERS = 12


@dataclasses.dataclass
class Traffic:
    """Creators and deleters that go on until they are told to end; they keep a limit full."""

    where: str
    stock: list[str] = dataclasses.field(default_factory=list)
    """Pods that may be deleted."""
    tally: Tally = dataclasses.field(default_factory=Tally)
    over: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def run(self, those: list[Client], until: Callable[[Tally], Awaitable[None]], seed: int = 0) -> None:
        """Go on until then."""

        async def end() -> None:
            await until(self.tally)
            self.over.set()

        await gather(*(self._work(those[number % len(those)], seed + number) for number in range(WORKERS)), end())

    async def _work(self, client: Client, seed: int) -> None:
        chance, number = random.Random(seed), 0  # noqa: S311 - it only varies the test
        while not self.over.is_set():
            number += 1
            pod = gpu_pod(f"pod-{seed}-{number}", self.where, chance.choice((1, 2, 4)))
            if await create(client, pod, self.tally):
                self.stock.append(pod["metadata"]["name"])
                continue
            if self.stock and "exceeded quota" in (self.tally.denied or [""])[-1]:
                with contextlib.suppress(ClusterError):
                    await delete(client, self.where, self.stock.pop(chance.randrange(len(self.stock))))
            await asyncio.sleep(0.1)
