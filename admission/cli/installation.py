"""Writes into the ComputeGate of the installation how this replica is; run by every replica for itself.

Each says what it finds, and what all say together is put together anew by whoever writes.  So nothing hangs on the
leader, whom there may be none of just then: a replica whose clock is wrong gives the lease back.  Written when a
status or a reason changes, and words alone at most once a minute; by compare-and-swap, as all write one object.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pydantic

from admission.api import API_VERSION
from admission.api.installation import ComputeGate
from admission.cluster.client import ApiError, ClusterError
from admission.enforce.installation import Steady, left, told

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from admission.api.installation import ComputeGateStatus
    from admission.cluster.client import Client
    from admission.enforce.installation import Finding

NAME = "computegate"
LOOK_SECONDS = 2.0
READ_SECONDS = 60.0
"""Between two looks at what is written, in case somebody else wrote it, and at replicas that are gone."""

RETRY_SECONDS = 10.0
_LEAVING_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Replica(NamedTuple):
    """Who writes: the pod's name, its namespace, and whether replicas are pods, so that one can be gone."""

    name: str
    namespace: str
    is_pod: bool


class Installation:
    """Run it as one task.

    ``looks`` say, by type, what is found now; None is nothing to say.  What is not good counts when it has lasted for
    ``grace`` seconds.  ``leads`` says whether this replica is the leader, which takes out those that are gone.
    """

    def __init__(
        self,
        client: Client,
        replica: Replica,
        looks: Mapping[str, Callable[[], Finding | None]],
        *,
        leads: Callable[[], bool],
        grace: float,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._client, self._replica, self._looks, self._leads, self._now = client, replica, looks, leads, now
        self._collection = f"/apis/{API_VERSION}/namespaces/{replica.namespace}/{ComputeGate.crd.plural}"
        self._steady = {kind: Steady(grace) for kind in looks}
        self._written: dict[str, tuple[bool | None, str]] | None = None
        self._due = 0.0
        self._problem = ""

    async def run(self) -> None:
        """Go on until cancelled, then say that this replica is gone."""
        try:
            while True:
                await self._round(asyncio.get_running_loop().time())
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            with contextlib.suppress(ClusterError, TimeoutError):
                async with asyncio.timeout(_LEAVING_SECONDS):
                    await self._write(lambda gate: left(gate, self._replica.name, self._looks, self._now()))

    async def _round(self, now: float) -> None:
        for kind, look in self._looks.items():
            self._steady[kind].heed(look(), now)
        found = {kind: each.counts for kind, each in self._steady.items() if each.counts is not None}
        said = {kind: each[:2] for kind, each in found.items()}
        if now < self._due and (said == self._written or self._problem):
            return
        try:
            gone = await self._gone() if now >= self._due else []
            await self._write(lambda gate: told(gate, self._replica.name, found, self._looks, self._now(), gone=gone))
        except ClusterError as error:
            self._failed(error, now)
        else:
            self._written, self._due, self._problem = said, now + READ_SECONDS, ""

    def _failed(self, error: ClusterError, now: float) -> None:
        if isinstance(error, ApiError) and error.status == HTTPStatus.CONFLICT:
            self._written = None  # somebody else wrote: soon again
            return
        if str(error) != self._problem:
            logger.warning("conditions of the installation cannot be written: %s", error)
        self._problem, self._due = str(error), now + RETRY_SECONDS

    async def _gone(self) -> list[str]:
        """Return the other replicas whose pods are gone."""
        if not self._replica.is_pod or not self._leads():
            return []
        names = [each.name for each in _gate(await self._read()).status.replicas if each.name != self._replica.name]
        return [name for name in names if not await self._is_there(name)]

    async def _is_there(self, pod: str) -> bool:
        try:
            await self._client.get(f"/api/v1/namespaces/{self._replica.namespace}/pods/{pod}")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    async def _write(self, change: Callable[[ComputeGate], ComputeGateStatus]) -> None:
        stored = await self._read()
        gate = _gate(stored)
        status = change(gate)
        if status != gate.status:
            body = {**stored, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}
            await self._client.replace(f"{self._collection}/{NAME}/status", msgspec.json.encode(body))

    async def _read(self) -> dict[str, Any]:
        """Return the object; it is made where there is none."""
        try:
            stored = await self._client.get(f"{self._collection}/{NAME}")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            body = {"apiVersion": API_VERSION, "kind": "ComputeGate", "metadata": {"name": NAME}}
            stored = await self._client.create(self._collection, msgspec.json.encode(body))
        return dict(msgspec.json.decode(stored))


def _gate(stored: Mapping[str, Any]) -> ComputeGate:
    """Return the object as a model; without its status where that cannot be read, which is then written anew."""
    try:
        return ComputeGate.model_validate(stored)
    except pydantic.ValidationError:
        return ComputeGate.model_validate({**stored, "status": {}})
