"""From before the install until after the uninstall: no request is lost in a planned step, none is wrongly admitted."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE, ROOT
from tests.node.objects import CLEARED, UNCLEARED, everything, worker
from tests.node.steps import STEPS, Kill, Step, await_nothing_held, judge
from tools.node.answers import Fate, between, fates, summary, wrongs
from tools.node.release import Release
from tools.node.stream import Asked, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.controlplane import ControlPlane
    from tools.node.node import Node

RECORD = ROOT / "dist" / "cluster-test.txt"
RATE = 120.0
LEAST = 10_000
"""Requests in planned steps that must all be answered rightly."""
LEAST_RATE = 100.0
"""Requests in a second, over all planned steps."""
MOST_AGAIN = 0.01
"""Share of the requests in planned steps that may be asked to try again."""
_SETTLING_SECONDS = 3.0
"""For which a step goes on after it is done, so that its own end is under the check."""


@pytest.fixture
def observing(plane: ControlPlane, tmp_path: Path) -> Iterator[Release]:
    """Return a release that is not installed yet, in observe; it is uninstalled if the test could not."""
    release = Release(plane, tmp_path, IMAGE, {"config": OBSERVING})
    yield release
    release.helm("uninstall", "computegate", "--wait", "--ignore-not-found")


def test_nothing_is_lost_or_wrongly_admitted_from_install_to_uninstall(
    observing: Release, node: Node, cluster: Cluster, show: Callable[[str], None]
) -> None:
    release, plane = observing, observing.plane
    with Stream(plane, before_enforcing(cluster), RATE) as observed:
        timed(release.install)
        cluster.apply(*everything(mode="observe"))
    assert set(fates(observed.answers)) == {Fate.Right}, summary(observed.answers)
    show(f"{'install, in observe':32} {summary(observed.answers)}")

    cluster.apply(*everything())
    eventually(lambda: cluster.denial(worker("probe", UNCLEARED, IMAGE), "--dry-run=server"))
    with Stream(plane, enforced(), RATE) as stream:
        done = {step: checked(functools.partial(step.act, release, node), step, stream, cluster) for step in STEPS}
    answered = {step: between(stream.answers, each.begun, each.ended) for step, each in done.items()}
    lines = [f"{step.name}: {line}" for step, each in answered.items() for line in wrongs(each, done[step].begun)]
    RECORD.write_text("\n".join(lines))
    for step, answers in answered.items():
        show(f"{step.name:32} {summary(answers)}")
    show(f"the stream was at most {stream.late:.1f} s behind its rate; what was not right stands in {RECORD}")
    planned = [answer for step, answers in answered.items() if step.planned for answer in answers]
    show(f"{'all planned steps':32} {summary(planned)}")
    for step, (_, _, result) in done.items():
        lost = [answer for answer in answered[step] if answer.fate is Fate.Lost]
        if isinstance(result, Kill):
            show(f"{step.name:32} {judge(result, lost)}")
        else:
            assert lost == [], step.name
    took = sum(each.ended - each.begun for step, each in done.items() if step.planned)
    assert len(planned) >= LEAST
    assert len(planned) / took >= LEAST_RATE, f"the stream was up to {stream.late:.1f} s late"
    assert set(fates(planned)) <= {Fate.Right, Fate.TryAgain}
    assert fates(planned)[Fate.TryAgain] <= MOST_AGAIN * len(planned)
    assert not set(fates(stream.answers)) & {Fate.WronglyAdmitted, Fate.Unexplained}
    assert cluster.items("pods", "-n", CLEARED) == []

    with Stream(plane, [Asked(worker("cleared", CLEARED, IMAGE), True)], RATE) as leaving:
        timed(release.uninstall)
    assert set(fates(leaving.answers)) == {Fate.Right}, summary(leaving.answers)
    show(f"{'uninstall':32} {summary(leaving.answers)}")
    assert cluster.denial(worker("probe", UNCLEARED, IMAGE), "--dry-run=server") == ""


OBSERVING = {
    "mode": "observe",
    "contact": "desk@example.com",
    "ledger": {"rebuildSeconds": 1, "forTests": True},
}


class Done(NamedTuple):
    """When a step began and ended (monotonic seconds), and what it returned."""

    begun: float
    ended: float
    result: object


def before_enforcing(cluster: Cluster) -> list[Asked]:
    """Make both namespaces and return what is asked for in them: in observe, all is admitted."""
    for name in (CLEARED, UNCLEARED):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    return [Asked(worker("early", name, IMAGE), True) for name in (CLEARED, UNCLEARED)]


def enforced() -> list[Asked]:
    """Return what is asked for in enforce: mostly dry runs, and now and then a pod that is created and deleted."""
    gates = [{"name": "example.com/held"}]
    dry = [Asked(worker("cleared", CLEARED, IMAGE), True), Asked(worker("refused", UNCLEARED, IMAGE), False)]
    return [*dry * 10, Asked(worker("kept", CLEARED, IMAGE, schedulingGates=gates), True, kept=True)]


def timed(act: Callable[[], object]) -> Done:
    """Do it, wait a little, and say what came of it."""
    begun = time.monotonic()
    result = act()
    time.sleep(_SETTLING_SECONDS)
    return Done(begun, time.monotonic(), result)


def checked(act: Callable[[], object], step: Step, stream: Stream, cluster: Cluster) -> Done:
    """Do a step; after one that is no plan of anybody, see besides that nothing is held for what was refused."""
    done = timed(act)
    if not step.planned:
        with stream.held():
            await_nothing_held(cluster)
    return done
