"""Events: accepted by a real API server, one for a transition, and never in anybody's way."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from admission.cluster.events import CONTROLLER, Events, Regarding
from tests.cluster.scripted import api_server, connected, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import web

    from tools.controlplane import ControlPlane

TENANT = Regarding("computegate.io/v1alpha1", "Tenant", "acme", "uid-acme")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextlib.asynccontextmanager
async def sending(events: Events) -> AsyncIterator[Callable[[int], Any]]:
    task = asyncio.create_task(events.run())

    async def settled(count: int) -> None:
        async with asyncio.timeout(20):
            while events.sent + events.dropped < count:  # noqa: ASYNC110  (the state of another process)
                await asyncio.sleep(0.01)

    try:
        yield settled
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_the_api_server_takes_events_on_cluster_scoped_and_namespaced_objects(
    control_plane: ControlPlane, namespace: str
) -> None:
    name = f"tenant-{uuid.uuid4().hex[:8]}-{'x' * 230}."[:253]
    cluster = Regarding("computegate.io/v1alpha1", "Tenant", name, str(uuid.uuid4()))
    own = Regarding("computegate.io/v1alpha1", "Allowance", "allowance", str(uuid.uuid4()), namespace)

    async def run() -> list[dict[str, Any]]:
        async with connected(control_plane.kubeconfig) as client:
            events = Events(client, "computegate-0", now=now)
            for _ in range(12):
                events.record(cluster, "KYCExpired", "é" * 2000, action="Evaluation", warning=True)
            events.record(own, "QuotaExceeded", "denied once", action="Admission")
            async with sending(events) as settled:
                await settled(3)
            assert (events.sent, events.repeated, events.dropped) == (3, 11, 0)
            found = []
            for where in ("default", namespace):
                answer = await client.get(
                    f"/apis/events.k8s.io/v1/namespaces/{where}/events",
                    {"fieldSelector": f"reportingController={CONTROLLER}"},
                )
                found += json.loads(answer)["items"]
            return [event for event in found if event["regarding"]["uid"] in {cluster.uid, own.uid}]

    first, second = asyncio.run(run())
    assert (first["type"], first["reason"], first["series"]["count"]) == ("Warning", "KYCExpired", 10)
    assert first["note"] == "é" * 512
    assert (second["type"], second["note"], second["reportingInstance"]) == ("Normal", "denied once", "computegate-0")


def test_the_same_transition_is_new_again_after_the_window_and_for_another_object(tmp_path: Path) -> None:
    seconds = 0.0
    sent: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sent.append(json.loads(await request.read())["regarding"]["name"])
        return refusal(201)

    async def run() -> int:
        nonlocal seconds
        async with api_server(answer, tmp_path) as client:
            events = Events(client, "0", now=now, clock=lambda: seconds, window=3600)
            for moment, name, transition in (
                (0, "acme", ""),
                (3599, "acme", ""),
                (3599, "acme", "h100"),
                (3599, "other", ""),
                (3601, "acme", ""),
            ):
                seconds = moment
                events.record(Regarding("v1", "Tenant", name, name), "R", "n", action="A", transition=transition)
            async with sending(events) as settled:
                await settled(4)
            return events.repeated

    assert asyncio.run(run()) == 1
    assert sent == ["acme", "acme", "other", "acme"]


def test_what_ended_and_began_again_is_an_event_of_its_own_unless_it_goes_back_and_forth_all_the_time(
    tmp_path: Path,
) -> None:
    sent: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sent.append(json.loads(await request.read()).get("reason", request.method))
        return refusal(201)

    async def run() -> int:
        async with api_server(answer, tmp_path) as client:
            events = Events(client, "0", now=now)
            for _ in range(30):
                for reason in ("GateMissing", "GateIntact"):
                    events.record(TENANT, reason, "n", action="A", anew=True)
            async with sending(events) as settled:
                await settled(50)
            return events.repeated

    assert asyncio.run(run()) == 10
    assert sent == ["GateMissing", "GateIntact"] * 25


def test_what_cannot_be_sent_is_dropped_and_counted_and_tried_again_at_the_next_occasion(tmp_path: Path) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return refusal(403, "Forbidden")

    async def run() -> Events:
        async with api_server(answer, tmp_path) as client:
            events = Events(client, "0", now=now)
            async with sending(events) as settled:
                for count in (1, 2):
                    events.record(TENANT, "R", "n", action="A")
                    await settled(count)
            return events

    events = asyncio.run(run())
    assert (events.sent, events.repeated, events.dropped) == (0, 0, 2)


def test_a_flood_is_bounded(tmp_path: Path) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return refusal(201)

    async def run() -> Events:
        async with api_server(answer, tmp_path) as client:
            events = Events(client, "0", now=now, remembered=50, waiting=20)
            for count in range(1000):
                events.record(TENANT, "R", "lone \ud800 surrogate", action="A", transition=str(count))
            assert events._queue.qsize() == 20
            assert len(events._series) <= 50
            async with sending(events) as settled:
                await settled(1000)
            return events

    events = asyncio.run(run())
    assert (events.sent, events.dropped) == (20, 980)
