"""Suspends what made evicted pods, once none of them is left: it would only go on trying to make them anew.

A new leader knows it from the pods that still end.  What had none left by then is not suspended, only denied.

Never before: to scale a Deployment down, or to suspend a Job, ends all of its pods at once, past budgets and past the
pace of evictions.  Nor where another child of it has pods, as the new ReplicaSet of a rollout that puts things right,
or where the evicted pod would be admitted now.  What is suspended stays so until somebody resumes it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import cachetools
import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.cluster.decoding import Decoder
from admission.enforce.sweep import kueue
from admission.enforce.sweep.found import MOST_OWNERS
from admission.enforce.sweep.reader import of_namespace
from admission.enforce.sweep.record import NotRecordedError, Step, WorkloadOf
from admission.review.pod import Meta, OwnerReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.cluster.client import Client
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.reader import Reader
    from admission.enforce.sweep.record import Line, Steps
    from admission.review.pod import Pod
    from admission.review.reasons import Reason

    Evicts = Callable[[str, Reason], bool]

REPLICAS = "computegate.io/suspended-replicas"
"""Annotation with the number of replicas before."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds until a controller that could not be suspended is tried again; doubled each time."""

GOES_ON = "nothing here suspends this kind: it goes on, and what it makes is denied"

_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
"""Refusals that pass by themselves: a controller writes what it controls all the time."""

_REMEMBERED = 1000  # controllers whose pods were evicted, and some are left
_SCALED = {"ReplicaSet": "replicasets", "StatefulSet": "statefulsets", "Deployment": "deployments"}

logger = logging.getLogger(__name__)


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int | None = None
    suspend: bool | None = None


