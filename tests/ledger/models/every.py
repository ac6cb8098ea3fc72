"""All models, each under the protocol's rules and under the simplifications that must be found unsafe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.ledger.models import (
    answers,
    archive,
    claim_folds,
    claims,
    classes,
    hours,
    moves,
    names,
    one_ledger,
    recreation,
    restore,
    reviews,
    tranches,
    two_ledgers,
)

if TYPE_CHECKING:
    from tests.ledger.models.explorer import Case

CASES: tuple[Case[Any], ...] = (
    *one_ledger.CASES,
    *reviews.CASES,
    *answers.CASES,
    *two_ledgers.CASES,
    *names.CASES,
    *recreation.CASES,
    *restore.CASES,
    *moves.CASES,
    *classes.CASES,
    *claims.CASES,
    *claim_folds.CASES,
    *hours.CASES,
    *tranches.CASES,
    *archive.CASES,
)
