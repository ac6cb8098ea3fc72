"""What every benchmark does with what it found: a table to read, JSON to keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def publish(result: dict[str, Any], table: str, out: Path) -> None:
    """Print the table, and write the result beside it."""
    print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"\nwritten to {out}")
