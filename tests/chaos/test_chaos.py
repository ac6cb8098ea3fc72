"""A minute of chaos: what ``make chaos`` does for as long as one likes, with waits as short as is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.run import EXACT_SECONDS, LIMIT, SHORT, TOTALS, run

if TYPE_CHECKING:
    from pathlib import Path


def test_no_revision_of_etcd_shows_a_limit_passed_and_nothing_leaks_after_the_last_fault(tmp_path: Path) -> None:
    report = run(tmp_path, minutes=0.75, seed=1, pace=SHORT)
    assert report.replay.violations == [], report
    assert report.leftover == [], report
    assert max(report.exact_after) <= EXACT_SECONDS
    assert report.filled == TOTALS, report
    assert report.faults.total() > 0, report
    assert len(report.crowd.tally.admitted) > LIMIT / 8, report
