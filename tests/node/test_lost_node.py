"""A node dies without a word, and with it the replica that the API server asks: that costs time, and nothing else.

The times are Kubernetes' own.  Nobody closes the connections to the replica, so that each request to it ends by the
webhook's timeout, until the Service leads elsewhere: its EndpointSlice loses the replica once the node has not been
heard of for kube-controller-manager's --node-monitor-grace-period.  The replica is replaced when its toleration of an
unreachable node ends: after five minutes, unless the chart's `tolerations` say otherwise, as they do here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.world import Cluster, eventually, value
from tests.node.alerts import beside
from tests.node.conftest import ARCHIVE, IMAGE
from tests.node.kills import Kill, judge
from tests.node.objects import CLEARED, LABELS, NOT_CLEARED, UNCLEARED, everything, worker
from tests.node.steps import await_nothing_held, reached_replicas
from tools.installation import NAMESPACE
from tools.node.answers import Fate, fates, summary, wrongs
from tools.node.machine import NAME as SECOND
from tools.node.machine import Machine
from tools.node.node import NAME as FIRST
from tools.node.node import Node
from tools.node.release import Release
from tools.node.stream import Asked, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.controlplane import ControlPlane
    from tools.node.answers import Answer
    from tools.node.flows import Flows

RATE = 2.5
"""Requests a second: so few that each of those that wait for ten seconds has a connection of its own."""
TIMEOUT_SECONDS = 10.0
"""The chart's webhook.enforced.timeoutSeconds."""
UNHEARD_SECONDS = 50.0 + 5.0
"""The defaults of --node-monitor-grace-period and --node-monitor-period."""
TOLERATED_SECONDS = 15
SLACK_SECONDS = 10.0
"""For a busy machine, and for kube-proxy, which gathers what changes."""
ALERT_SECONDS = 180.0
"""For Prometheus to see failures at two scrapes, and for the alert's own minute."""
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}


@pytest.fixture
def machine(plane: ControlPlane, node: Node) -> Iterator[Machine]:
    """The machine of a second node, which is in the cluster and has the image."""
    with Machine() as machine:
        with Node(plane, labels=LABELS, place=machine.place) as second:
            second.load(ARCHIVE)
            yield machine
        node.kubectl("delete", "node", SECOND)


@pytest.fixture
def spread(plane: ControlPlane, machine: Machine, cluster: Cluster, tmp_path: Path) -> Iterator[Release]:
    """The chart on both nodes, spread as it is by default."""
    assert machine
    tolerated = [{**UNREACHABLE, "tolerationSeconds": TOLERATED_SECONDS}]
    release = Release(plane, tmp_path / "release", IMAGE, {"tolerations": tolerated})
    release.install()
    cluster.apply(*everything())
    yield release
    # What ran there is Terminating until somebody says that it has ended; elsewhere, the deletion of the Node does.
    of_second = f"--field-selector=spec.nodeName={SECOND}"
    release.kubectl("delete", "pods", "-n", NAMESPACE, of_second, "--force", "--grace-period=0")
    release.uninstall()


def test_a_node_that_dies_with_the_replica_that_is_asked_costs_time_and_nothing_else(
    spread: Release, machine: Machine, cluster: Cluster, flows: Flows, tmp_path: Path, *, show: Callable[[str], None]
) -> None:
    assert set(nodes(spread)) == {FIRST, SECOND}
    with beside(spread, tmp_path / "prometheus") as prometheus:
        with Stream(spread.plane, asked(), RATE) as stream:
            lead_to_second(spread)
            death = die(spread, machine)
            await_replacement(spread)
            show(f"a node is lost: its replicas are replaced after {time.monotonic() - death.at:.0f} s")
            await_answers(stream)
            with stream.held():
                await_nothing_held(cluster)
        show(f"a node is lost: {judged(stream.answers, death, flows)}")
        eventually(prometheus.firing, lambda names: "ComputegateUnreachable" in names, ALERT_SECONDS)
        show(f"a node is lost: ComputegateUnreachable fires after at most {time.monotonic() - death.at:.0f} s")
        assert "ComputegateDown" not in prometheus.firing()
    assert told(cluster) >= {("Node", "NodeNotReady"), ("Pod", "NodeNotReady"), ("Pod", "TaintManagerEviction")}
    eventually(lambda: sum(value(text, "computegate_leader") for text in spread.metrics()), lambda number: number == 1)
    assert cluster.items("pods", "-n", CLEARED) == []


