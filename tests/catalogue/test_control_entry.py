"""Entries by arithmetic: the lines, the notes, and what must hold of any chip."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.chip import Chip
from admission.catalogue.control import Entry, assumed_entry, changes, control_entry

NONE, A1, A2, B1, B2, UNKNOWN = Entry
STRICTNESS = (A1, A2, B1, B2, NONE)
TODAY = datetime(2026, 11, 21, tzinfo=UTC)
CATALOGUE = Catalogue.builtin()


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


def test_every_instant_at_which_a_rule_set_begins_is_told() -> None:
    assert changes() == (datetime(2022, 10, 21, tzinfo=UTC), datetime(2023, 11, 17, tzinfo=UTC))


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
        assert STRICTNESS.index(assumed_entry(partial, at)) <= STRICTNESS.index(assumed_entry(full, at))


def _chip(
    throughput: tuple[tuple[int, float], ...],
    *,
    die_mm2: float | None = None,
    data_center: bool = True,
    interconnect: float | None = None,
) -> Chip:
    return Chip("x", "X", (), "x", throughput, die_mm2, None, data_center, interconnect_gb_s=interconnect)
