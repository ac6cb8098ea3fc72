"""One API server keeps to one replica, by the Service's session affinity, and to another when that one dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.world import eventually
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, NOT_CLEARED, UNCLEARED, worker
from tests.node.steps import reached_replicas
from tools.installation import NAMESPACE
from tools.node.answers import Fate, fates, summary
from tools.node.stream import Asked, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.controlplane import ControlPlane
    from tools.node.release import Release


def test_the_api_servers_connections_lead_to_one_replica_and_to_another_when_it_is_gone(
    plane: ControlPlane, release: Release, show: Callable[[str], None]
) -> None:
    asked = [Asked(worker("cleared", CLEARED, IMAGE)), Asked(worker("refused", UNCLEARED, IMAGE), NOT_CLEARED)]
    release.await_alone()
    with Stream(plane, asked, rate=50) as stream:
        eventually(lambda: len(stream.answers), lambda number: number > 200)
        [first] = reached_replicas(release)
        release.kubectl("delete", "pod", first, "-n", NAMESPACE, "--wait=false")
        [second] = eventually(
            lambda: reached_replicas(release), lambda names: len(names) == 1 and names != {first}, 180
        )
        then = len(stream.answers)
        eventually(lambda: len(stream.answers), lambda number: number > then + 200)
        assert {second} == reached_replicas(release)
    release.await_rollout()
    assert fates(stream.answers)[Fate.Lost] == 0
    show(f"the API server's connections led to {first} alone, and after its deletion to {second} alone")
    show(f"meanwhile, of {summary(stream.answers)}")
