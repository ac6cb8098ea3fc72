"""Many clients at one limit, through two replicas and the ledger in the cluster, judged by etcd's own history."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.e2e.history import Tally, charges, clients, create, delete, gather, history, version
from tests.e2e.objects import examples, gpu_pod, namespace, of, quota, tenant
from tests.e2e.wire import review, send
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.cluster.client import Client
    from tools.installation import Replica

LIMIT = 50
CLIENTS = 8
EXPIRE_SECONDS = 10.0
"""Shorter than the safe 44: on this control plane no create takes that long after its review."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two replicas behind a balancer."""
    directory = tmp_path_factory.mktemp("pair")
    ledger = {"rebuildSeconds": 1.0, "expireSeconds": EXPIRE_SECONDS}
    with (
        ControlPlane(directory / "plane", controllers=["kube-controller-manager"]) as plane,
        Installation(plane, directory / "gate", replicas=2, ledger=ledger) as gate,
    ):
        world = World(gate)
        world.apply(*examples("policy", "pools"))
        yield world


def _crowd(world: World, name: str, country: str) -> None:
    world.apply(quota(name, country, LIMIT), tenant(name, country), namespace(name, name))


def _peak(levels: list[tuple[int, int]]) -> int:
    return max(level for _, level in levels)


def _served(world: World) -> list[float]:
    """Return how many reviews each replica has answered."""
    return [value(each.metrics(), "computegate_http_requests_total", outcome="answered") for each in _alive(world)]


def _alive(world: World) -> list[Replica]:
    return [each for each in world.installed.replicas if each.popen is not None and each.popen.poll() is None]


def test_exactly_as_many_are_admitted_as_fit(pair: World) -> None:
    _crowd(pair, "exact", "AT")
    tally = Tally()

    async def rush() -> list[tuple[int, int]]:
        async with clients(pair.installed.plane.kubeconfig, CLIENTS) as those:
            since = await version(those[0])
            pods = [gpu_pod(f"pod-{number:03}", "exact") for number in range(200)]
            await gather(*(create(those[number % CLIENTS], each, tally) for number, each in enumerate(pods)))
            return charges(await history(those[0], "exact", since))

    before = _served(pair)
    levels = asyncio.run(rush())
    assert (len(tally.admitted), len(tally.denied), tally.failed) == (LIMIT, 200 - LIMIT, [])
    assert len(levels) == LIMIT
    assert _peak(levels) == LIMIT
    assert all(line.count("exceeded quota: exact, ") == 1 for line in tally.denied)
    assert all(after > was for was, after in zip(before, _served(pair), strict=True)), "both replicas served"
    pair.await_use("exact", LIMIT)


def test_no_tenant_gets_past_the_amount_of_its_level_by_asking_at_once(pair: World) -> None:
    rule = {
        "name": "amount",
        "basis": {"type": "ProviderPolicy", "title": "More compute needs a deeper verification"},
        "when": [{"fact": "Headquarters", "operator": "In", "values": ["NO"]}],
        "effect": "Level",
        "level": 1,
        "levels": [{"devices": 21, "level": 3}],
    }
    pair.apply(of("AccessPolicy", "amounts", {"rules": [rule]}))
    pair.apply(quota("amounts", "NO", 1000), tenant("amounts", "NO"), namespace("amounts", "amounts"))
    large = gpu_pod("large", "amounts", 21)
    needed = "so much of class h100-sxm at once needs verification level 3, which tenant amounts has not reached"
    eventually(lambda: pair.denial(large, "--dry-run=server"), lambda line: needed in line)
    tally = Tally()

    async def rush() -> None:
        async with clients(pair.installed.plane.kubeconfig, CLIENTS) as those:
            pods = [gpu_pod(f"pod-{number:03}", "amounts") for number in range(60)]
            await gather(*(create(those[number % CLIENTS], each, tally) for number, each in enumerate(pods)))

    asyncio.run(rush())
    assert (len(tally.admitted), len(tally.denied), tally.failed) == (20, 40, [])
    assert all(needed in line for line in tally.denied)
    pair.await_use("amounts", 20)


async def _churn(client: Client, where: str, rounds: int, tally: Tally, seed: int) -> None:
    """Create pods of several sizes, and delete some of one's own meanwhile."""
    chance = random.Random(seed)  # noqa: S311 - it only varies the test
    mine: list[str] = []
    for number in range(rounds):
        pod = gpu_pod(f"pod-{seed}-{number}", where, chance.choice((1, 2, 4, 8)))
        if await create(client, pod, tally):
            mine.append(pod["metadata"]["name"])
        if mine and chance.random() < 0.7:
            await delete(client, where, mine.pop(chance.randrange(len(mine))))


def test_deletions_meanwhile_never_let_use_pass_the_limit(pair: World) -> None:
    _crowd(pair, "churn", "BE")
    tally = Tally()

    async def churn() -> list[tuple[int, int]]:
        async with clients(pair.installed.plane.kubeconfig, CLIENTS) as those:
            since = await version(those[0])
            await gather(*(_churn(those[seed % CLIENTS], "churn", 10, tally, seed) for seed in range(24)))
            return charges(await history(those[0], "churn", since))

    levels = asyncio.run(churn())
    assert tally.failed == []
    assert len(tally.admitted) > LIMIT / 8, "deleted pods made room for others"
    assert _peak(levels) <= LIMIT
    pair.await_use("churn", levels[-1][1])


def test_a_replica_killed_half_way_admits_nothing_too_many_and_leaves_nothing_behind(pair: World) -> None:
    _crowd(pair, "crash", "BG")
    tally, victim = Tally(), pair.installed.replicas[0]
    for number in range(5):
        lost = review(gpu_pod(f"lost-{number}", "crash", 2))
        assert send(victim, lost).response["allowed"], "promised to pods that never come"

    async def crash() -> list[tuple[int, int]]:
        async with clients(pair.installed.plane.kubeconfig, CLIENTS) as those:
            since = await version(those[0])
            work = [_churn(those[seed % CLIENTS], "crash", 10, tally, 100 + seed) for seed in range(16)]
            await gather(*work, kill())
            return charges(await history(those[0], "crash", since))

    async def kill() -> None:
        await tally.reached(20)
        victim.kill()
        await asyncio.sleep(0.5)  # until the Service forgets it
        pair.installed.balancer.backends = [each.port for each in _alive(pair)]

    levels = asyncio.run(crash())
    assert _peak(levels) <= LIMIT
    eventually(lambda: pair.use("crash"), lambda use: (use["used"], use["reserved"]) == (levels[-1][1], 0), seconds=90)
