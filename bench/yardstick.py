"""Work that is always the same, for counts of instructions to be told by: ``python -I -S yardstick.py TIMES``.

It does what a review is made of, with the standard library alone: takes JSON apart, looks up, puts text together.
"""

from __future__ import annotations

import json
import sys

_TEXT = json.dumps([{"name": f"name-{n}", "limits": {"cpu": str(n), "memory": f"{n}Gi"}} for n in range(20)])


def work() -> str:
    """Do it once."""
    totals: dict[str, int] = {}
    for each in json.loads(_TEXT):
        for key, value in each["limits"].items():
            totals[key] = totals.get(key, 0) + int(value.removesuffix("Gi"))
    return ", ".join(f"{key}={totals[key]}" for key in sorted(totals))


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        work()