class _Controller(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta = Meta()
    spec: _Spec = _Spec()


class _Left(NamedTuple):
    """What made a pod that was evicted, and why it was."""

    owner: OwnerReference
    pod: Pod
    reasons: frozenset[Reason]

    @property
    def namespace(self) -> str:
        return self.pod.metadata.namespace


@dataclass(slots=True)
class _Ripe:
    """What has no pods left, and when it is tried (again)."""

    left: _Left
    at: float = float("-inf")
    pause: float = FIRST_PAUSE


_decoder = Decoder(_Controller)


class Suspender:
    """Remembers what made the pods that were evicted; forgets it with the term of the leader."""

    def __init__(
        self, client: Client, steps: Steps, reader: Reader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._steps, self._reader, self._clock = client, steps, reader, clock
        self._made: dict[str, _Left] = {}
        self._ripe: list[_Ripe] = []
        self._forgotten: cachetools.LRUCache[str, None] = cachetools.LRUCache(_REMEMBERED)
        self.suspended = 0
        self.forgotten = 0
        """Controllers that are not suspended, as there were too many to remember."""

    def note(self, pod: Pod, reasons: frozenset[Reason]) -> None:
        """Take note of what made a pod that was told to end, for these reasons."""
        owner = _controller(pod.metadata)
        if owner is None:
            return
        if owner.uid in self._made or len(self._made) < _REMEMBERED:
            self._made[owner.uid] = _Left(owner, pod, reasons)
        elif owner.uid not in self._forgotten:
            self._forgotten[owner.uid] = None
            self._forget(owner, pod.metadata.namespace)

    def _forget(self, owner: OwnerReference, namespace: str) -> None:
        self.forgotten += 1
        logger.warning("%s %s/%s: too many to remember: it will not be suspended", owner.kind, namespace, owner.name)

    def judged(self, namespace: str, found: Found) -> None:
        """Take note of what has pods left in a namespace."""
        here = [uid for uid, left in self._made.items() if left.namespace == namespace]
        if len(found.owners) >= MOST_OWNERS:
            for uid in here:
                self._forget(self._made.pop(uid).owner, namespace)
            return
        gone = [uid for uid in here if uid not in found.owners]
        self._ripe += [_Ripe(self._made.pop(uid)) for uid in gone]

    async def step(self, evicts: Evicts | None) -> None:
        """Suspend what has no pods left; what others write meanwhile is tried again.

        ``evicts`` tells whether pods of a namespace are evicted now for a reason; None where nothing is suspended.
        """
        for ripe in [each for each in self._ripe if evicts is None or each.at <= self._clock()]:
            if evicts is None or await self._is_settled(ripe, evicts):
                self._ripe.remove(ripe)

    async def _is_settled(self, ripe: _Ripe, evicts: Evicts) -> bool:
        """Suspend, and say whether there is nothing more to try; raises ``NotRecordedError``."""
        left = ripe.left
        try:
            if not await self._would_be_evicted(left, evicts):
                return True
            await self._suspend(left.namespace, left.owner)
        except NotRecordedError:
            raise  # it stays, until it can be
        except ClusterError as error:
            await self._not_suspended(left, error)
            if (
                isinstance(error, ApiError)
                and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
                and error.status not in _PASSING
            ):
                return True
            ripe.at, ripe.pause = self._clock() + ripe.pause, min(LONGEST_PAUSE, 2 * ripe.pause)
            return False
        return True

    async def _would_be_evicted(self, left: _Left, evicts: Evicts) -> bool:
        """Say whether a pod would still be denied for what it was evicted for, and evicted."""
        reviewed = await self._reader.review(left.pod)
        if reviewed is None:
            raise ClusterError("nobody can tell now whether it would be denied")
        return any(evicts(left.namespace, reason) for reason in reviewed.reasons & left.reasons)

    async def _not_suspended(self, left: _Left, error: ClusterError) -> None:
        await self._tell(left.namespace, left.owner, str(error))

    async def _tell(self, namespace: str, owner: OwnerReference, why: str) -> None:
        logger.warning("%s %s/%s: not suspended: %s", owner.kind, namespace, owner.name, why)
        workload = WorkloadOf(owner.kind, namespace, owner.name, owner.uid)
        await self._steps.after(self._line(Step.NotSuspended, workload, why))

    def _line(self, step: Step, workload: WorkloadOf, detail: str = "") -> Line:
        return self._steps.line(step, namespace=workload.namespace, workload=workload, pods=0, detail=detail)

    async def _suspend(self, namespace: str, owner: OwnerReference) -> None:
        if await self._has_pods(namespace, owner, owner):
            return
        if owner.kind == "Job":
            await self._suspend_job(namespace, owner)
        elif owner.kind in _SCALED:
            await self._suspend_scaled(namespace, owner)
        elif not await self._deactivate(namespace, owner):
            await self._tell(namespace, owner, GOES_ON)

    async def _suspend_scaled(self, namespace: str, owner: OwnerReference) -> None:
        found = await self._get(_path(namespace, owner), owner)
        if found is None or found.spec.replicas == 0:
            return  # a rollout has moved on from it: what it made is not what is made now
        above = _controller(found.metadata)
        if above is None or above.kind not in _SCALED:
            await self._scale(owner.kind, _path(namespace, owner), found)
            if above is not None:
                await self._tell(namespace, above, GOES_ON)
            return
        top = await self._get(_path(namespace, above), above)
        if top is not None and top.spec.replicas != 0 and not await self._has_pods(namespace, owner, above):
            await self._scale(above.kind, _path(namespace, above), top)

    async def _has_pods(self, namespace: str, child: OwnerReference, top: OwnerReference) -> bool:
        """Say whether a pod is left of what is to be suspended, whichever of its children made it."""
        seen = set[str]()
        async for pods in self._reader.live(of_namespace(namespace)):
            owners = (_controller(pod.metadata) for pod in pods)
            for owner in {each.uid: each for each in owners if each is not None}.values():
                if owner.uid in {child.uid, top.uid}:
                    return True
                if child.uid == top.uid or owner.kind != child.kind or owner.uid in seen:
                    continue
                seen.add(owner.uid)
                found = await self._get(_path(namespace, owner), owner)
                above = _controller(found.metadata) if found else None
                if above is not None and above.uid == top.uid:
                    return True
        return False

    async def _scale(self, kind: str, path: str, found: _Controller) -> None:
        had = 1 if found.spec.replicas is None else found.spec.replicas
        change = {"metadata": {"annotations": {REPLICAS: str(had)}}, "spec": {"replicas": 0}}
        await self._patch(kind, path, change, found)

    async def _suspend_job(self, namespace: str, owner: OwnerReference) -> None:
        if await self._deactivate(namespace, owner):
            return
        path = _path(namespace, owner)
        found = await self._get(path, owner)
        above = _controller(found.metadata) if found else None
        if above is not None and await kueue.queued(self._client, namespace, above.uid):
            if not await self._has_pods(namespace, owner, above):  # a JobSet, or the like: it is what is queued
                await self._deactivate(namespace, above)
            return
        if found is not None and not found.spec.suspend:
            await self._patch("Job", path, {"spec": {"suspend": True}}, found)
            if above is not None:
                await self._tell(namespace, above, GOES_ON)

    async def _deactivate(self, namespace: str, owner: OwnerReference) -> bool:
        """Have Kueue evict what it queues; without it, it would be started again.  False where it does not."""
        found = await kueue.queued(self._client, namespace, owner.uid)
        if found is not None and found.active:
            await self._patch("Workload", found.path, {"spec": {"active": False}}, found.workload)
        return found is not None

    async def _get(self, path: str, owner: OwnerReference) -> _Controller | None:
        """Return what an owner reference names; None where it is gone, or another of its name."""
        try:
            found = _decoder.decode(await self._client.get(path))
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise
        except msgspec.MsgspecError as error:
            raise ClusterError(f"{path}: {error}") from error
        return found if found.metadata.uid == owner.uid else None

    async def _patch(
        self, kind: str, path: str, change: dict[str, object], found: _Controller | kueue.Workload
    ) -> None:
        metadata = change.get("metadata")
        known = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version}
        body = {**change, "metadata": {**(metadata if isinstance(metadata, dict) else {}), **known}}
        meta = found.metadata
        workload = WorkloadOf(kind, meta.namespace, meta.name, meta.uid)
        await self._steps.before(self._line(Step.Suspending, workload))
        await self._client.merge_patch(path, msgspec.json.encode(body))
        self.suspended += 1
        await self._steps.after(self._line(Step.Suspended, workload))


def _path(namespace: str, owner: OwnerReference) -> str:
    if owner.kind == "Job":
        return f"/apis/batch/v1/namespaces/{namespace}/jobs/{owner.name}"
    return f"/apis/apps/v1/namespaces/{namespace}/{_SCALED[owner.kind]}/{owner.name}"


def _controller(meta: Meta) -> OwnerReference | None:
    return next((each for each in meta.owner_references or () if each.controller), None)
