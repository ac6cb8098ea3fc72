"""The entry of every chip whose figures are sure enough, on days under each rule, against a table made by hand."""

from __future__ import annotations

import csv
import pathlib
from datetime import UTC, datetime
from typing import Any

import pytest

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.control import Entry
from admission.cli.catalogue import Row, rows

TABLE = pathlib.Path(__file__).with_name("chip_entries.tsv")
CATALOGUE = Catalogue.builtin()
DAYS = {
    "2022-10-20": "",
    "2022-10-21": "rule_2022",
    "2023-03-01": "rule_2022",
    "2023-11-16": "rule_2022",
    "2023-11-17": "rule_2023",
    "2024-04-04": "rule_2023",
    "2025-05-15": "rule_2023",
    "2026-02-03": "rule_2023",
    "2026-11-21": "rule_2023",
}
"""Days, and the column of the rule in force: nothing before the first; none of the later rules moved a line."""


def _expected() -> dict[str, dict[str, str]]:
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return {row["name"]: row for row in csv.DictReader(lines, delimiter="\t")}


def _listed(day: str) -> dict[str, Row]:
    return {row.name: row for row in rows(CATALOGUE, datetime.fromisoformat(day).replace(tzinfo=UTC))}


@pytest.mark.parametrize(("day", "rule"), DAYS.items())
def test_on_each_day_every_sure_chip_has_the_entry_of_the_table(day: str, rule: str) -> None:
    computed = {row.name: row.entry for row in _listed(day).values() if row.certainty in ("H", "M")}

    assert computed == {name: row[rule] if rule else "none" for name, row in _expected().items()}


def test_figures_are_those_of_the_table() -> None:
    computed: dict[str, Any] = {row.name: (row.tpp, row.pd) for row in _listed("2026-11-21").values()}

    for name, row in _expected().items():
        tpp, density = computed[name]
        assert tpp == int(row["tpp"]), name
        assert density == (None if row["pd"] == "-" else pytest.approx(float(row["pd"]), abs=0.011)), name


LINES = {
    "2022-10-21": (),
    "2023-11-17": (),
    "2025-04-08": (),
    "2025-04-09": ("letter",),
    "2026-01-14": ("letter",),
    "2026-01-15": ("letter", "review"),
    "2026-11-21": ("letter", "review"),
}
"""Days, and the columns of the lines of bandwidth in force: the letters of April 2025, the review of January 2026."""


@pytest.mark.parametrize(("day", "drawn"), LINES.items())
def test_on_each_day_every_sure_chip_is_on_the_side_of_the_lines_that_the_table_says(
    day: str, drawn: tuple[str, ...]
) -> None:
    sure = {row.name: row for row in _listed(day).values() if row.certainty in ("H", "M")}
    computed = {name: (row.letter_bandwidth or "-", row.case_by_case or "-") for name, row in sure.items()}

    assert computed == {
        name: tuple(row[line] if line in drawn else "-" for line in ("letter", "review"))
        for name, row in _expected().items()
    }


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("a800", ["none", "none", "none", "none", "a.1", "a.1", "a.1", "a.1", "a.1"]),
        ("l4", ["none", "none", "none", "none", "a.2", "a.2", "a.2", "a.2", "a.2"]),
        ("a100-80gb", ["none", "a.1", "a.1", "a.1", "a.1", "a.1", "a.1", "a.1", "a.1"]),
        ("rtx-4090-d", ["none"] * 9),
    ],
)
def test_a_chips_class_changes_with_time_alone(name: str, entries: list[str]) -> None:
    assert entries == [_listed(day)[name].entry for day in DAYS]


def test_what_is_not_settled_is_taken_for_the_strictest_that_it_can_be() -> None:
    today = _listed("2026-11-21")
    unsettled = {row.name: row.assumed for row in today.values() if row.entry == Entry.UNKNOWN}

    assert unsettled == {
        "mi308x": "a.1",
        "rtx-pro-6000d": "a.1",
        "gaudi-1": "a.1",
        "ascend-910a": "a.1",
        "ascend-910b4": "a.1",
        "tpu-v3": "a.2",
        "inferentia2": "a.2",
        "trainium1": "a.2",
        "qualcomm-ai100": "a.2",
    }
    assert all(row.assumed == row.entry for row in today.values() if row.name not in unsettled)
    assert _listed("2023-01-01")["mi300a"].assumed == "a.1"


def test_no_chip_of_the_lowest_certainty_is_cleared_by_its_figures() -> None:
    unsure = {row.name: row.entry for row in _listed("2026-11-21").values() if row.certainty == "L"}

    assert len(unsure) == 10
    assert "none" not in unsure.values()


def test_every_chip_has_a_source_and_a_vendor() -> None:
    assert [row.name for row in _listed("2026-11-21").values() if not (row.source and row.vendor)] == []
