"""All seeded bugs."""

from __future__ import annotations

from tests.ledger.zoo import attributing, deciding, folding, spreading, timing

BUGS = (*deciding.BUGS, *folding.BUGS, *attributing.BUGS, *timing.BUGS, *spreading.BUGS)
