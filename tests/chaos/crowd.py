"""Hundreds of clients that create and delete pods of all sizes, some of them clumsily."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import TYPE_CHECKING

from admission.cluster.client import ApiError, ClusterError
from tests.e2e.history import Tally, create
from tests.e2e.objects import gpu_pod

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from random import Random

    from admission.cluster.client import Client
    from tests.e2e.objects import Object

CREATORS, DELETERS, CLUMSY = 200, 100, 4
CLUMSY_SECONDS = 5.0
"""Between two promises that the clumsy ones leave behind: together these may not fill the limit."""
REFUSED = {"requests": {"ephemeral-storage": "2Gi"}}
"""What a ResourceQuota of the namespace refuses once the webhook has allowed it."""

_NOT_FOUND = 404
Place = tuple[str, str]
"""A pod's namespace and name."""


class Crowd:
    """Works in some namespaces until `over` is set, as often as it is asked to."""

    def __init__(self, clients: Sequence[Client], namespaces: Sequence[str], chance: Random) -> None:
        self.tally, self.rehearsed = Tally(), Tally()
        self.deleted = 0
        self.over = asyncio.Event()
        self._clients, self._namespaces, self._chance = clients, namespaces, chance
        self._standing: dict[Place, None] = {}
        self._numbers = itertools.count()

    async def run(self) -> None:
        """Work until it is over, and what was begun has ended."""
        self.over.clear()
        async with asyncio.TaskGroup() as group:
            for work in self._everybody():
                group.create_task(work)

    def _everybody(self) -> Iterator[Coroutine[None, None, None]]:
        yield self._look()
        yield from (self._creator(number) for number in range(CREATORS))
        yield from (self._deleter(number) for number in range(DELETERS))
        yield from (self._clumsy_one(number) for number in range(CLUMSY))

    def _client(self, number: int) -> Client:
        return self._clients[number % len(self._clients)]

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, 2) * seconds):
                await self.over.wait()

    def _pod(self) -> Object:
        """A pod of 1 to 8 devices, half of them under a name that the API server makes up."""
        number = next(self._numbers)
        wanted = gpu_pod(
            f"pod-{number}", self._chance.choice(self._namespaces), self._chance.choice((1, 1, 2, 3, 4, 8))
        )
        if number % 2:
            wanted["metadata"]["generateName"] = wanted["metadata"].pop("name") + "-"
        return wanted

    # -- who works -----------------------------------------------------------------------------

    async def _creator(self, number: int) -> None:
        took = 0.0
        while not self.over.is_set():
            await self._rest(4.0 + took)  # whoever waits long asks more rarely: the machine may be a slow one
            began = asyncio.get_running_loop().time()
            wanted = self._pod()
            if await create(self._client(number), wanted, self.tally):
                self._standing[wanted["metadata"]["namespace"], self.tally.admitted[-1]] = None
            took = asyncio.get_running_loop().time() - began

    async def _deleter(self, number: int) -> None:
        while not self.over.is_set():
            await self._rest(1.5)
            if not self._standing:
                continue
            place = self._chance.choice(tuple(self._standing))
            del self._standing[place]
            if not await self._end(self._client(number), place):
                self._standing[place] = None

    async def _end(self, client: Client, place: Place) -> bool:
        """Delete a pod, or let it succeed first, and say whether it is done with."""
        path = "/api/v1/namespaces/{}/pods/{}".format(*place)
        ends_itself = self._chance.random() < 0.2
        try:
            if ends_itself:
                await client.merge_patch(f"{path}/status", b'{"status":{"phase":"Succeeded"}}')
                await self._rest(0.5)
            await client.request("DELETE", path, timeout=20)
        except ApiError as error:
            return error.status == _NOT_FOUND
        except ClusterError:
            return False
        self.deleted += 1
        return True

    async def _look(self) -> None:
        """Find the pods whose creator never heard of them."""
        while not self.over.is_set():
            await self._rest(2.0)
            for namespace in self._namespaces:
                with contextlib.suppress(ClusterError):
                    found = json.loads(await self._clients[0].get(f"/api/v1/namespaces/{namespace}/pods"))
                    self._standing |= {(namespace, each["metadata"]["name"]): None for each in found["items"]}

    # -- who is clumsy -------------------------------------------------------------------------

    async def _clumsy_one(self, number: int) -> None:
        """Leave promises behind to which no pod comes, and rehearse."""
        ways = itertools.cycle((self._taken, self._refused, self._hasty, self._rehearse))
        for way in itertools.islice(ways, number, None):
            await self._rest(CLUMSY_SECONDS * CLUMSY)
            if self.over.is_set():
                return
            await way(self._client(number))

    async def _taken(self, client: Client) -> None:
        """Use a name that is taken."""
        if self._standing:
            namespace, name = self._chance.choice(tuple(self._standing))
            await create(client, gpu_pod(name, namespace), self.tally)

    async def _refused(self, client: Client) -> None:
        wanted = self._pod()
        wanted["spec"]["containers"][0]["resources"] |= REFUSED
        await create(client, wanted, self.tally)

    async def _hasty(self, client: Client) -> None:
        """Do not wait for the answer."""
        await create(client, self._pod(), self.tally, timeout=self._chance.uniform(0.002, 0.1))

    async def _rehearse(self, client: Client) -> None:
        await create(client, self._pod(), self.rehearsed, {"dryRun": "All"})


async def fill(client: Client, namespace: str) -> int:
    """Create pods of one device until one is denied; return how many were admitted."""
    tally = Tally()
    while await create(client, gpu_pod(f"fill-{len(tally.admitted)}", namespace), tally):
        pass
    assert tally.failed == []
    return len(tally.admitted)
