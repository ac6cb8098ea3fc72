"""Every interleaving of small instances of the protocol: it is safe, and each tempting simplification is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ledger.models.every import CASES
from tests.ledger.models.explorer import Case, explore

PAGE = Path("docs/proofs.md")


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.deep], ids=lambda case: f"{case.model}: {case.variant}"
)
def test_the_protocol_is_safe_and_its_simplifications_are_found_unsafe(case: Case[Any]) -> None:
    found = explore(case)
    assert (found.finding, found.states) == (case.finds, case.states or found.states)
    assert found.busy or case.finds


@pytest.mark.parametrize("case", [case for case in CASES if not case.deep], ids=lambda case: case.variant)
def test_the_page_shows_every_case(case: Case[Any]) -> None:
    shown = next(
        line for line in PAGE.read_text().splitlines() if line.startswith(f"{case.model} ") and case.variant in line
    )
    assert (f"{case.states:,}  safe" if case.states else f": {case.finds}") in shown
