"""A tenant whose devices are had by resource claims: of pods, made by the real claim controller, and by themselves.

No driver is needed, as nothing is scheduled: a claim holds what it asks for from when it exists until it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from admission.cluster.client import ClusterError
from tests.chaos.claimed import REFERENCE, TEMPLATE
from tests.e2e.claims import DRIVER, IMPLICIT, claim_template, device_class, device_slice, requests, resource_claim
from tests.e2e.history import Tally, create
from tests.e2e.objects import pool
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from admission.cluster.client import Client
    from tests.e2e.objects import Object

NODE = "claims-1"
SIZES = (1, 2, 4)
WORKERS = 12
RECENT = 24
_LABELS = {"pool.example.com/name": "claims"}
CLAIMS = "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims"


def objects(country: str, where: str) -> list[Object]:
    """Return a node's devices as a driver would publish them, their class and pool, and a template of each size."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": _LABELS}}
    ours = pool("claims", "h100-sxm", country, f"{IMPLICIT}-none", nodeLabels=_LABELS)
    return [
        node,
        device_class(DRIVER),
        device_slice(NODE),
        ours,
        *(claim_template(where, size, f"{TEMPLATE}{size}") for size in SIZES),
    ]


class Claimants:
    """Creates and deletes pods that claim, and claims, in one namespace."""

    def __init__(self, where: str, chance: Random) -> None:
        self.tally = Tally()
        self._where, self._chance = where, chance
        self._number = 0

    async def work(self, client: Client, over: asyncio.Event) -> None:
        """Go on until it is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work(client, over))

    async def _work(self, client: Client, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(0, 6)):
                    await over.wait()
            self._number += 1
            await self._create(client, self._number)
            for path in self._paths() if self.tally.admitted else ():
                with contextlib.suppress(ClusterError):  # one of the last that were made, if it is of this kind
                    await client.request("DELETE", f"{path}/{self._chance.choice(self.tally.admitted[-RECENT:])}")

    async def _create(self, client: Client, number: int) -> None:
        size, name = self._chance.choice(SIZES), f"claims-{number}"
        wanted = self._pod(name, size) if number % 3 else resource_claim(self._where, name, requests(size))
        await create(client, wanted, self.tally)

    def _pod(self, name: str, size: int) -> Object:
        claim = {"name": REFERENCE, "resourceClaimTemplateName": f"{TEMPLATE}{size}"}
        spec = {"resourceClaims": [claim], "schedulerName": "nobody"}
        return pod(name, self._where, {}, spec, resources={"claims": [{"name": REFERENCE}]})

    def _paths(self) -> Iterator[str]:
        yield f"/api/v1/namespaces/{self._where}/pods"
        yield CLAIMS.format(self._where)

    async def clear(self, client: Client) -> None:
        """Delete all pods and all claims; the controller's follow their pods."""
        for path in self._paths():
            await client.request("DELETE", path, timeout=60)
        while json.loads(await client.get(CLAIMS.format(self._where)))["items"]:  # noqa: ASYNC110 (others decide)
            await asyncio.sleep(0.2)

    async def fill(self, client: Client) -> None:
        """Create claims of one device until one is denied."""
        tally = Tally()
        while await create(client, resource_claim(self._where, f"fill-{len(tally.admitted)}", requests(1)), tally):
            pass
        assert tally.failed == []
