"""All seeded bugs."""

from __future__ import annotations

from tests.ledger.zoo import attributing, deciding, folding, renewing, spreading, timing

BUGS = (*deciding.BUGS, *folding.BUGS, *attributing.BUGS, *timing.BUGS, *renewing.BUGS, *spreading.BUGS)
