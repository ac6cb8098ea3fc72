"""The clock of a machine leaps by hours and days while a real server on it serves: nobody gains or loses by it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.leaping import LeapingClock
from tests.e2e.objects import examples, gpu_pod, namespace, node, of, pool, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import NAMESPACE, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tools.installation import Replica

RACK, HOUR, MINUTE = "rack-1", dt.timedelta(hours=1), dt.timedelta(minutes=1)
LEAPS = {"days ahead": 480 * HOUR, "hours behind": -3 * HOUR}
LEASE = ("lease", "computegate", "-n", NAMESPACE)
RUNNING = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})


class Leaping(World):
    """An installation of one replica, on a machine of its own clock."""

    def __init__(self, installed: Installation, clock: LeapingClock) -> None:
        super().__init__(installed)
        self.clock = clock
        self.hours = 0.0

    @property
    def replica(self) -> Replica:
        (replica,) = self.installed.replicas
        return replica

    def swept(self) -> float:
        return value(self.metrics(), "computegate_sweep_pages_total")

    def renewed(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.get(*LEASE)["spec"]["renewTime"])

    def described(self) -> str:
        """What an operator sees of the gate."""
        return self.kubectl("describe", "configmap", "computegate-gate", "-n", NAMESPACE).stdout

    def ahead(self, clock: str) -> float:
        return value(self.metrics(), "computegate_clock_ahead_seconds", clock=clock)


@pytest.fixture(scope="module")
def leaping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaping]:
    """Of a control plane of its own, as what leads must be what leaps; it may evict, and keeps its record a day."""
    directory = tmp_path_factory.mktemp("leaping")
    kept = {"path": str(directory / "record" / "record.jsonl"), "keepDays": 1, "maxBytes": 1 << 20}
    server = {
        "gate": {"graceSeconds": 1},
        "enforcement": {"sweepSeconds": 2, "evict": True},
        "record": {"file": kept},
    }
    clock = LeapingClock(directory)
    with ControlPlane(directory / "plane") as plane:
        installed = Installation(plane, directory / "gate", values={"enforcement.evict": "true"}, server=server)
        installed.replicas[0].environment = clock.environment
        with installed:
            world = Leaping(installed, clock)
            world.apply(*examples("policy", "pools"), pool("rack", "h100-sxm", "DE"), node(RACK, "rack", "h100-sxm"))
            now = dt.datetime.now(dt.UTC).replace(microsecond=0)
            screened = {"listsAsOf": (now - 600 * HOUR).isoformat()}
            world.apply(
                quota("hours", "DE", 16, limits={"deviceHours": 40, "longestHold": "2d"}, window="1d"),
                tenant("ended", "DE", {"expiresAt": (now - HOUR).isoformat()}, screened),
                tenant("cleared", "DE", {"expiresAt": (now + 2 * HOUR).isoformat()}, screened),
                *(namespace(name, name, "enforce") for name in ("ended", "cleared")),
                of(
                    "Enforcement",
                    "at-once",
                    {
                        "mode": "Enforce",
                        "evictionsPerMinute": 600,
                        "mostShare": 100,
                        "steps": [{"action": "Evict", "gracePeriod": "1s"}],
                    },
                ),
            )
            world.admit(lasting("runs", nodeName=RACK))
            world.kubectl(
                "patch", "pod", "runs", "-n", "cleared", "--subresource=status", "--type=merge", "-p", RUNNING
            )
            (directory / "record" / "record.000001.jsonl").write_text("{}\n")
            world.await_use("hours", 1)
            world.hours = spent(world)
            yield world


def lasting(name: str, where: str = "cleared", **spec: Any) -> Object:
    return gpu_pod(name, where, activeDeadlineSeconds=7200, **spec)


def spent(world: World) -> float:
    """Return the device-hours that are used or promised."""
    shown = world.get("computequotas", "hours")["status"]["deviceHours"]
    return float(shown.get("used", 0)) + float(shown.get("reserved", 0))


def truly(instant: dt.datetime) -> bool:
    """Whether an instant is of this minute, by the clock of the test."""
    return abs(instant - dt.datetime.now(dt.UTC)) < MINUTE


@pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS)
def test_a_clock_that_leaps_changes_nothing_and_is_told(leaping: Leaping, leap: dt.timedelta) -> None:
    name = f"under-{leap.total_seconds():.0f}".replace("--", "-behind-")
    began = leaping.swept()
    leaping.clock.by(leap)
    eventually(lambda: leaping.ahead("machine"), lambda seconds: abs(seconds - leap.total_seconds()) < 60)
    assert abs(leaping.ahead("ours")) < 30
    assert leaping.denial(lasting(name, "ended")).startswith("[NotCleared]"), "what has ended has ended"
    leaping.admit(lasting(name))
    at = dt.datetime.fromisoformat(leaping.record_of(name)["at"])
    assert truly(at)
    eventually(leaping.renewed, truly)
    eventually(leaping.swept, lambda pages: pages > began + 2)
    assert [each for each in leaping.items("pods", "-n", "cleared") if "deletionTimestamp" in each["metadata"]] == []
    assert value(leaping.metrics(), "computegate_leader") == 1
    eventually(leaping.described, lambda text: "ClockLeapt" in text)
    assert "the clock of this machine leapt" in leaping.replica.log.read_text()
    leaping.kubectl("delete", "pod", name, "-n", "cleared", "--force", "--grace-period=0")
    leaping.await_use("hours", 1)
    assert spent(leaping) <= leaping.hours + 1, "hours pass as they did"
    assert (leaping.installed.directory.parent / "record" / "record.000001.jsonl").exists(), "it is not a day old"
    leaping.clock.by(None)
    eventually(lambda: abs(leaping.ahead("machine")), lambda seconds: seconds < 30)


@pytest.mark.parametrize("leap", [72 * HOUR, -72 * HOUR], ids=["ahead", "behind"])
def test_a_start_with_a_wrong_clock_admits_nobody_and_goes_on_once_it_is_right(
    leaping: Leaping, leap: dt.timedelta
) -> None:
    """It may reach the API server or, where certificates seem to begin tomorrow, not even that."""
    leaping.replica.stop()
    leaping.clock.by(leap)
    said = leaping.replica.log.stat().st_size
    leaping.replica.start()
    words = "off the API server's", "the API server does not answer"
    log = lambda: leaping.replica.log.read_text()[said:]  # noqa: E731
    eventually(log, lambda text: any(each in text for each in words))
    for where in ("ended", "cleared"):
        refused = leaping.try_create(lasting("none", where))
        assert refused.returncode != 0
    assert leaping.replica.get("/readyz") != "ok"
    assert leaping.get(*LEASE)["spec"].get("holderIdentity", "") == ""
    leaping.clock.by(None)
    leaping.replica.wait()
    eventually(lambda: leaping.try_create(lasting("after"), "--dry-run=server").returncode, lambda code: code == 0)
    assert leaping.denial(lasting("none", "ended")).startswith("[NotCleared]")
    eventually(lambda: value(leaping.metrics(), "computegate_leader"), lambda leads: leads == 1)
    leaping.await_use("hours", 1)
    assert spent(leaping) <= leaping.hours + 1
    assert [each for each in leaping.items("pods", "-n", "cleared") if "deletionTimestamp" in each["metadata"]] == []
