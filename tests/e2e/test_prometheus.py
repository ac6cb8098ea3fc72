"""A real Prometheus beside a real installation: the chart's queries find something, its alerts fire when it breaks."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from admission.api.identity import TenantSpec
from admission.tenants.identity import identity_digest
from tests.e2e.objects import VERIFIED, examples, gpu_pod, namespace, of, quota, tenant
from tests.e2e.prometheus import Prometheus, api_server, hasty, static
from tests.e2e.receivers import ReceiverProcess, now
from tests.e2e.world import World, eventually
from tools.chart_docs import alerts
from tools.controlplane import ControlPlane
from tools.installation import Installation, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object

RULES = {
    "prometheusRule.enabled": "true",
    "prometheusRule.certificateDays": "40",  # the certificates of the tests last a month
    "grafana.enabled": "true",
    "replicas": "2",
}
RECEIVER = {
    "kyc.receiver.enabled": "true",
    "kyc.receiver.providers[0].name": "generic",
    "kyc.receiver.existingSecret": "kyc-secrets",
}
UNREACHABLE = {
    "computegate_certificate_rotation_works": "there where tls.mode is selfManaged alone; here certificates are given",
    "computegate_certificate_secret_readable": "likewise",
    "computegate_certificates_made_total": "likewise",
}
"""Metrics of which this installation has none by design, and why."""

AGENT = "registry.example.com/agent@sha256:" + "0" * 64
FAILED = "count(apiserver_admission_webhook_fail_open_count) and count(apiserver_admission_webhook_rejection_count)"
MASTERS = ("system:masters",)
TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
ENFORCED, OBSERVED = "monitored", "watched"


class Watched(NamedTuple):
    """An installation, its receiver, and Prometheus."""

    world: World
    receiver: ReceiverProcess
    prometheus: Prometheus
    board: Object

    def unanswered(self) -> set[str]:
        """Return the queries that find nothing, nor found something a moment ago."""
        return {query for query in self.queries() if not self.prometheus.query(f"last_over_time(({query})[2m:1s])")}

    def queries(self) -> set[str]:
        """Return what the dashboard asks, and the figures that alerts compare, but for what has no series here."""
        panels = [target["expr"] for panel in self.board["panels"] for target in panel.get("targets", ())]
        asked = {*panels, *(alert["of"] for alert in alerts())}
        return {query for query in asked if not any(metric in query for metric in UNREACHABLE)}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two replicas with everything that has a figure, on a control plane of their own: alerts see the whole cluster."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "receiver").mkdir()
    with (
        ControlPlane(folder / "plane") as plane,
        Installation(plane, folder / "gate", replicas=2, values=RECEIVER, server={"canary": {"seconds": 1}}) as gate,
        ReceiverProcess(plane, folder / "receiver") as receiver,
    ):
        rendered = {(each["kind"], each["metadata"]["name"]): each for each in gate.rendered(RULES)}
        jobs = [
            static("computegate", [each.metrics_port for each in gate.replicas]),
            static("receiver", [receiver.metrics_port]),
            api_server(plane),
        ]
        prometheus = Prometheus(folder / "prometheus", jobs)
        prometheus.load(hasty(rendered["PrometheusRule", "computegate"]["spec"]["groups"]))
        world = World(gate)
        inhabit(world)
        with prometheus:
            board = json.loads(rendered["ConfigMap", "computegate-dashboard"]["data"]["computegate.json"])
            yield Watched(world, receiver, prometheus, board)


def inhabit(world: World) -> None:
    """Make something of every kind that is measured."""
    world.apply(*examples("policy", "pools"))
    limits = {"devices": 5, "tpp": 100_000, "deviceHours": 1000, "longestHold": "12h"}
    world.apply(quota("limited", "DE", None, limits=limits, window="24h", holdGap="1h"))
    lapsed = tenant("lapsed", "DE", {"expiresAt": "2026-10-01T00:00:00Z"})
    world.apply(tenant("cleared", "DE"), tenant("aged", "DE"), lapsed)
    for name, owner, mode in ((ENFORCED, "cleared", "enforce"), (OBSERVED, "cleared", "observe")):
        world.apply(namespace(name, owner, mode))
    world.apply(namespace("lapsed", "lapsed", "enforce"), namespace("aged", "aged", "enforce"))
    given = {"reason": "until it is renewed", "requestedBy": "admin", "validUntil": TOMORROW}
    agents = {"namespace": ENFORCED, "images": [AGENT], "ways": ["hostPath=/dev/nvidia0"], **given}
    covers = identity_digest(TenantSpec.model_validate(lapsed["spec"]))
    bridge = {"tenant": "lapsed", "reasons": ["KYCExpired"], "covers": covers, **given}
    for asked in (of("Exemption", "agents", agents), of("KYCOverride", "bridge", bridge)):
        world.kubectl("create", "-f", "-", stdin=json.dumps(asked))
        approval = json.dumps({"status": {"approval": {"by": "second", "at": "2026-01-01T00:00:00Z"}}})
        patch = ("--subresource=status", "--type=merge", "-p", approval)
        name = asked["metadata"]["name"]
        world.kubectl("patch", asked["kind"].lower(), name, *patch, user="second", groups=MASTERS)


def bounded(name: str, where: str, devices: int = 1) -> Object:
    return gpu_pod(name, where, devices, activeDeadlineSeconds=3600)


def agent(name: str) -> Object:
    volumes = [{"name": "dev", "hostPath": {"path": "/dev/nvidia0"}}]
    return pod(name, ENFORCED, {}, {"volumes": volumes}, image=AGENT)


def test_nothing_fires_while_all_is_well_but_what_ends_soon(watched: Watched) -> None:
    world = watched.world
    eventually(lambda: world.denial(agent("agent"), "--dry-run=server"), lambda line: line == "")
    eventually(lambda: world.denial(bounded("bridged", "lapsed"), "--dry-run=server"), lambda line: line == "")
    world.admit(agent("agent"), bounded("bridged", "lapsed"), bounded("trainer", ENFORCED), bounded("seen", OBSERVED))
    world.admit(bounded("early", "aged"))
    assert watched.receiver.deliver("cleared", "Verified", now(), level=2).startswith("200")
    ending = {"ComputegateCertificateEnds", "ComputegateExemptionEnds", "ComputegateOverrideEnds"}
    eventually(watched.prometheus.firing, lambda firing: firing == ending)


def test_alerts_fire_when_it_breaks_and_every_query_finds_something(watched: Watched) -> None:
    world, prometheus, firing = watched.world, watched.prometheus, watched.prometheus.firing

    def awaits(*names: str) -> None:
        missing = lambda: {f"Computegate{name}" for name in names} - firing()  # noqa: E731
        eventually(missing, lambda names: not names)

    with world.installed.stopped():
        go_unanswered(world, "first")
        eventually(lambda: prometheus.query(FAILED))  # before it grows: the first of a series is no growth
        go_unanswered(world, "second")
        awaits("Down", "ReplicasMissing")
    old = {"state": "Clear", "listsAsOf": "2026-11-01T00:00:00Z"}
    world.apply(tenant("aged", "DE", {**VERIFIED, "reverifyBy": "2026-11-01T00:00:00Z"}, old))
    assert watched.receiver.deliver("cleared", "Verified", now(), b"of somebody else").startswith("401")
    watched.receiver.secret_file.unlink()
    world.leave_uncounted("DE")
    eventually(lambda: asked_again(watched), lambda names: "ComputegateTryAgain" in names)
    awaits("LedgerNotCounted", "ScreeningListOld", "VerificationOverdue")
    awaits("ReceiverSecretUnreadable", "DeliveriesRefused", "Unreachable", "FailsOpen")
    world.count_again("DE")
    eventually(firing, lambda names: "ComputegateLedgerNotCounted" not in names)
    world.kubectl("delete", "validatingwebhookconfiguration", "computegate")
    awaits("GateNotIntact", "GateOpen")
    eventually(lambda: prometheus.query("computegate_gate_problems"))
    slip_in(world)
    awaits("UnannouncedDevices")
    fill(world)
    world.admit(agent("again"))  # what the replicas before counted is out of every query's interval by now
    awaits("QuotaNearlyUsed")
    eventually(watched.unanswered, lambda queries: not queries)


def go_unanswered(world: World, name: str) -> None:
    """Create pods that the API server cannot ask about: one is refused, and one passes."""
    assert world.try_create(bounded(name, ENFORCED)).returncode == 1
    world.admit(bounded(name, OBSERVED))


def asked_again(watched: Watched) -> set[str]:
    """Return what fires after one more denial: a replica's first is no growth, and nobody says which one is asked."""
    assert watched.world.denial(bounded("later", ENFORCED), "--dry-run=server").startswith("[TryAgain]")
    return watched.prometheus.firing()


def slip_in(world: World) -> None:
    """Create a pod while nothing makes the API server ask; then mend it."""
    eventually(lambda: world.denial(gpu_pod("unbounded", ENFORCED), "--dry-run=server"), lambda line: not line)
    world.admit(bounded("unasked", ENFORCED))
    world.installed.apply()
    world.installed.wait_in_force()


def fill(world: World) -> None:
    held = eventually(lambda: world.use("limited"), lambda use: use["used"] is not None)
    world.admit(bounded("rest", ENFORCED, 5 - held["used"] - held["reserved"]))
