"""All seeded bugs."""

from __future__ import annotations

from tests.ledger.zoo import attributing, deciding, folding

BUGS = (*deciding.BUGS, *folding.BUGS, *attributing.BUGS)
