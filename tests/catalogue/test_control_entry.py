"""Entries by arithmetic, against the published table; and what must hold of any chip."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.chip import Chip
from admission.catalogue.control import Entry, control_entry

NONE, A1, A2, B1, B2, UNKNOWN = Entry
TODAY = datetime(2026, 11, 21, tzinfo=UTC)
IN_2023 = datetime(2023, 11, 16, 23, 59, tzinfo=UTC)
BEFORE = datetime(2022, 10, 20, tzinfo=UTC)
CATALOGUE = Catalogue.builtin()

# Name, TPP, density (two places; None where the die area is not published), entry today.
TABLE: list[tuple[str, int, float | None, Entry]] = [
    ("v100-sxm", 2000, 2.45, NONE),
    ("v100-pcie", 1792, 2.20, NONE),
    ("v100s-pcie", 2080, 2.55, NONE),
    ("t4", 1042, 1.91, NONE),
    ("a10", 2000, 3.18, NONE),
    ("a10g", 1120, 1.78, NONE),
    ("a30", 2644, 3.20, B1),
    ("a40", 2395, 3.81, B2),
    ("a100-40gb", 4992, 6.04, A1),
    ("a100-80gb", 4992, 6.04, A1),
    ("a800", 4992, 6.04, A1),
    ("h100-sxm", 15832, 19.45, A1),
    ("h100-pcie", 12104, 14.87, A1),
    ("h100-nvl", 13368, 16.42, A1),
    ("h800-sxm", 15832, 19.45, A1),
    ("h800-pcie", 12104, 14.87, A1),
    ("h20", 2368, 2.91, NONE),
    ("h200-sxm", 15832, 19.45, A1),
    ("h200-nvl", 13368, 16.42, A1),
    ("gh200", 15832, 19.45, A1),
    ("b100", 28000, 17.20, A1),
    ("b200", 36000, 22.11, A1),
    ("gb200", 40000, 24.57, A1),
    ("b300", 56000, 34.40, A1),
    ("gb300", 60000, 36.86, A1),
    ("l4", 1940, 6.59, A2),
    ("l2", 1544, 5.24, NONE),
    ("l20", 1912, 3.14, NONE),
    ("l40", 2896, 4.76, B1),
    ("l40s", 5864, 9.64, A1),
    ("rtx-4090", 5285, 8.68, A1),
    ("rtx-4090-d", 4707, 7.74, NONE),
    ("rtx-5090", 6704, 8.94, A1),
    ("rtx-5090-d", 4750, 6.33, NONE),
    ("rtx-6000-ada", 5828, 9.58, A1),
    ("rtx-pro-6000", 8000, 10.67, A1),
    ("mi100", 2954, 3.94, B1),
    ("mi210", 2896, 4.00, B1),
    ("mi250", 5794, 4.00, A1),
    ("mi250x", 6128, 4.23, A1),
    ("mi300a", 15690, None, A1),
    ("mi300x", 20919, None, A1),
    ("mi325x", 20919, None, A1),
    ("mi350x", 36954, None, A1),
    ("mi355x", 40266, None, A1),
    ("gaudi-2", 6920, 8.38, A1),
    ("gaudi-3", 29360, None, A1),
    ("tpu-v4", 4400, 7.33, A2),
    ("tpu-v5e", 3152, 9.70, A2),
    ("tpu-v5p", 7344, None, A1),
    ("tpu-v6e", 14688, None, A1),
    ("tpu-v7", 36912, None, A1),
    ("inferentia2", 3040, None, UNKNOWN),
    ("trainium1", 3040, None, UNKNOWN),
    ("trainium2", 10672, None, A1),
    ("trainium3", 20136, None, A1),
]


@pytest.mark.parametrize(("name", "tpp", "density", "entry"), TABLE, ids=[row[0] for row in TABLE])
def test_the_figures_give_the_published_entry(name: str, tpp: int, density: float | None, entry: Entry) -> None:
    chip = CATALOGUE.chip(name)

    assert chip is not None
    assert chip.certainty in ("H", "M")
    assert (tpp, entry) == (CATALOGUE.tpp(name), CATALOGUE.entry(name, TODAY))
    assert density == (None if chip.density is None else pytest.approx(chip.density, abs=0.01))


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("a100-80gb", (NONE, A1, A1)),
        ("a800", (NONE, NONE, A1)),
        ("h800-sxm", (NONE, NONE, A1)),
        ("l40s", (NONE, NONE, A1)),
        ("a30", (NONE, NONE, B1)),
        ("l4", (NONE, NONE, A2)),
        ("mi300a", (NONE, UNKNOWN, A1)),
        ("h20", (NONE, NONE, NONE)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_entry_is_of_the_rule_in_force_on_the_day(name: str, entries: tuple[Entry, ...]) -> None:
    assert entries == tuple(CATALOGUE.entry(name, at) for at in (BEFORE, IN_2023, TODAY))


@pytest.mark.parametrize("name", ["mi308x", "rtx-pro-6000d", "ascend-910b4", "gaudi-1", "no-such-chip", ""])
def test_rumoured_and_unpublished_figures_clear_nothing(name: str) -> None:
    assert CATALOGUE.entry(name, TODAY) is UNKNOWN


def test_an_unknown_chip_weighs_as_much_as_the_largest_known_one() -> None:
    largest = max(CATALOGUE.tpp(name) for name in CATALOGUE.chips)

    assert largest == CATALOGUE.tpp("gb300") == CATALOGUE.tpp("mi308x") == CATALOGUE.tpp("no-such-chip")


def test_rules_change_at_midnight_utc_wherever_the_clock_stands() -> None:
    change = datetime(2023, 11, 17, tzinfo=UTC)

    assert CATALOGUE.entry("a800", change - timedelta(seconds=1)) is NONE
    assert CATALOGUE.entry("a800", change) is A1


def test_note_2_helps_only_below_4800() -> None:
    game = _chip(((16, 299.0),), die_mm2=500.0, data_center=False)

    assert control_entry(game, TODAY) is NONE
    assert control_entry(dataclasses.replace(game, data_center=True), TODAY) is A2
    assert control_entry(dataclasses.replace(game, throughput=((16, 300.0),)), TODAY) is A1


LINES = [
    (300.0, 5000.0, A1),
    (299.9, 810.0, A2),
    (150.0, 1500.0, B1),
    (150.0, 1501.0, NONE),
    (149.9, 749.0, B2),
    (149.9, 750.0, NONE),
    (100.0, 270.0, A2),
    (100.0, 500.0, B2),
    (99.9, 1.0, NONE),
]


@pytest.mark.parametrize(("tera_ops", "die_mm2", "entry"), LINES)
def test_each_line_holds_on_both_sides(tera_ops: float, die_mm2: float, entry: Entry) -> None:
    assert control_entry(_chip(((16, tera_ops),), die_mm2=die_mm2), TODAY) is entry


@pytest.mark.parametrize("figure", [0.0, -1.0, float("nan"), float("inf")])
def test_a_figure_that_is_no_positive_number_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="positive number"):
        _chip(((16, 100.0),), die_mm2=figure)


TERA_OPS = st.floats(min_value=0.1, max_value=20_000)
THROUGHPUT = st.lists(st.tuples(st.sampled_from([4, 6, 8, 16, 19, 32, 64]), TERA_OPS), min_size=1, max_size=6).map(
    tuple
)
DIE = st.floats(min_value=1, max_value=20_000)
INSTANTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone itself


@given(throughput=THROUGHPUT, bits=st.sampled_from([8, 16]), tera_ops=TERA_OPS)
def test_tpp_is_the_largest_product_and_never_falls_with_another_figure(
    throughput: tuple[tuple[int, float], ...], bits: int, tera_ops: float
) -> None:
    before, after = _chip(throughput).tpp, _chip((*throughput, (bits, tera_ops))).tpp

    assert before is not None
    assert before in {length * figure for length, figure in throughput}
    assert all(before >= length * figure for length, figure in throughput)
    assert max(before, bits * tera_ops) == after


@given(throughput=THROUGHPUT, die_mm2=DIE, interconnect=st.none() | DIE, data_center=st.booleans(), at=INSTANTS)
def test_an_unknown_figure_gives_an_entry_only_if_every_value_gives_it(
    throughput: tuple[tuple[int, float], ...],
    die_mm2: float,
    interconnect: float | None,
    data_center: bool,
    at: datetime,
) -> None:
    full = _chip(throughput, die_mm2=die_mm2, data_center=data_center, interconnect=interconnect)
    actual = control_entry(full, at)

    for missing in ({"die_mm2": None}, {"interconnect_gb_s": None}, {"throughput": ()}):
        partial = dataclasses.replace(full, **missing)
        assert control_entry(partial, at) in (actual, UNKNOWN)


def _chip(
    throughput: tuple[tuple[int, float], ...],
    *,
    die_mm2: float | None = None,
    data_center: bool = True,
    interconnect: float | None = None,
) -> Chip:
    return Chip("x", "X", (), "x", throughput, die_mm2, None, data_center, interconnect_gb_s=interconnect)
