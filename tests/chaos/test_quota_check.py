"""The same load and the same checker: a ResourceQuota is found over its limit, and ours at exactly the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.loads import LIMIT
from tests.chaos.quotas import ours, resource_quota

if TYPE_CHECKING:
    from pathlib import Path

DISJOINT = ["disjoint quotas"]


def test_a_resource_quota_beside_a_disjoint_one_is_found_over_its_limit(tmp_path: Path) -> None:
    (row,) = resource_quota(tmp_path, DISJOINT, rounds=5, seconds=5)
    assert row.over == 1, row


def test_ours_is_at_exactly_the_limit_under_the_same_load(tmp_path: Path) -> None:
    (row,) = ours(tmp_path, 3, DISJOINT, rounds=2, seconds=3)
    assert (row.peaks, row.exact) == ([LIMIT, LIMIT], True)
