"""The leader's memory of what the release enforced: an upgrade to values that enforce less is told, once.

Replicas are replaced by that very upgrade, so the memory is an annotation of the Lease that they share; with it stands
when less was enforced last, which every later leader goes on measuring.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cluster.client import ClusterError
from admission.enforce.alarm.coverage import Coverage, coverage_of, losses

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.cluster.client import Client

    Objects = tuple[dict[str, Any], ...]

ANNOTATION = "computegate.io/enforces"
_PAUSE_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Memory(msgspec.Struct, frozen=True):
    """What the annotation holds."""

    coverage: Coverage
    weakened: dt.datetime | None = None


class _Metadata(msgspec.Struct, frozen=True):
    annotations: dict[str, str] = {}


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Metadata


class ReleaseWatch:
    """Run it as one task.

    Args:
        client: the API server.
        lease: path of the Lease.
        leads: whether this replica is the leader, which alone remembers and tells.
        installed: what the release says that it installed, None while that is unknown.
        settings: which of the settings by which more is enforced are on in this replica.
        tell: called with the ways in which less is enforced; once, unless it cannot be remembered.
        now: wall clock.
    """

    def __init__(
        self,
        client: Client,
        lease: str,
        *,
        leads: Callable[[], bool],
        installed: Callable[[], Objects | None],
        settings: tuple[str, ...],
        tell: Callable[[list[str]], None],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._client, self._lease = client, lease
        self._leads, self._installed, self._tell, self._now = leads, installed, tell, now
        self._settings = settings
        self._seen: Objects | None = None
        self.weakened: dt.datetime | None = None
        """When less was enforced last; None where that never was, or another replica leads."""

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            objects = self._installed()
            if not self._leads():
                self._seen, self.weakened = None, None
            elif objects is not None and objects is not self._seen:
                try:
                    await self._heed(coverage_of(objects, self._settings))
                    self._seen = objects
                except ClusterError as error:
                    logger.warning("what the release enforced cannot be remembered: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _heed(self, coverage: Coverage) -> None:
        before = _remembered(await self._client.get(self._lease))
        what = list(losses(before.coverage, coverage)) if before else []
        if what:
            self._tell(what)
        self.weakened = self._now() if what else before.weakened if before else None
        memory = Memory(coverage, self.weakened)
        if memory != before:
            text = msgspec.json.encode(memory).decode()
            await self._client.merge_patch(
                self._lease, msgspec.json.encode({"metadata": {"annotations": {ANNOTATION: text}}})
            )


def _remembered(lease: bytes) -> Memory | None:
    """Return what is remembered; None where nothing is, or nothing that can be read."""
    try:
        return msgspec.json.decode(
            msgspec.json.decode(lease, type=_Lease).metadata.annotations[ANNOTATION], type=Memory
        )
    except (KeyError, msgspec.MsgspecError):
        return None
