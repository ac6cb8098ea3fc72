"""From before the install until after the uninstall: no request is lost in a planned step, none is wrongly admitted.

One stream of requests goes through all of it.  It asks for a pod of a tenant that is cleared, one of a tenant that is
not, and one for more devices than the quota has left, as another pod holds half of it all the while.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE, ROOT
from tests.node.kills import Kill, judge
from tests.node.objects import CLEARED, LIMIT, NOT_CLEARED, OVER_QUOTA, UNCLEARED, everything, worker
from tests.node.steps import STEPS, Step, await_nothing_held
from tests.node.table import table
from tools.node.answers import Answer, Fate, between, fates, summary, wrongs
from tools.node.release import Release
from tools.node.stream import Asked, Gate, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.controlplane import ControlPlane
    from tools.node.flows import Flows
    from tools.node.node import Node

RECORD = ROOT / "dist" / "cluster-test.txt"
RATE = 120.0
LEAST = 10_000
"""Requests in planned steps that must all be answered rightly."""
LEAST_RATE = 100.0
"""Requests in a second, over all planned steps."""
MOST_AGAIN = 0.01
"""Share of the requests in planned steps that may be asked to try again."""
HELD = LIMIT // 2
"""Devices that one pod holds from before enforcement until after the uninstall."""
_SETTLING_SECONDS = 3.0
"""For which a step goes on after it is done, so that its own end is under the check."""


@pytest.fixture
def observing(plane: ControlPlane, tmp_path: Path) -> Iterator[Release]:
    """Return a release that is not installed yet, in observe; it is uninstalled if the test could not."""
    release = Release(plane, tmp_path, IMAGE, {"config": {"mode": "observe", "contact": "desk@example.com"}})
    yield release
    release.helm("uninstall", "computegate", "--wait", "--ignore-not-found")
    release.kubectl("delete", "pod", "holder", "-n", CLEARED, "--ignore-not-found")


def test_nothing_is_lost_or_wrongly_admitted_from_install_to_uninstall(
    observing: Release, node: Node, cluster: Cluster, flows: Flows, show: Callable[[str], None]
) -> None:
    make_namespaces(cluster)
    with Stream(observing.plane, asked(), RATE, Gate.Open) as stream:
        operator = Operator(observing, node, cluster, stream)
        done = {step: operator.do(step) for step in operator.steps()}
    answered = {step: between(stream.answers, each.begun, each.ended) for step, each in done.items()}
    lines = [f"{step.name}: {line}" for step, each in answered.items() for line in wrongs(each, done[step].begun)]
    RECORD.write_text("\n".join(lines))
    RECORD.with_suffix(".md").write_text(table({step.name: answers for step, answers in answered.items()}))
    for step, answers in answered.items():
        show(f"{step.name:32} {summary(answers)}")
    show(f"the stream was at most {stream.late:.1f} s behind its rate; what was not right stands in {RECORD}")
    for step, (_, _, result) in done.items():
        lost = [answer for answer in answered[step] if answer.fate is Fate.Lost]
        if isinstance(result, Kill):
            show(f"{step.name:32} {judge(result, lost, flows.to(result.service))}")
        else:
            assert lost == [], step.name
    planned = [answer for step, answers in answered.items() if step.planned for answer in answers]
    show(f"{'all planned steps':32} {summary(planned)}")
    took = sum(each.ended - each.begun for step, each in done.items() if step.planned)
    assert len(planned) / took >= LEAST_RATE, f"the stream was up to {stream.late:.1f} s late"
    assert_right(planned, stream.answers)
    cluster.kubectl("delete", "pod", "holder", "-n", CLEARED)
    assert cluster.items("pods", "-n", CLEARED) == []


def assert_right(planned: list[Answer], every: list[Answer]) -> None:
    """Check that enough was asked, nothing lost where it was planned, and nothing wrong anywhere."""
    assert len(planned) >= LEAST
    assert set(fates(planned)) <= {Fate.Right, Fate.TryAgain}
    assert fates(planned)[Fate.TryAgain] <= MOST_AGAIN * len(planned)
    assert not set(fates(every)) & {Fate.WronglyAdmitted, Fate.Unexplained}
    refused = {answer.wanted for answer in every if answer.fate is Fate.Right}
    assert {"", NOT_CLEARED, OVER_QUOTA} <= refused


def make_namespaces(cluster: Cluster) -> None:
    """Make both namespaces, which belong to nobody yet."""
    for name in (CLEARED, UNCLEARED):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")


def gated(name: str, devices: int = 1) -> dict[str, object]:
    """Return a pod that no node gets, and which holds its devices like any other."""
    return worker(name, CLEARED, IMAGE, devices, schedulingGates=[{"name": "example.com/held"}])


def over() -> dict[str, object]:
    """Return a pod that asks for one device more than is left beside the holder."""
    return gated("over", LIMIT - HELD + 1)


def asked() -> list[Asked]:
    """Return what is asked for: mostly dry runs, and now and then a pod that is created, if it may be, and deleted."""
    cleared, refused = worker("cleared", CLEARED, IMAGE), worker("refused", UNCLEARED, IMAGE)
    dry = [Asked(cleared), Asked(refused, NOT_CLEARED), Asked(over(), OVER_QUOTA)]
    return [*dry * 4, Asked(gated("kept"), kept=True), *dry * 4, Asked(over(), OVER_QUOTA, kept=True)]


class Done(NamedTuple):
    """When a step began and ended (monotonic seconds), and what it returned."""

    begun: float
    ended: float
    result: object


class Operator:
    """Installs, turns enforcement on, does the steps between, and uninstalls, under a stream that knows the state."""

    def __init__(self, release: Release, node: Node, cluster: Cluster, stream: Stream) -> None:
        self._release, self._node, self._cluster, self._stream = release, node, cluster, stream

    def steps(self) -> tuple[Step, ...]:
        """Return all there is to do, in its order."""
        first = Step("install, in observe", lambda release, _: self._install(release))
        second = Step("enforcement is turned on", lambda *_: self._enforce())
        return (first, second, *STEPS, Step("uninstall", lambda release, _: self._uninstall(release)))

    def do(self, step: Step) -> Done:
        """Do a step; after one that is no plan of anybody, see besides that nothing is held for what was refused."""
        done = timed(functools.partial(step.act, self._release, self._node))
        if not step.planned:
            with self._stream.held():
                await_nothing_held(self._cluster, HELD)
        return done

    def _install(self, release: Release) -> None:
        release.install()
        self._cluster.apply(*everything(mode="observe"))
        self._cluster.admit(gated("holder", HELD))

    def _enforce(self) -> None:
        self._stream.gate = Gate.Turning
        self._cluster.apply(*everything())
        for pod, words in ((worker("probe", UNCLEARED, IMAGE), NOT_CLEARED), (over(), OVER_QUOTA)):
            self._await_denial(pod, words)
        self._stream.gate = Gate.Closed

    def _await_denial(self, pod: dict[str, object], words: str) -> None:
        eventually(lambda: self._cluster.denial(pod, "--dry-run=server"), lambda line: words in line)

    def _uninstall(self, release: Release) -> None:
        self._stream.gate = Gate.Turning
        release.uninstall()
        probe = functools.partial(self._cluster.denial, worker("probe", UNCLEARED, IMAGE), "--dry-run=server")
        assert probe() == ""
        self._stream.gate = Gate.Open


def timed(act: Callable[[], object]) -> Done:
    """Do it, wait a little, and say what came of it."""
    begun = time.monotonic()
    result = act()
    time.sleep(_SETTLING_SECONDS)
    return Done(begun, time.monotonic(), result)
