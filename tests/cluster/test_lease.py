"""The leader lease: one holder, a quick hand-over, and a holder that knows when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import time
from typing import TYPE_CHECKING

from admission.cluster.lease import Lease
from tests.cluster.scripted import api_server, connected, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from admission.cluster.client import Client
    from tools.controlplane import ControlPlane


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@contextlib.asynccontextmanager
async def running(lease: Lease) -> AsyncIterator[None]:
    task = asyncio.create_task(lease.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def held(lease: Lease) -> None:
    async with asyncio.timeout(20):
        while not lease.held:  # noqa: ASYNC110  (what is awaited is the state of another process)
            await asyncio.sleep(0.01)


async def _stored(client: Client, namespace: str) -> dict[str, object]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader"
    spec: dict[str, object] = json.loads(await client.get(path))["spec"]
    return spec


def test_a_released_lease_is_taken_at_once(control_plane: ControlPlane, namespace: str) -> None:
    told: list[bool] = []

    async def run() -> tuple[float, dict[str, object], dict[str, object]]:
        async with connected(control_plane.kubeconfig) as client:
            # With a duration of a minute only a release explains a quick hand-over.
            first = Lease(client, namespace, "leader", "first", now=now, duration=60, on_change=told.append)
            second = Lease(client, namespace, "leader", "second", now=now, duration=60)
            async with running(first):
                await held(first)
                await second._try()
                assert not second.held
            assert not first.held
            released = await _stored(client, namespace)
            began = time.monotonic()
            async with running(second):
                await held(second)
                return time.monotonic() - began, released, await _stored(client, namespace)

    seconds, released, stored = asyncio.run(run())
    assert seconds < 30
    assert told == [True, False]
    assert "holderIdentity" not in released
    assert (stored["holderIdentity"], stored["leaseTransitions"]) == ("second", 2)


def test_a_silent_holder_stops_before_another_takes_over(control_plane: ControlPlane, namespace: str) -> None:
    async def run() -> list[tuple[bool, bool]]:
        clock = Clock()
        async with connected(control_plane.kubeconfig) as client:
            first, second = (
                Lease(client, namespace, "leader", name, now=now, duration=15, clock=clock) for name in ("1", "2")
            )
            await first._try()
            states = []
            await second._try()  # sees the holder's version for the first time
            for seconds in (9, 2, 3, 2):  # 9, 11, 14, 16
                clock.seconds += seconds
                await second._try()
                states.append((first.held, second.held))
            await first._try()
            await first._try()
            return [*states, (first.held, second.held)]

    assert asyncio.run(run()) == [(True, False), (False, False), (False, False), (False, True), (False, True)]


def test_a_renewal_keeps_it_and_keeps_the_time_of_acquiring(control_plane: ControlPlane, namespace: str) -> None:
    async def run() -> tuple[bool, bool, dict[str, object], dict[str, object]]:
        clock = Clock()
        async with connected(control_plane.kubeconfig) as client:
            first, second = (
                Lease(client, namespace, "leader", name, now=now, duration=15, clock=clock) for name in ("1", "2")
            )
            await first._try()
            before = await _stored(client, namespace)
            for _ in range(4):
                await second._try()
                clock.seconds += 8
                await first._try()
            return first.held, second.held, before, await _stored(client, namespace)

    mine, theirs, before, after = asyncio.run(run())
    assert (mine, theirs) == (True, False)
    assert before["acquireTime"] == after["acquireTime"]
    assert str(before["renewTime"]) < str(after["renewTime"])


def test_a_lease_that_another_has_taken_is_given_up_at_once(control_plane: ControlPlane, namespace: str) -> None:
    async def run() -> bool:
        clock = Clock()
        async with connected(control_plane.kubeconfig) as client:
            lease = Lease(client, namespace, "leader", "1", now=now, clock=clock)
            await lease._try()
            path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader"
            await client.merge_patch(path, b'{"spec":{"holderIdentity":"usurper"}}')
            await lease._try()  # conflict
            await lease._try()  # looks
            return lease.held

    assert asyncio.run(run()) is False


def test_an_api_server_that_fails_makes_nobody_a_leader_and_ends_nothing(tmp_path: Path) -> None:
    asked = 0

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return refusal(500)

    async def run() -> bool:
        async with api_server(answer, tmp_path) as client:
            lease = Lease(client, "default", "leader", "1", now=now, uniform=lambda *_: 0.0)
            async with running(lease), asyncio.timeout(20):
                while asked < 5:  # noqa: ASYNC110  (what is awaited is the state of a server)
                    await asyncio.sleep(0.01)
            return lease.held

    assert asyncio.run(run()) is False
