"""Keeps the reports current: written only where they say something else, one after another, and not too many a second.

What waits to be written is one body for each namespace, the newest; when the API server is slow, or says that it is
asked too much, there are fewer writes, and never more that wait.
"""

from __future__ import annotations

import asyncio
import logging
import operator
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cluster import lists
from admission.cluster.backoff import Backoff
from admission.cluster.client import ApiError, ClusterError
from admission.enforce.reports.bodies import API, NAME, SOURCE, Body, of_cluster, of_namespace, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.api.allowance import OwnFinding
    from admission.cluster.client import Client
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.steps import Policy
    from admission.review.reasons import Reason

PATH = f"/apis/{API}"
LOOK_SECONDS = 1.0
ABSENT_SECONDS = 10.0
"""Until it is looked again whether the API server knows reports."""

WRITE_SECONDS = 0.1
"""Between two writes."""

CLUSTER = ""
"""Stands for the report of the cluster, as a name of no namespace."""

READ_SECONDS = 600.0
"""Until what stands there is read again: somebody else may have written or deleted it."""


_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
"""The API server has too much to do, whatever is asked."""

logger = logging.getLogger(__name__)


class Facts(NamedTuple):
    """What was found, as of now."""

    found: Mapping[str, Found]
    entries: Mapping[str, Mapping[Reason, OwnFinding]]
    policy: Policy


class Reports:
    """Writes the reports of one term of leadership; ``facts`` is None while not all pods were judged."""

    def __init__(
        self, client: Client, facts: Callable[[], Facts | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._facts, self._clock = client, facts, clock
        self._stored: dict[str, tuple[Body, str]] = {}
        self._settled: dict[str, tuple[object, ...]] = {}
        self._waiting: dict[str, Body | None] = {}
        self._read_at = float("-inf")
        self.served = False
        self.writes = 0

    @property
    def waiting(self) -> int:
        """Reports that say something else than they should."""
        return len(self._waiting)

    async def run(self) -> None:
        """Go on until cancelled."""
        backoff = Backoff(random.uniform)  # (spreads replicas, guards nothing)
        while True:
            try:
                await self.step()
                backoff.reset()
                await asyncio.sleep(LOOK_SECONDS if self.served else ABSENT_SECONDS)
            except ClusterError as error:
                self.served = False
                logger.log(logging.DEBUG if backoff.failures else logging.WARNING, "reports: %s", error)
                await asyncio.sleep(backoff.delay(error.retry_after if isinstance(error, ApiError) else None))

    async def step(self) -> None:
        """Write what says something else; raises ``ClusterError``."""
        if self._facts() is None or not await self._is_served():
            return
        facts = self._facts()
        if facts is not None:
            self._look(facts)
        while self._waiting:
            namespace, body = next(iter(self._waiting.items()))
            await self._try(namespace, body)
            del self._waiting[namespace]
            await asyncio.sleep(WRITE_SECONDS)

    async def _is_served(self) -> bool:
        """Whether the API server knows reports; what stands there is read when that begins, and now and then."""
        if self.served and self._clock() - self._read_at < READ_SECONDS:
            return True
        self.served, self._stored, self._settled, self._waiting = False, {}, {}, {}
        try:
            await self._client.get(PATH)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        for plural in ("reports", "clusterreports"):
            await self._read(plural)
        self.served, self._read_at = True, self._clock()
        return True

    async def _read(self, plural: str) -> None:
        async for page in lists.pages(self._client, f"{PATH}/{plural}"):
            for raw in page:
                stored = msgspec.json.decode(raw)
                meta = stored["metadata"]
                if meta["name"] == NAME and stored.get("source") == SOURCE:
                    self._stored[meta.get("namespace", CLUSTER)] = said(stored), meta["resourceVersion"]

    def _look(self, facts: Facts) -> None:
        """Note what is to be written: compared by identity first, as what was found is kept while it is the same."""
        bases: dict[str, tuple[object, ...]] = {name: (entries,) for name, entries in facts.entries.items()}
        bases |= {name: () for name in self._stored if name not in bases}
        bases[CLUSTER] = facts.policy, *facts.found.values()
        for name, basis in bases.items():
            if not _same(self._settled.get(name), basis):
                about_all = name == CLUSTER
                entries = facts.entries.get(name, {})
                self._want(name, of_cluster(facts.found, facts.policy) if about_all else of_namespace(name, entries))
        self._settled = bases

    def _want(self, namespace: str, body: Body | None) -> None:
        stored = self._stored.get(namespace)
        if (said(body) if body else None) != (stored[0] if stored else None):
            self._waiting[namespace] = body

    async def _try(self, namespace: str, body: Body | None) -> None:
        """Write one; what is refused, or fails in one namespace, waits for the next reading and holds up no other."""
        try:
            await self._write(namespace, body)
        except ApiError as error:
            if error.status in _BUSY:
                raise
            logger.info("no report in namespace %s: %s", namespace, error)

    async def _write(self, namespace: str, body: Body | None) -> None:
        collection = f"{PATH}/namespaces/{namespace}/reports" if namespace else f"{PATH}/clusterreports"
        stored = self._stored.pop(namespace, None)
        if body is None:
            await self._client.request("DELETE", f"{collection}/{NAME}")
        elif stored is not None:
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": stored[1]}}
            self._keep(namespace, await self._client.replace(f"{collection}/{NAME}", msgspec.json.encode(body)))
        else:
            self._keep(namespace, await self._client.create(collection, msgspec.json.encode(body)))
        self.writes += 1

    def _keep(self, namespace: str, raw: bytes) -> None:
        stored = msgspec.json.decode(raw)
        self._stored[namespace] = said(stored), stored["metadata"]["resourceVersion"]


def _same(before: tuple[object, ...] | None, now: tuple[object, ...]) -> bool:
    return before is not None and len(before) == len(now) and all(map(operator.is_, before, now))
