"""Lists of invented parties, as files."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from admission.screening.csl import COLUMNS

if TYPE_CHECKING:
    import pathlib

SOURCE = "Entity List (EL) - Bureau of Industry and Security"
TOLMAVIR: dict[str, Any] = {
    "id": "e1",
    "source": SOURCE,
    "type": "Entity",
    "name": "OOO Tolmavir Vychisleniya",
    "alt_names": ["Tolmavir Computing"],
    "ids": [{"type": "Tax ID No.", "number": "7700 000 001", "country": "RU"}],
}
QUELLGRUND: dict[str, Any] = {"id": "e2", "source": SOURCE, "name": "Quellgrund Rechenwerke GmbH"}
SHIP: dict[str, Any] = {**QUELLGRUND, "id": "e3", "type": "Vessel", "name": "Greyharrow Star"}


def csv_text(*entries: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> str:
    """Return entries as the CSV has them."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        numbers = "; ".join(f"{each['type']}, {each['number']}, RU, 2019-01-31" for each in entry.get("ids", ()))
        flat = {"_id": entry["id"], "alt_names": "; ".join(entry.get("alt_names", ())), "ids": numbers}
        writer.writerow({**entry, **flat})
    return file.getvalue()


def json_text(*entries: dict[str, Any]) -> str:
    """Return entries as the JSON has them."""
    return json.dumps({"results": entries})


def write(folder: pathlib.Path, text: str, name: str = "list.csv") -> pathlib.Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
