"""Print what the model check finds: ``python -m tests.ledger.models [--deep]``."""

from __future__ import annotations

import sys

from tests.ledger.models.every import CASES
from tests.ledger.models.explorer import explore


def main(arguments: list[str]) -> int:
    """Print a line for each case, and return how many did not come out as they must."""
    wrong = total = 0
    for case in CASES:
        if case.deep and "--deep" not in arguments:
            continue
        found = explore(case)
        expected = (found.states, found.finding) == (case.states or found.states, case.finds)
        wrong += not expected
        total += found.states
        verdict = f"unsafe after {found.steps} steps: {found.finding}" if found.finding else "safe"
        marks = "" if expected else "   NOT AS EXPECTED"
        sys.stdout.write(f"{case.model:<26}{case.variant:<62}{found.states:>9,}  {verdict}{marks}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{total:,} states; {wrong} of the verdicts not as expected\n")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
