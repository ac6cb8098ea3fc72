"""What benchmarks make of their figures; measuring itself is left to them."""

from __future__ import annotations

import pytest

from bench.result import renewed, shown, spread
from bench.slope import growth

FLAT = [100.0, 101.0, 99.0, 100.0] * 5
RISING = [100.0 + step for step in range(20)]


@pytest.mark.parametrize(
    ("series", "least", "most"),
    [
        pytest.param(FLAT, -0.01, 0.01, id="noise does not grow"),
        pytest.param(RISING, 0.12, 0.13, id="a line grows by its rise beside its median"),
        pytest.param(RISING[::-1], -0.14, -0.12, id="what falls does not grow"),
        pytest.param([10.0, 50.0, 90.0, 100.0, 100.0, *FLAT[5:]], -0.01, 0.01, id="caches that fill are no growth"),
        pytest.param([*FLAT[:10], 900.0, *FLAT[11:]], -0.01, 0.01, id="one point that is off is no growth"),
        pytest.param([1.0, 2.0, 3.0], 0, 0, id="few points say nothing"),
        pytest.param([], 0, 0, id="none neither"),
    ],
)
def test_growth_is_the_slope_of_a_series_beside_its_median(series: list[float], least: float, most: float) -> None:
    assert least <= growth(series) <= most


def test_a_spread_is_shown_as_the_median_with_least_and_largest() -> None:
    assert shown(spread([3.0, 1.0, 1.5])) == "1.50 (1.00–3.00)"


def test_a_table_takes_the_place_of_the_former_one_and_of_no_other() -> None:
    page = "a\n<!-- measured: make bench -->\nold\n<!-- end -->\nb\n<!-- measured: make soak -->\nkept\n<!-- end -->\n"
    expected = page.replace("\nold\n", "\n\nnew\n\n")
    assert expected == renewed(page, "make bench", "new")


def test_a_page_without_a_place_for_the_table_is_not_written() -> None:
    with pytest.raises(ValueError, match="no line <!-- measured: make bench -->"):
        renewed("a page", "make bench", "new")
