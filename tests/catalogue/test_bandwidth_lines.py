"""On which side of a line of bandwidth a chip is, where its figures are at the line, missing, or unsure."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pydantic
import pytest

from admission.api.object import ClassRef
from admission.catalogue import lines
from admission.catalogue.catalogue import Catalogue
from admission.catalogue.chip import Chip
from admission.catalogue.lines import Sides

TODAY = datetime(2026, 11, 21, tzinfo=UTC)
BELOW = Chip("below", "Below", (), "nvidia", ((8, 100.0),), 800, 1000, data_center=True, interconnect_gb_s=64)
"""Of no control entry (TPP 800), and below the letters' line."""

CONTROLLED = dataclasses.replace(BELOW, throughput=((8, 1000.0),))
"""3A090.a.1, and below both figures of January 2026."""

LETTER, REVIEW = lines.lines()


def chip(base: Chip, **figures: Any) -> Chip:
    return dataclasses.replace(base, **figures)


@pytest.mark.parametrize(
    ("figures", "side"),
    [
        ({}, "no"),
        ({"bandwidth_gb_s": 1399.9}, "no"),
        ({"bandwidth_gb_s": 1400}, "yes"),
        ({"interconnect_gb_s": 699.9}, "no"),
        ({"interconnect_gb_s": 700}, "yes"),
        ({"bandwidth_gb_s": 100, "interconnect_gb_s": 1099.9}, "no"),
        ({"bandwidth_gb_s": 100, "interconnect_gb_s": 1100}, "yes"),
        ({"bandwidth_gb_s": None, "interconnect_gb_s": 1100}, "yes"),
        ({"bandwidth_gb_s": None}, "unknown"),
        ({"interconnect_gb_s": None}, "unknown"),
        ({"bandwidth_gb_s": None, "interconnect_gb_s": None}, "unknown"),
        ({"certainty": "L"}, "unknown"),
        ({"certainty": "L", "bandwidth_gb_s": 1400}, "yes"),
        ({"data_center": False, "bandwidth_gb_s": 1400}, "yes"),
        ({"vendor": "amd", "bandwidth_gb_s": 1400}, "yes"),
        ({"vendor": "intel", "bandwidth_gb_s": 1400}, "yes"),
        ({"vendor": "google", "bandwidth_gb_s": 1400}, None),
        ({"vendor": "", "bandwidth_gb_s": 1400}, "yes"),
        ({"throughput": ((8, 1000.0),), "bandwidth_gb_s": 1400}, None),
        ({"throughput": (), "bandwidth_gb_s": 1400}, "yes"),
        ({"throughput": (), "bandwidth_gb_s": None}, "unknown"),
    ],
)
def test_one_figure_at_the_letters_line_is_enough_and_a_missing_one_leaves_it_open(
    figures: dict[str, Any], side: str | None
) -> None:
    assert LETTER.side(chip(BELOW, **figures), TODAY) == side


@pytest.mark.parametrize(
    ("figures", "side"),
    [
        ({}, "yes"),
        ({"throughput": ((8, 2624.9),)}, "yes"),
        ({"throughput": ((8, 2625.0),)}, "no"),
        ({"bandwidth_gb_s": 6499.9}, "yes"),
        ({"bandwidth_gb_s": 6500}, "no"),
        ({"bandwidth_gb_s": None}, "unknown"),
        ({"bandwidth_gb_s": None, "throughput": ((8, 2625.0),)}, "no"),
        ({"throughput": ()}, "unknown"),
        ({"certainty": "L"}, "unknown"),
        ({"certainty": "L", "bandwidth_gb_s": 8000}, "no"),
        ({"vendor": "huawei"}, "yes"),
        ({"throughput": ((8, 100.0),)}, None),
    ],
)
def test_case_by_case_needs_both_figures_below_the_line(figures: dict[str, Any], side: str | None) -> None:
    assert REVIEW.side(chip(CONTROLLED, **figures), TODAY) == side


def test_what_is_not_settled_may_be_on_either_side_and_is_for_certain_on_none() -> None:
    either = frozenset({"CaseByCase", "PresumptionOfDenial"})

    assert lines.sides(chip(CONTROLLED, bandwidth_gb_s=None), TODAY) == Sides(frozenset(), either)
    assert lines.sides(None, TODAY) == Sides(frozenset(), lines.names())
    assert lines.sides(None, datetime(2025, 4, 8, tzinfo=UTC)) == Sides(frozenset(), frozenset())


@pytest.mark.parametrize(
    ("name", "side"),
    [("h200-sxm", "CaseByCase"), ("b200", "PresumptionOfDenial"), ("h20", "LetterBandwidth"), ("t4", None)],
)
def test_a_chip_with_known_figures_is_on_one_side(name: str, side: str | None) -> None:
    sides = frozenset({side} if side else ())
    assert Catalogue.builtin().sides(name, TODAY) == Sides(sides, sides)


def test_every_line_says_what_it_rests_on_and_rules_can_name_its_sides() -> None:
    assert all(line.title and line.source for line in lines.lines())
    assert {line.status for line in lines.lines()} == {"ByLetter", "InForce"}
    assert lines.names() == {"LetterBandwidth", "CaseByCase", "PresumptionOfDenial"}
    reference = pydantic.TypeAdapter(ClassRef)
    assert {reference.validate_python(name) for name in lines.names()} == lines.names()
