"""From before the install until after the uninstall: no request is lost in a planned step, none is wrongly admitted."""

from __future__ import annotations

import functools
import re
import time
from typing import TYPE_CHECKING

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, QUOTA, UNCLEARED, everything, worker
from tests.node.steps import STEPS, Step
from tools.node.answers import Answer, Fate, between, fates, summary
from tools.node.release import Release
from tools.node.stream import Asked, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.controlplane import ControlPlane
    from tools.node.node import Node

RATE = 120.0
LEAST = 10_000
"""Requests in planned steps that must all be answered rightly."""
_CUT = re.compile(r"EOF|connection reset|connection refused|no endpoints|broken pipe|server closed|context deadline")
"""How a request ends that was on its way to a replica that was killed."""
_SETTLING_SECONDS = 3.0
"""For which a step goes on after it is done, so that its own end is under the check."""


def test_nothing_is_lost_or_wrongly_admitted_from_install_to_uninstall(
    plane: ControlPlane, node: Node, cluster: Cluster, tmp_path: Path, show: Callable[[str], None]
) -> None:
    release = Release(plane, tmp_path, IMAGE, {"config": OBSERVING})
    with Stream(plane, before_enforcing(cluster), RATE) as observed:
        timed(release.install)
        cluster.apply(*everything(mode="observe"))
    assert set(fates(observed.answers)) == {Fate.Right}, summary(observed.answers)
    show(f"{'install, in observe':32} {summary(observed.answers)}")

    cluster.apply(*everything())
    eventually(lambda: cluster.denial(worker("probe", UNCLEARED, IMAGE)), seconds=30)
    with Stream(plane, enforced(), RATE) as stream:
        spans = {step: timed(functools.partial(step.act, release, node)) for step in STEPS}
    for step, span in spans.items():
        show(f"{step.name:32} {summary(between(stream.answers, *span))}")
    planned = [answer for step, span in spans.items() if step.planned for answer in between(stream.answers, *span)]
    show(f"{'all planned steps':32} {summary(planned)}")
    assert len(planned) >= LEAST
    assert [answer for answer in planned if answer.fate is not Fate.Right] == []
    assert fates(stream.answers)[Fate.WronglyAdmitted] == 0
    assert fates(stream.answers)[Fate.Unexplained] == 0
    judge_kills(spans, stream.answers, show)
    cluster.await_use(QUOTA, 0)
    assert cluster.items("pods", "-n", CLEARED) == []

    with Stream(plane, [Asked(worker("cleared", CLEARED, IMAGE), True)], RATE) as leaving:
        timed(release.uninstall)
    assert set(fates(leaving.answers)) == {Fate.Right}, summary(leaving.answers)
    show(f"{'uninstall':32} {summary(leaving.answers)}")
    assert cluster.denial(worker("probe", UNCLEARED, IMAGE), "--dry-run=server") == ""


OBSERVING = {"mode": "observe", "contact": "desk@example.com", "ledger": {"rebuildSeconds": 1}}


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


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Do it, wait a little, and return when it began and ended."""
    begun = time.monotonic()
    act()
    time.sleep(_SETTLING_SECONDS)
    return begun, time.monotonic()


def judge_kills(spans: dict[Step, tuple[float, float]], answers: list[Answer], show: Callable[[str], None]) -> None:
    """Check that what failed at a kill was cut off on its way to the killed replica, for as long as it was led to."""
    for step, span in spans.items():
        lost = [answer for answer in between(answers, *span) if answer.fate is Fate.Lost]
        if lost:
            last = max(answer.begun for answer in lost) - span[0]
            kinds = sorted({found[0] for answer in lost if (found := _CUT.search(answer.message))})
            show(f"{'':32} {len(lost)} lost until {last:.1f} s after: {', '.join(kinds)}")
        assert [answer.message for answer in lost if not _CUT.search(answer.message)] == []
        assert step.name != "kill -9 of idle replicas" or not lost
