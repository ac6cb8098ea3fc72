"""Whether a series grows: by the median of the slopes between all pairs of its points (Theil and Sen)."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTLED = 0.25
"""Share of the series, at its begin, in which caches fill; it is left out."""


def growth(series: Sequence[float]) -> float:
    """Return by which share of its median a series of even steps grows from its begin to its end.

    The median of all slopes, times the number of steps: one point in four may be anything.  0 for fewer than four
    points after the beginning.
    """
    kept = series[int(len(series) * SETTLED) :]
    median = statistics.median(kept) if kept else 0.0
    if len(kept) < 4 or not median:  # noqa: PLR2004  fewer say nothing
        return 0.0
    pairs = itertools.combinations(range(len(kept)), 2)
    slope = statistics.median((kept[late] - kept[early]) / (late - early) for early, late in pairs)
    return slope * (len(kept) - 1) / median
