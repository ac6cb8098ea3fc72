"""Rows of a CSV file with their lines; of what cannot be read the line is told, too."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CSVError(ValueError):
    """A file cannot be read on; ``line`` is where."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def rows_of(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line that it ends in, counted from 1; raises ``CSVError``."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CSVError(raw.count(b"\n", 0, error.start) + 1, "not UTF-8") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise CSVError(rows.line_num, str(error)) from None
