"""Every interleaving of small instances of the protocol: it is safe, and each tempting simplification is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ledger.models.every import CASES
from tests.ledger.models.explorer import Case, explore


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.deep], ids=lambda case: f"{case.model}: {case.variant}"
)
def test_the_protocol_is_safe_and_its_simplifications_are_found_unsafe(case: Case[Any]) -> None:
    found = explore(case)
    assert (found.finding, found.states) == (case.finds, case.states or found.states)
    assert found.busy or case.finds
