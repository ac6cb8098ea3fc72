"""What made evicted pods is suspended once nothing of it is left to end, and tried again where that passes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from admission.cluster.client import ApiError, ClusterError, Unreachable
from admission.enforce.sweep.found import Found
from admission.enforce.sweep.reader import Reader, Reviewed
from admission.enforce.sweep.record import Line, Step, Steps
from admission.enforce.sweep.suspender import Suspender
from admission.review.pod import Pod
from admission.review.reasons import Reason
from tests.enforce.ground import START

Object = dict[str, Any]
JOBS, APPS = "/apis/batch/v1/namespaces/lab/jobs/", "/apis/apps/v1/namespaces/lab/"
WHY = frozenset({Reason.KYCExpired})


def made(name: str, owner: str = "", **spec: Any) -> Object:
    """Return an object, its name its uid, controlled by ``Kind/name``."""
    kind, _, of = owner.partition("/")
    owners = [{"apiVersion": "x/v1", "kind": kind, "name": of, "uid": of, "controller": True}] if of else []
    metadata = {"name": name, "namespace": "lab", "uid": name, "resourceVersion": "1", "ownerReferences": owners}
    return {"metadata": metadata, "spec": spec}


class Api:
    """An API server with controllers, and with Kueue where something is queued."""

    def __init__(self, objects: dict[str, Object], *pods: Object, queued: Object | None = None) -> None:
        self.objects, self.pods, self.queued = objects, pods, queued
        self.fails: list[ClusterError] = []
        self.patched: list[str] = []
        self.lines: list[Line] = []
        self.denied = WHY

    async def get(self, path: str, query: Any = None) -> bytes:  # noqa: ARG002 (one page holds all)
        if path.endswith("/pods"):
            return json.dumps({"metadata": {}, "items": self.pods}).encode()
        if path.endswith("/workloads"):
            return json.dumps({"metadata": {}, "items": [self.queued]}).encode()
        if path.endswith("kueue.x-k8s.io") and self.queued:
            return b'{"preferredVersion":{"version":"v1beta2"}}'
        if path not in self.objects:
            raise ApiError(404, "NotFound", "")
        return json.dumps(self.objects[path]).encode()

    async def merge_patch(self, path: str, body: bytes) -> bytes:
        assert json.loads(body)["metadata"]["resourceVersion"] == "1"
        if self.fails:
            raise self.fails.pop()
        self.patched.append(path.rpartition("/")[2])
        return b"{}"

    def steps(self, owner: str, times: int = 1) -> list[str]:
        """Have a pod of an owner evicted, and its last one gone; return what was patched after some steps."""
        client: Any = self
        now = 0.0

        def record(lines: Any) -> asyncio.Future[None]:
            self.lines += lines
            done = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

        async def review(_: Pod) -> Reviewed:
            return Reviewed(self.denied)

        async def stepped() -> None:
            nonlocal now
            steps = Steps(record, strict=False, tenant=str.upper, now=lambda: START)
            reader = Reader(client, review, (), lambda _: None)
            suspender = Suspender(client, steps, reader, lambda: now)
            suspender.note(msgspec.convert(made("gone", owner), Pod), WHY)
            suspender.judged("lab", Found())
            for _ in range(times):
                await suspender.step(lambda *_: True)
                now += 1.0

        asyncio.run(stepped())
        return self.patched


ROLLOUT = {
    APPS + "deployments/web": made("web", replicas=3),
    APPS + "replicasets/old": made("old", "Deployment/web", replicas=3),
    APPS + "replicasets/new": made("new", "Deployment/web", replicas=3),
    APPS + "replicasets/past": made("past", "Deployment/web", replicas=0),
    APPS + "replicasets/other": made("other", "Deployment/db", replicas=1),
}
SET = {JOBS + "a": made("a", "JobSet/set", suspend=False), JOBS + "b": made("b", "JobSet/set", suspend=False)}


@pytest.mark.parametrize(
    ("owner", "pod", "expected"),
    [
        ("ReplicaSet/old", "ReplicaSet/other", ["web"]),
        ("ReplicaSet/old", "ReplicaSet/new", []),
        ("ReplicaSet/past", "ReplicaSet/other", []),
        ("Job/a", "Job/of-no-set", ["queued"]),
        ("Job/a", "Job/b", []),
        ("Job/a", "Job/a", []),
    ],
)
def test_nothing_is_suspended_of_which_any_child_has_pods_or_that_has_moved_on(
    owner: str, pod: str, expected: list[str]
) -> None:
    api = Api(ROLLOUT | SET, made("runs", pod), queued=made("queued", "JobSet/set", active=True))
    assert api.steps(owner) == expected


def test_what_would_be_admitted_again_is_not_suspended() -> None:
    api = Api(ROLLOUT)
    api.denied = frozenset({Reason.ListedParty})
    assert api.steps("ReplicaSet/old") == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ApiError(409, "Conflict", ""), ["web"]),
        (ApiError(429, "TooManyRequests", ""), ["web"]),
        (ApiError(503, "ServiceUnavailable", ""), ["web"]),
        (Unreachable("away"), ["web"]),
        (ApiError(403, "Forbidden", ""), []),
        (ApiError(422, "Invalid", ""), []),
    ],
)
def test_what_passes_by_itself_is_tried_again_and_less_and_less_often(error: ClusterError, expected: list[str]) -> None:
    api = Api(ROLLOUT)
    api.fails = [error] * 3
    assert api.steps("ReplicaSet/old", times=12) == expected
    told = [str(line.step) for line in api.lines]
    failed = 3 if expected else 1
    assert told == ["Suspending", "NotSuspended"] * failed + ["Suspending", "Suspended"] * len(expected)
    assert len(api.fails) == 3 - failed


def test_a_workload_of_kueue_that_cannot_be_read_ends_nothing_else() -> None:
    api = Api(SET, queued={"metadata": 7})
    api.steps("Job/a", times=3)
    assert {str(line.step) for line in api.lines} == {"NotSuspended"}


def test_a_controller_that_is_too_many_to_remember_is_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    api: Any = Api(ROLLOUT)

    async def review(_: Pod) -> Reviewed:
        return Reviewed()

    suspender = Suspender(api, api, Reader(api, review, (), lambda _: None))
    pods = [msgspec.convert(made("gone", f"ReplicaSet/{number}"), Pod) for number in range(1002)]
    for pod in (*pods, *pods):
        suspender.note(pod, WHY)
    assert (suspender.forgotten, caplog.text.count("too many to remember")) == (2, 2)


@pytest.mark.parametrize(
    ("objects", "owner", "patched", "goes_on"),
    [
        ({}, "RayCluster/ray", [], ("RayCluster", "ray")),
        ({JOBS + "night-1": made("night-1", "CronJob/night")}, "Job/night-1", ["night-1"], ("CronJob", "night")),
        ({JOBS + "a": made("a", "JobSet/set")}, "Job/a", ["a"], ("JobSet", "set")),
        ({APPS + "replicasets/r": made("r", "Rollout/web", replicas=2)}, "ReplicaSet/r", ["r"], ("Rollout", "web")),
    ],
)
def test_what_goes_on_as_nothing_suspends_its_kind_is_recorded_so(
    objects: dict[str, Object], owner: str, patched: list[str], goes_on: tuple[str, str]
) -> None:
    api = Api(objects)
    assert api.steps(owner, times=3) == patched
    told = [each.workload for each in api.lines if each.step is Step.NotSuspended]
    assert [(each.kind, each.name) for each in told if each] == [goes_on]
