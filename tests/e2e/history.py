"""Many clients at once, and what the cluster's own history says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from admission.cluster.client import ApiError, Client, ClusterError
from tests.e2e.objects import GPU
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from tests.e2e.objects import Object

END = "end-of-history"
ENDED = ("Succeeded", "Failed")
PATHS = {"Pod": "/api/v1/namespaces", "ResourceClaim": "/apis/resource.k8s.io/v1/namespaces"}
_TRY_AGAIN = 429


@dataclass(slots=True)
class Tally:
    """What creates came to."""

    admitted: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self, number: int) -> None:
        """Wait until so many were admitted."""
        while len(self.admitted) < number:
            self.changed.clear()
            await self.changed.wait()


@contextlib.asynccontextmanager
async def clients(kubeconfig: Path, number: int) -> AsyncIterator[list[Client]]:
    """So many clients, each with connections of its own."""
    made = [await Client.connect(kubeconfig) for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            await each.close()


async def create(
    client: Client,
    wanted: Object,
    tally: Tally,
    query: Mapping[str, str] | None = None,
    timeout: float = 40,  # noqa: ASYNC109 (the transport's own limit)
) -> bool:
    """Create a pod, or a claim, and note what came of it: a name, or a message."""
    path = f"{PATHS[wanted['kind']]}/{wanted['metadata']['namespace']}/{wanted['kind'].lower()}s"
    body = json.dumps(wanted).encode()
    try:
        made = await client.request("POST", path, query=query, body=body, timeout=timeout)
    except ApiError as error:
        said_no = tally.postponed if error.status == _TRY_AGAIN else tally.denied
        where = said_no if "denied the request" in error.message else tally.failed
        where.append(error.message)
        return False
    except ClusterError as error:
        tally.failed.append(str(error))
        return False
    tally.admitted.append(json.loads(made)["metadata"]["name"])
    tally.changed.set()
    return True


async def delete(client: Client, where: str, name: str) -> None:
    """Delete a pod at once."""
    await client.request("DELETE", f"/api/v1/namespaces/{where}/pods/{name}", timeout=20)


async def version(client: Client) -> int:
    """Return the newest resourceVersion of pods."""
    listed = json.loads(await client.get("/api/v1/pods", {"limit": "1"}))
    return int(listed["metadata"]["resourceVersion"])


async def history(client: Client, where: str, since: int) -> list[dict[str, Any]]:
    """Return every event of the pods of a namespace after a revision until now, as etcd kept them."""
    tally = Tally()
    assert await create(client, pod(END, where, {}), tally), tally.failed
    query = {"watch": "true", "resourceVersion": str(since), "timeoutSeconds": "20"}
    events: list[dict[str, Any]] = []
    async with client.stream(f"/api/v1/namespaces/{where}/pods", query, 30) as lines:
        async for line in lines:
            event = json.loads(line)
            if event["object"]["metadata"]["name"] == END:
                return events
            events.append(event)
    raise AssertionError("the watch ended before its end was seen")


def _revision(event: dict[str, Any]) -> int:
    return int(event["object"]["metadata"]["resourceVersion"])


def charges(events: Iterable[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return revision and live devices after each event; a pod is live until it is gone or has ended."""
    live: dict[str, int] = {}
    levels, last = [], 0
    for event in events:
        assert _revision(event) >= last, "a watch replays in the order of revisions"
        last, uid = _revision(event), event["object"]["metadata"]["uid"]
        if event["type"] == "DELETED" or event["object"]["status"].get("phase") in ENDED:
            live.pop(uid, None)
        else:
            limits = event["object"]["spec"]["containers"][0]["resources"]["limits"]
            live[uid] = int(limits[GPU])
        levels.append((last, sum(live.values())))
    return levels


async def gather(*work: Any) -> None:
    """Wait for all of it, within two minutes."""
    async with asyncio.timeout(120):
        await asyncio.gather(*work)
