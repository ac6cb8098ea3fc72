"""Suspends what made evicted pods, once none of them is left: it would only go on trying to make them anew.

Never before: to scale a Deployment down, or to suspend a Job, ends all of its pods at once, past budgets and past the
pace of evictions.  What is suspended stays so until somebody resumes it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.enforce.sweep import kueue
from admission.enforce.sweep.found import MOST_OWNERS
from admission.enforce.sweep.record import NotRecordedError, Step, WorkloadOf
from admission.review.pod import Meta, OwnerReference

if TYPE_CHECKING:
    from admission.cluster.client import Client
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.record import Line, Steps
    from admission.review.pod import Pod

REPLICAS = "computegate.io/suspended-replicas"
"""Annotation with the number of replicas before."""

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
    namespace: str
    owner: OwnerReference


_decoder = msgspec.json.Decoder(_Controller)


class Suspender:
    """Remembers what made the pods that were evicted; forgets it with the term of the leader."""

    def __init__(self, client: Client, steps: Steps) -> None:
        self._client, self._steps = client, steps
        self._made: dict[str, _Left] = {}
        self._ripe: list[_Left] = []
        self.suspended = 0

    def note(self, pod: Pod) -> None:
        """Take note of what made a pod that was evicted."""
        owner = _controller(pod.metadata)
        if owner is not None and len(self._made) < _REMEMBERED:
            self._made[owner.uid] = _Left(pod.metadata.namespace, owner)

    def judged(self, namespace: str, found: Found) -> None:
        """Take note of what has pods left in a namespace."""
        if len(found.owners) >= MOST_OWNERS:
            return
        gone = [uid for uid, left in self._made.items() if left.namespace == namespace and uid not in found.owners]
        self._ripe += [self._made.pop(uid) for uid in gone]

    async def step(self, wanted: bool) -> None:
        """Suspend what has no pods left, where that is wanted."""
        while self._ripe:
            left = self._ripe[0]
            try:
                if wanted:
                    await self._suspend(left.namespace, left.owner)
            except NotRecordedError:
                raise  # it stays, until it can be
            except ClusterError as error:
                about = f"{left.owner.kind} {left.namespace}/{left.owner.name}"
                logger.warning("%s: not suspended: %s", about, error)
                workload = WorkloadOf(left.owner.kind, left.namespace, left.owner.name, left.owner.uid)
                await self._steps.after(self._line(Step.NotSuspended, workload, str(error)))
            del self._ripe[0]

    def _line(self, step: Step, workload: WorkloadOf, detail: str = "") -> Line:
        return self._steps.line(step, namespace=workload.namespace, workload=workload, pods=0, detail=detail)

    async def _suspend(self, namespace: str, owner: OwnerReference) -> None:
        if owner.kind == "Job":
            await self._suspend_job(namespace, owner)
        elif owner.kind in _SCALED:
            path = f"/apis/apps/v1/namespaces/{namespace}/{_SCALED[owner.kind]}/{owner.name}"
            found = await self._get(path, owner)
            above = _controller(found.metadata) if found else None
            if above is not None and above.kind in _SCALED:
                await self._suspend(namespace, above)
            elif found is not None and found.spec.replicas != 0:
                await self._scale(owner.kind, path, found)
        else:
            await self._deactivate(namespace, owner)

    async def _scale(self, kind: str, path: str, found: _Controller) -> None:
        had = 1 if found.spec.replicas is None else found.spec.replicas
        change = {"metadata": {"annotations": {REPLICAS: str(had)}}, "spec": {"replicas": 0}}
        await self._patch(kind, path, change, found)

    async def _suspend_job(self, namespace: str, owner: OwnerReference) -> None:
        if await self._deactivate(namespace, owner):
            return
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{owner.name}"
        found = await self._get(path, owner)
        above = _controller(found.metadata) if found else None
        if above is not None and await self._deactivate(namespace, above):
            return  # a JobSet, or the like: it is what is queued
        if found is not None and not found.spec.suspend:
            await self._patch("Job", path, {"spec": {"suspend": True}}, found)

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


def _controller(meta: Meta) -> OwnerReference | None:
    return next((each for each in meta.owner_references or () if each.controller), None)
