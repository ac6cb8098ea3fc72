"""Three loads under which a quota shows whether it is exact: many creates at once, churn, a second quota beside it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.cluster.client import ClusterError
from tests.e2e.history import Tally, create, delete
from tests.e2e.objects import PRODUCTS, gpu_pod
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from admission.cluster.client import Client
    from tests.e2e.objects import Object

LIMIT = 50
MIG = "nvidia.com/mig-1g.10gb"
MIG_CHIP = "a100-80gb"
WORKERS, CREATES = 64, 500
HOLD_SECONDS = 0.1


@dataclass(slots=True)
class Load:
    """One round of a load in a namespace."""

    clients: Sequence[Client]
    where: str
    seconds: float
    end: float = 0.0
    names: Iterator[int] = field(default_factory=itertools.count)
    tally: Tally = field(default_factory=Tally)

    async def burst(self) -> None:
        """Ten times as many creates as fit, 64 at once."""
        left = iter(range(CREATES))

        async def work(client: Client) -> None:
            for _ in left:
                await create(client, self._gpu(), self.tally)

        await self._all(*[work] * WORKERS)

    async def churn(self) -> None:
        """64 workers that create a pod, hold it for a moment and delete it, again and again."""
        await self._all(*[self._turnover(self._gpu)] * WORKERS)

    async def disjoint(self) -> None:
        """Half of the workers create pods under one quota; the others create and delete pods under another."""

        async def work(client: Client) -> None:
            while not self._over():
                await create(client, self._gpu(), self.tally)

        await self._all(*[work, self._turnover(self._mig)] * (WORKERS // 2))

    async def _all(self, *works: Callable[[Client], Awaitable[None]]) -> None:
        self.end = asyncio.get_running_loop().time() + self.seconds
        clients = itertools.cycle(self.clients)
        await asyncio.gather(*(work(client) for work, client in zip(works, clients, strict=False)))

    def _over(self) -> bool:
        return asyncio.get_running_loop().time() >= self.end

    def _turnover(self, make: Callable[[], Object]) -> Callable[[Client], Awaitable[None]]:
        async def work(client: Client) -> None:
            while not self._over():
                wanted = make()
                if await create(client, wanted, self.tally):
                    await asyncio.sleep(HOLD_SECONDS)
                    await delete(client, self.where, wanted["metadata"]["name"])

        return work

    def _gpu(self) -> Object:
        return gpu_pod(f"gpu-{next(self.names)}", self.where)

    def _mig(self) -> Object:
        chosen = {"nodeSelector": {"nvidia.com/gpu.product": PRODUCTS[MIG_CHIP]}}
        return pod(f"mig-{next(self.names)}", self.where, {MIG: "1"}, chosen)


LOADS: dict[str, Callable[[Load], Awaitable[None]]] = {
    "burst": Load.burst,
    "churn": Load.churn,
    "disjoint quotas": Load.disjoint,
}


async def clear(client: Client, where: str) -> None:
    """Delete all pods of a namespace; none is bound, so each is gone at once."""
    for _ in range(3):
        try:
            await client.request("DELETE", f"/api/v1/namespaces/{where}/pods", timeout=60)
        except ClusterError:
            continue
        return
    raise AssertionError(f"the pods of {where} cannot be deleted")
