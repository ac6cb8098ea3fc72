"""The chart beside programs of others, which are built for these tests alone: `make foreign-test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import Chart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def chart(helm: Path) -> Chart:
    return Chart(helm)
