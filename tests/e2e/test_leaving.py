"""A replica that goes away, killed or told to, loses nothing that was promised; one that comes early waits."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.wire import Line, review, send
from tests.e2e.world import eventually, value
from tools.installation import Balancer, Replica, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.world import World

LEASE_SECONDS = 15
SOON_STALE = 6.0
"""Seconds of silence."""


@pytest.fixture
def second(world: World, tmp_path: Path) -> Iterator[Replica]:
    """A replica beside the first one, which asks for a drain of minutes; it leads, as the first was away."""
    ledger = {"rebuildSeconds": 1, "expireSeconds": 44}
    settings = {"mode": world.installed.mode, "ledger": ledger, "drainSeconds": 300}
    replica = Replica(world.installed.plane, tmp_path / "second", world.installed._certificate, settings)
    with world.installed.stopped():
        replica.start()
        replica.wait()
        eventually(lambda: _leads(replica))
    yield replica
    replica.kill()
    eventually(lambda: _leads(world.installed.replicas[0]))


def _leads(replica: Replica) -> bool:
    return value(replica.metrics(), "computegate_leader") == 1


def test_a_leader_that_is_told_to_stop_hands_over_before_it_has_drained(world: World, second: Replica) -> None:
    assert second.popen is not None
    first = world.installed.replicas[0]
    assert not _leads(first)
    second.popen.terminate()
    eventually(lambda: _leads(first), seconds=LEASE_SECONDS * 2 / 3)
    assert (second.popen.poll(), second.get("/readyz"), _leads(second)) == (None, "draining", False)


def test_a_leader_that_is_killed_leaves_exact_ledgers(world: World, second: Replica, country: str, unique: str) -> None:
    first = world.installed.replicas[0]
    world.apply(quota(unique, country, 3), tenant(unique, country), namespace(unique, unique))
    world.installed.balancer.backends = [second.port, first.port]
    world.admit(gpu_pod("before", unique))
    second.kill()
    world.installed.balancer.backends = [first.port]
    eventually(lambda: world.try_create(gpu_pod("after", unique)).returncode == 0)
    eventually(lambda: _leads(first), seconds=LEASE_SECONDS * 4)
    world.await_use(unique, 2)
    assert "exceeded quota" in world.denial(gpu_pod("over", unique, 2))


def test_a_replica_is_ready_when_everything_was_read_and_denies_until_the_ledger_was_counted(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 1), tenant(unique, country), namespace(unique, unique))
    world.leave_uncounted(country)
    first = world.installed.replicas[0]
    with world.installed.stopped():
        first.start()
        said = eventually(lambda: first.get("/readyz"))
        while said != "ok":
            assert all(line.endswith("not read yet") for line in said.splitlines()), said
            said = eventually(lambda: first.get("/readyz"))
        first.stop()
    assert world.denial(gpu_pod("early", unique)).startswith("[TryAgain] ")
    world.count_again(country)
    eventually(lambda: world.try_create(gpu_pod("late", unique)).returncode == 0)


@pytest.fixture
def cut(world: World, tmp_path: Path) -> Iterator[Replica]:
    """A replica beside the first one, with a way of its own to the API server, which soon finds it silent."""
    settings = {"mode": world.installed.mode, "staleSeconds": SOON_STALE}
    replica = Replica(world.installed.plane, tmp_path / "cut", world.installed._certificate, settings, wired=True)
    replica.start()
    replica.wait()
    yield replica
    world.installed.balancer.backends = [world.installed.replicas[0].port]
    replica.kill()
    if replica.wire is not None:
        replica.wire.close()


def test_a_replica_that_is_cut_off_leaves_the_service_until_it_is_back_and_requests_go_on(
    world: World, cut: Replica, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 9), tenant(unique, country), namespace(unique, unique))
    first, wire, balancer = world.installed.replicas[0], cut.wire, world.installed.balancer
    assert wire is not None
    assert cut.get("/readyz") == "ok"
    tried = functools.partial(world.denial, gpu_pod("meanwhile", unique), "--dry-run=server")
    balancer.backends, lines = [cut.port, first.port], list[str]()
    wire.backends, wire.weather = [], Weather(loss=1, silent=True)

    def readiness() -> str:
        lines.append(tried())
        return cut.get("/readyz")

    said = eventually(readiness, lambda said: said != "ok")
    assert said.startswith("nothing heard of "), said
    assert {line.partition(" ")[0] for line in lines} <= {"", "[TryAgain]"}, "none was lost, nor denied otherwise"

    balancer.backends = [first.port]  # as the Service does without a replica that is not ready
    with Line(cut) as line:
        answer = line.send(review(gpu_pod("kept", unique)))
        assert answer.response["status"]["message"].startswith("[TryAgain] ")
        assert answer.last, "whoever holds a connection to it lets go of it"
    eventually(lambda: {tried() for _ in range(3)}, lambda lines: lines == {""})
    assert first.get("/readyz") == "ok"
    world.admit(gpu_pod("elsewhere", unique))

    wire.backends, wire.weather = [urlsplit(world.installed.plane.server).port or 443], Weather()
    wire.cut()
    eventually(lambda: cut.get("/readyz"), lambda said: said == "ok")
    eventually(lambda: send(cut, review(gpu_pod("again", unique))).response["allowed"])


def test_a_replica_that_starts_while_the_api_server_is_away_waits_for_it(world: World, tmp_path: Path) -> None:
    way, plane = Balancer(), world.installed.plane
    replica = Replica(plane, tmp_path / "early", world.installed._certificate, {"mode": world.installed.mode})
    access = replica.kubeconfig.read_text().replace(plane.server, f"https://127.0.0.1:{way.port}")
    replica.kubeconfig = replica.directory / "kubeconfig"
    replica.kubeconfig.write_text(access)
    replica.start()
    try:
        eventually(lambda: "the API server does not answer" in replica.log.read_text())
        assert replica.popen is not None
        assert replica.popen.poll() is None
        way.backends = [int(plane.server.rpartition(":")[2])]
        replica.wait()
        assert replica.get("/readyz") == "ok"
    finally:
        replica.kill()
        way.close()
