"""What every benchmark does with what it found: a table to read, JSON to keep, and the table in the docs if asked."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
Spread = dict[str, float]


def add_options(parser: argparse.ArgumentParser, out: str) -> None:
    """Let it be said where the JSON goes, by default to a file of this name, and that the docs get the table."""
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / out)
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")


def publish(result: dict[str, Any], table: str, out: Path, *, write: str = "") -> None:
    """Print the table, and write the result beside it; ``write`` names the command whose table in the docs it is."""
    print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"\nwritten to {out}")
    if write:
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), write, table), "utf-8")
        print(f"and into {PAGE}")


def renewed(page: str, command: str, table: str) -> str:
    """Return a page with the table between the marks of a command; raises ``ValueError`` where it has none."""
    begin, end = f"<!-- measured: {command} -->\n", "<!-- end -->"
    marked = re.compile(f"({re.escape(begin)}).*?({end})", re.DOTALL)
    if not marked.search(page):
        raise ValueError(f"no line {begin.strip()} in the page")
    return marked.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page)


def spread(values: Iterable[float]) -> Spread:
    """Return median, least and largest."""
    every = sorted(values)
    return {"median": statistics.median(every), "least": every[0], "largest": every[-1]}


def shown(found: Spread) -> str:
    """Return a spread as tables show it."""
    return f"{found['median']:.2f} ({found['least']:.2f}–{found['largest']:.2f})"


def held(reached: bool) -> str:
    """Return how a target is said to have been reached or not."""
    return "reached" if reached else "MISSED"