def asked() -> list[Asked]:
    """Return what is asked for: dry runs, and a pod that is created and deleted, for which devices are reserved."""
    gated = worker("kept", CLEARED, IMAGE, schedulingGates=[{"name": "example.com/held"}])
    dry = [Asked(worker("cleared", CLEARED, IMAGE)), Asked(worker("refused", UNCLEARED, IMAGE), NOT_CLEARED)]
    return [*dry, Asked(gated, kept=True)]


def nodes(release: Release) -> list[str]:
    """Return the node of each living replica; "" for one that has none yet."""
    return sorted(pod["spec"].get("nodeName", "") for pod in release.living())


def on_second(release: Release) -> frozenset[str]:
    """Return the names of the replicas on the second node."""
    return frozenset(pod["metadata"]["name"] for pod in release.pods() if pod["spec"].get("nodeName") == SECOND)


def lead_to_second(release: Release) -> None:
    """Have the API server ask a replica of the second node: delete the one that it asks until it is one of those."""
    for _ in range(10):  # at each deletion the chance is a half or better
        release.await_rollout()
        release.await_alone()
        [reached] = eventually(lambda: reached_replicas(release), lambda names: len(names) == 1, 180)
        if reached in on_second(release):
            return
        release.kubectl("delete", "pod", reached, "-n", NAMESPACE)
    pytest.fail("the API server asked no replica of the second node")


def die(release: Release, machine: Machine) -> Kill:
    """Have the second node die, and wait until the Service leads to no replica of it."""
    dead = on_second(release)
    addresses = frozenset(address for address, name in release.addresses().items() if name in dead)
    machine.die()
    at = time.monotonic()
    eventually(lambda: dead & release.endpoints(), lambda left: not left, UNHEARD_SECONDS + SLACK_SECONDS)
    return Kill(at, time.monotonic(), release.service(), addresses)


def await_replacement(release: Release) -> None:
    """See that the Deployment lacks replicas, and wait until three are ready on the node that is left."""
    release.kubectl("wait", "--for=condition=Available=False", "deployment/computegate", "-n", NAMESPACE)
    eventually(lambda: nodes(release), lambda names: names == [FIRST] * 3, TOLERATED_SECONDS + SLACK_SECONDS)
    release.await_rollout()


def judged(answers: list[Answer], death: Kill, flows: Flows) -> str:
    """Check that none was wrong, and that the lost were on their way to the dead, for no longer than the timeout."""
    assert set(fates(answers)) <= {Fate.Right, Fate.TryAgain, Fate.Lost}, wrongs(answers, death.at)
    lost = [answer for answer in answers if answer.fate is Fate.Lost]
    assert [each for each in lost if each.ended - each.begun > TIMEOUT_SECONDS + SLACK_SECONDS] == []
    led_away = f"the Service led elsewhere after {death.led_away - death.at:.0f} s"
    return f"{summary(answers)}; {judge(death, lost, flows.to(death.service))}; {led_away}"


def await_answers(stream: Stream) -> None:
    """Wait for ten seconds' worth of further answers."""
    then = len(stream.answers)
    eventually(lambda: len(stream.answers), lambda number: number > then + 10 * RATE)


def told(cluster: Cluster) -> set[tuple[str, str]]:
    """Return what Events tell: the kind of the object, and the reason."""
    return {(each["involvedObject"]["kind"], each["reason"]) for each in cluster.items("events", "-A")}
