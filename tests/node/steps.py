"""What an operator does to a release, one step after the other, and what goes wrong; each ends when all is well again.

A step that is added here is under the continuous check of test_continuous_check.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission import __version__
from tests.e2e.world import eventually
from tests.node.objects import QUOTA, TENANT
from tools.installation import NAMESPACE
from tools.node import later
from tools.node.connections import open_replicas

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.world import Cluster
    from tools.node.answers import Answer
    from tools.node.node import Node
    from tools.node.release import Release

_CUT = re.compile(r"EOF|connection reset|connection refused|no endpoints|broken pipe|server closed|context deadline")
"""How a request ends that was on its way to a replica that was killed."""
_FOLLOWING_SECONDS = 3.0
"""For which the node may lag behind its endpoints: kube-proxy gathers what changes."""
_NOTHING_LEFT_SECONDS = 90.0
"""After which nothing is held for a request that was refused."""
_VERSION = re.compile(r'computegate_build_info\{version="(.*)"\}')


@dataclass(frozen=True, slots=True)
class Step:
    """A step; `planned` ones must lose nothing."""

    name: str
    act: Callable[[Release, Node], object]
    planned: bool = True


def change_settings(release: Release, _node: Node) -> None:
    """Upgrade to other settings, which replaces all replicas."""
    release.upgrade(config={**release.values["config"], "contact": "other-desk@example.com"})


def upgrade(release: Release, node: Node) -> None:
    """Upgrade to the chart and the image of a later version, whose field is then used."""
    node.load(later.ARCHIVE)
    release.upgrade(later.chart(later.SOURCES), image={**release.values["image"], "tag": "later"})
    assert versions(release) == {later.VERSION}
    set_field = json.dumps({"spec": {later.FIELD: "used"}})
    release.kubectl("patch", "tenants.computegate.io", TENANT, "--type=merge", "-p", set_field)


def roll_back(release: Release, _node: Node) -> None:
    """Go back to this version, among objects that the later one wrote."""
    release.roll_back()
    assert versions(release) == {__version__}


def versions(release: Release) -> set[str]:
    """Return the versions that the replicas say they are."""
    return {found for text in release.metrics() for found in _VERSION.findall(text)}


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill of replicas: when, and when the node led to none of them any more (monotonic seconds)."""

    at: float
    led_away: float
    served: bool
    """Whether the API server had connections to them."""


def kill_idle(release: Release, node: Node) -> Kill:
    """Kill the replicas that the API server has no connection to, once there are none from before."""
    release.await_alone()
    return kill(release, node, frozenset(release.addresses().values()) - reached_replicas(release), served=False)


def kill_serving(release: Release, node: Node) -> Kill:
    """Kill the replicas that the API server has connections to."""
    return kill(release, node, reached_replicas(release), served=True)


def reached_replicas(release: Release) -> frozenset[str]:
    """Return the names of the replicas that the API server has connections to."""
    names = release.addresses()
    return frozenset(names.get(address, address) for address in open_replicas(release.service()))


def kill(release: Release, node: Node, names: frozenset[str], *, served: bool) -> Kill:
    """Kill replicas from the node, as the kernel would for want of memory, and wait until they are back."""
    before = {name: restarts(release, name) for name in names}
    processes = [node.process_of(name, NAMESPACE) for name in names]
    at = time.monotonic()
    for process in processes:
        os.kill(process, signal.SIGKILL)
    eventually(lambda: names & release.endpoints(), lambda left: not left, 60)
    led_away = time.monotonic()
    for name in names:
        await_restart(release, name, before[name])
        release.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", NAMESPACE, "--timeout=55s")
    return Kill(at, led_away, served)


def await_restart(release: Release, name: str, before: int) -> None:
    """Wait until a replica's container was started anew."""
    eventually(lambda: restarts(release, name), lambda now: now > before, 60)


def restarts(release: Release, name: str) -> int:
    """Return how often a replica's container was started anew."""
    what = ("get", "pod", name, "-n", NAMESPACE, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    return int(release.kubectl(*what).stdout)


def judge(kill: Kill, lost: list[Answer]) -> str:
    """Check that what was lost at a kill was on its way to a replica that was killed; return how it ended, and when.

    On its way: begun before the node led elsewhere, cut off by nobody's answer, and not over before the kill.
    """
    if not kill.served:
        assert lost == []
        return "no replica was killed that the API server had a connection to"
    strange = [answer for answer in lost if not _CUT.search(answer.message) or answer.ended < kill.at]
    assert [answer.message for answer in strange] == []
    assert [answer.begun - kill.led_away for answer in lost if answer.begun > kill.led_away + _FOLLOWING_SECONDS] == []
    ends = sorted({found[0] for answer in lost if (found := _CUT.search(answer.message))})
    return f"the last of {len(lost)} lost came {max(a.ended for a in lost) - kill.at:.1f} s after it: {', '.join(ends)}"


def await_nothing_held(cluster: Cluster) -> None:
    """See that nothing is held for what was refused, nor for what is gone."""
    eventually(lambda: cluster.use(QUOTA), lambda use: (use["used"], use["reserved"]) == (0, 0), _NOTHING_LEFT_SECONDS)


STEPS = (
    *(Step(f"rolling restart {number}", lambda release, _: release.restart()) for number in range(1, 6)),
    *(Step(f"new certificate {number}", lambda release, _: release.rotate("certificate")) for number in range(1, 4)),
    *(Step(f"new authority {number}", lambda release, _: release.rotate("authority")) for number in range(1, 3)),
    Step("other settings", change_settings),
    Step("upgrade to a later version", upgrade),
    Step("rollback to this version", roll_back),
    Step("kill -9 of idle replicas", kill_idle, planned=False),
    Step("kill -9 of the serving replica", kill_serving, planned=False),
    Step("restart of the API server", lambda release, _: release.plane.restart_apiserver(), planned=False),
)
