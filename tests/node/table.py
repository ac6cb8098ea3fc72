"""The table of docs/cluster-test.md: what became of the requests of each step, from one run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.node.answers import Fate, fates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.node.answers import Answer

_NUMBER = re.compile(r" \d+$")


def table(answered: Mapping[str, Iterable[Answer]]) -> str:
    """Return the table in Markdown; steps whose names differ by a number at the end are one row."""
    rows: dict[str, list[Answer]] = {}
    for name, answers in answered.items():
        rows.setdefault(_NUMBER.sub("", name), []).extend(answers)
    shown = (Fate.Right, Fate.Lost, Fate.TryAgain, Fate.APIServer, Fate.Unexplained, Fate.WronglyAdmitted)
    lines = [["step", "requests", *shown], ["---"] * (len(shown) + 2)]
    for name, answers in rows.items():
        counted = fates(answers)
        lines.append([name, f"{counted.total():,}", *(f"{counted[fate]:,}" for fate in shown)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
