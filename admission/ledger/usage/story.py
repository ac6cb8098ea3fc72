"""What happened while nobody led: the ends, and the pods that came and went, between the journal and a list.

Who still holds anything at the list is known from it.  Of everything else the events tell how it ended, though not
when: no later than now, no earlier than the journal last knew it to hold.
"""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import history
from admission.cluster.client import ApiError
from admission.cluster.decoding import Decoder
from admission.ledger.seen import ENDED
from admission.ledger.usage.holdings import Holdings, asked, finished_at
from admission.ledger.usage.interval import How
from admission.ledger.usage.meter import Meter
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.ledger.usage.interval import Interval
    from admission.ledger.usage.journal import Head

PODS, CLAIMS = "/api/v1/pods", "/apis/resource.k8s.io/v1/resourceclaims"

_pods = Decoder(Pod)
_claims = Decoder(ResourceClaim)


class Story:
    """The intervals of ``missing`` objects, which held devices at the journal and hold none at the list.

    ``account`` is that of ``Holdings``.
    """

    def __init__(
        self,
        registry: Registry,
        account: Callable[[str, str], tuple[str, str]],
        head: Head,
        *,
        missing: Iterable[Interval],
        present: Collection[str],
        now: int,
    ) -> None:
        self._meter = Meter(head.since)
        self._meter.resume(missing)
        self._holdings = Holdings(registry, account, asked(registry))
        self._head, self._present, self._now = head, present, now

    async def follow(self, client: Client, pods: int, claims: int) -> None:
        """Take in all events up to these versions; claims first, as they outlive what they tell of the pods.

        Raises ``ClusterError``; with status 410 where too much time has passed for that.
        """
        await self._each(client, CLAIMS, self._head.claims, claims, self._take_claim)
        await self._each(client, PODS, self._head.pods, pods, self._take)

    def guess(self, pods: Iterable[Pod]) -> None:
        """Do without events: pods that have ended, and were written to since the journal, may have ended since."""
        for pod in pods:
            if pod.status.phase in ENDED and int(pod.metadata.resource_version or 0) > self._head.pods:
                self._see(msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="")))
                self._end(pod, _end_of(pod))

    def ended(self) -> list[Interval]:
        """Return all intervals; those of which no end was told end unseen."""
        for uid in tuple(self._meter.open):
            self._finish(uid, How.UNSEEN)
        return list(self._meter.ended.values())

    async def _each(
        self, client: Client, path: str, after: int, until: int, take: Callable[[str, bytes], None]
    ) -> None:
        try:
            async for kind, raw in history.changes(client, path, after, until):
                with contextlib.suppress(msgspec.MsgspecError):  # one object that cannot be read
                    take(kind, raw)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _take_claim(self, kind: str, raw: bytes) -> None:
        claim = _claims.decode(raw)
        uid = claim.metadata.uid
        if uid in self._present:
            return
        if kind == "DELETED" or claim.status.allocation is None:
            self._finish(uid, How.RELEASED)
        else:
            self._holdings.take_claim(claim)
            self._look(uid)

    def _take(self, kind: str, raw: bytes) -> None:
        pod = _pods.decode(raw)
        if pod.metadata.uid in self._present:
            return
        if pod.status.phase in ENDED:
            self._end(pod, _end_of(pod))
        elif kind == "DELETED":
            self._see(pod)
            self._end(pod, How.DELETED)
        else:
            self._see(pod)

    def _see(self, pod: Pod) -> None:
        if self._holdings.take(pod):
            self._look(pod.metadata.uid)

    def _look(self, uid: str) -> None:
        holding = self._holdings.of(uid)
        if holding is not None and uid not in self._meter.open:
            # As of its beginning: until when it was held is what its end will tell.
            self._meter.see(uid, holding, self._head.at if holding.bound is None else holding.bound)

    def _end(self, pod: Pod, how: How) -> None:
        self._finish(pod.metadata.uid, how, finished_at(pod))
        self._holdings.lose(pod.metadata.uid)

    def _finish(self, uid: str, how: How, finished: str = "") -> None:
        self._meter.end(uid, self._now, how, known=self._head.at, finished=finished)


def _end_of(pod: Pod) -> How:
    return How.SUCCEEDED if pod.status.phase == "Succeeded" else How.FAILED
