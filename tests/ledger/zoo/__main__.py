"""Print each seeded bug, where it is known from, and what notices it: ``python -m tests.ledger.zoo``."""

from __future__ import annotations

import logging
import sys

from tests.ledger.zoo.bug import hunt
from tests.ledger.zoo.every import BUGS


def main() -> int:
    """Return how many bugs went unnoticed."""
    logging.disable()
    alive = 0
    for bug in BUGS:
        death = hunt(bug)
        alive += death is None
        found = f"run {death.runs:>3}  {death.killer}" if death else "UNNOTICED"
        sys.stdout.write(f"{bug.name:<52}{bug.source:<44}{found}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(BUGS) - alive} of {len(BUGS)} bugs noticed\n")
    return alive


if __name__ == "__main__":
    sys.exit(bool(main()))
