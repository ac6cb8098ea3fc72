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
from admission.ledger.objects import object_name
from tests.e2e.world import eventually
from tests.node.kills import Kill
from tests.node.objects import COUNTRY, QUOTA, TENANT
from tools.installation import NAMESPACE
from tools.node import later
from tools.node.connections import open_replicas

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.world import Cluster
    from tools.node.node import Node
    from tools.node.release import Release

_NOTHING_LEFT_SECONDS = 90.0
"""After which nothing is held for a request that was refused."""
_WRITTEN_SECONDS = 60.0
"""For a ledger to be written by the version that all replicas are."""
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
    set_field = json.dumps({"spec": {later.FIELD: "in-use"}})
    release.kubectl("patch", "tenants.computegate.io", TENANT, "--type=merge", "-p", set_field)
    assert "in-use" in release.kubectl("get", "tenants.computegate.io", TENANT).stdout
    await_format(release, later.LEDGER_FORMAT)


def roll_back(release: Release, _node: Node) -> None:
    """Go back to this version, among objects that the later one wrote, its ledgers too."""
    release.roll_back()
    assert versions(release) == {__version__}
    await_format(release, 1)


def versions(release: Release) -> set[str]:
    """Return the versions that the replicas say they are."""
    return {found for text in release.metrics() for found in _VERSION.findall(text)}


def await_format(release: Release, number: int) -> None:
    """Wait until the ledger was written in this format."""
    what = ("get", "quotaledgers", object_name(COUNTRY), "-o", "jsonpath={.status.format}")
    eventually(lambda: release.kubectl(*what).stdout, lambda text: text == str(number), _WRITTEN_SECONDS)


def kill_idle(release: Release, node: Node) -> Kill:
    """Kill the replicas that the API server has no connection to, once there are none from before."""
    release.await_alone()
    return kill(release, node, frozenset(release.addresses().values()) - reached_replicas(release))


def kill_serving(release: Release, node: Node) -> Kill:
    """Kill the replicas that the API server has connections to."""
    return kill(release, node, reached_replicas(release))


def reached_replicas(release: Release) -> frozenset[str]:
    """Return the names of the replicas that the API server has connections to."""
    names = release.addresses()
    return frozenset(names.get(address, address) for address in open_replicas(release.service()))


def kill(release: Release, node: Node, names: frozenset[str]) -> Kill:
    """Kill replicas from the node, as the kernel would for want of memory, and wait until they are back."""
    addresses = frozenset(address for address, name in release.addresses().items() if name in names)
    before = {name: restarts(release, name) for name in names}
    processes = [node.process_of(name, NAMESPACE) for name in names]
    at = time.monotonic()
    for process in processes:
        os.kill(process, signal.SIGKILL)
    eventually(lambda: names & release.endpoints(), lambda left: not left, 60)
    led_away = time.monotonic()
    for name in names:
        await_restart(release, name, before[name])
    back = time.monotonic()
    for name in names:
        release.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", NAMESPACE, "--timeout=55s")
    return Kill(at, led_away, release.service(), addresses, back)


def await_restart(release: Release, name: str, before: int) -> None:
    """Wait until a replica's container was started anew."""
    eventually(lambda: restarts(release, name), lambda now: now > before, 60)


def restarts(release: Release, name: str) -> int:
    """Return how often a replica's container was started anew."""
    what = ("get", "pod", name, "-n", NAMESPACE, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    return int(release.kubectl(*what).stdout)


def await_nothing_held(cluster: Cluster, besides: int = 0) -> None:
    """See that nothing is held for what was refused, nor for what is gone: only the devices that somebody has."""
    held = (besides, 0)
    eventually(lambda: cluster.use(QUOTA), lambda use: (use["used"], use["reserved"]) == held, _NOTHING_LEFT_SECONDS)


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
