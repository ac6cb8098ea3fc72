"""A leader lease on a coordination.k8s.io/v1 Lease: one replica does the work that need not be done thrice.

**Safety never rests on it.**  A process can be frozen between reading ``held`` and acting, so two may act at
once; whatever the holder writes is guarded by its own compare-and-swap.  The lease saves work, no more.

Rules, as client-go's leader election has them: others may take it when its object has not changed for the lease
duration by *their* monotonic clock; we stop earlier, two thirds of the duration after we *sent* the last renewal
that succeeded, by ours.  No wall clock is compared with another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError, ClusterError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from admission.cluster.client import Client

_RELEASE_TIMEOUT = 2.0

_lease = msgspec.json.Decoder(wire.Lease)

logger = logging.getLogger(__name__)


class Lease:
    """Run it as a task; ``held`` says whether this process is the leader.  Cancelling the task releases it.

    Args:
        client: the API server.
        namespace: where the Lease object is.
        name: its name; it is created when missing.
        identity: of this process, unlike any other's and unlike that of its own earlier life.
        now: wall clock with time zone, only for the times people read in the object.
        duration: seconds, whole: how long others wait for a silent holder.
        on_change: called with ``held`` when it changed; a loss by silence is called up to a retry later.
        clock: monotonic seconds.
        uniform: a draw from a range, for the pause between tries.
        fit: whether this process may lead; one that may not gives the lease back.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        now: Callable[[], dt.datetime],
        duration: int = 15,
        on_change: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        fit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client = client
        self._fit = fit
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self.identity = identity
        self._now = now
        self._duration = duration
        self._on_change = on_change or (lambda _: None)
        self._clock = clock
        self._uniform = uniform
        self._until = -math.inf
        self._told = False
        self._mine: wire.Lease | None = None  # as last stored by us
        self._seen: tuple[str, float] = ("", 0.0)  # another holder's version, and when we first saw it

    @property
    def held(self) -> bool:
        """Whether this process may consider itself the leader now."""
        return self._clock() < self._until

    @property
    def path(self) -> str:
        """Where the Lease is."""
        return f"{self._collection}/{self._name}"

    async def run(self) -> None:
        """Acquire and renew until cancelled, then release."""
        try:
            while True:
                await (self._try() if self._fit() else self._release())
                self._tell()
                # A seventh of the duration: five renewals fit into the time that we count on one.
                await asyncio.sleep(self._uniform(0.8, 1.2) * self._duration / 7)
        finally:
            await self._release()

    async def _try(self) -> None:
        sent = self._clock()
        try:
            stored = await (self._write(self._mine) if self._mine else self._acquire())
        except (ClusterError, msgspec.MsgspecError) as error:
            logger.info("lease %s: %s", self._name, error)
            self._mine = None  # conflict, lost answer: look at the object before the next write
            return
        if stored is not None:
            self._mine, self._until = stored, sent + self._duration * 2 / 3

    async def _acquire(self) -> wire.Lease | None:
        try:
            current = _lease.decode(await self._request("GET", self.path))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return await self._create()
        if not self._may_take(current):
            self._until = -math.inf
            return None
        return await self._write(current)

    def _may_take(self, current: wire.Lease) -> bool:
        holder = current.spec.holder_identity
        if not holder or holder == self.identity:
            return True
        version = current.metadata.resource_version
        if self._seen[0] != version:
            self._seen = (version, self._clock())
        silence = self._clock() - self._seen[1]
        return silence >= (current.spec.lease_duration_seconds or self._duration)

    async def _create(self) -> wire.Lease:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": self._spec(wire.LeaseSpec()),
        }
        return _lease.decode(await self._request("POST", self._collection, lease))

    async def _write(self, current: wire.Lease) -> wire.Lease:
        """Write our name and the time, if nobody has written since ``current``."""
        patch = {
            "metadata": {"resourceVersion": current.metadata.resource_version},
            "spec": self._spec(current.spec),
        }
        return _lease.decode(await self._request("PATCH", self.path, patch))

    def _spec(self, before: wire.LeaseSpec) -> wire.LeaseSpec:
        now = self._now().isoformat(timespec="microseconds")
        again = before.holder_identity == self.identity
        return wire.LeaseSpec(
            holder_identity=self.identity,
            lease_duration_seconds=self._duration,
            acquire_time=before.acquire_time if again else now,
            renew_time=now,
            lease_transitions=(before.lease_transitions or 0) + (not again),
        )

    async def _request(self, method: str, path: str, body: Any = None, limit: float = math.inf) -> bytes:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        encoded = None if body is None else msgspec.json.encode(body)
        timeout = min(limit, self._duration / 3)
        return await self._client.request(method, path, body=encoded, content_type=kind, timeout=timeout)

    async def _release(self) -> None:
        """Clear our name, so that another need not wait for the duration."""
        self._until = -math.inf
        self._tell()
        if self._mine is None:
            return
        patch = {
            "metadata": {"resourceVersion": self._mine.metadata.resource_version},
            "spec": {"holderIdentity": None},
        }
        self._mine = None
        with contextlib.suppress(ClusterError):  # it runs out by itself
            await self._request("PATCH", self.path, patch, _RELEASE_TIMEOUT)

    def _tell(self) -> None:
        if self.held != self._told:
            self._told = not self._told
            self._on_change(self._told)
