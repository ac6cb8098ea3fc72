"""``computegate catalogue``: the chips, their figures, and the control entry of each at an instant."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING

import msgspec

from admission.api.accelerator import AcceleratorClass
from admission.catalogue.catalogue import Catalogue
from admission.catalogue.lines import lines
from admission.cli import files
from admission.cli.instant import instant
from admission.cli.once import require_once
from admission.decide.registry import Registry

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Iterable, Iterator

COLUMNS = (
    "name",
    "entry",
    "tpp",
    "die_mm2",
    "pd",
    "bandwidth_gb_s",
    "letter_bandwidth",
    "case_by_case",
    "certainty",
    "vendor",
    "aliases",
    "source",
)
"""Columns of the table; JSON has the other fields too."""


class Row(msgspec.Struct, frozen=True):
    """One chip; ``None`` means not published.  ``assumed`` is the entry that restrictions take it for.

    The last two say whether it is within the lines of bandwidth of these names (``yes``, ``no``, ``unknown``); ``None``
    where the line is not about it, or not in force yet.
    """

    name: str
    display_name: str
    aliases: tuple[str, ...]
    vendor: str
    tpp: int | None
    die_mm2: float | None
    pd: float | None
    bandwidth_gb_s: float | None
    interconnect_gb_s: float | None
    data_center: bool
    entry: str
    assumed: str
    letter_bandwidth: str | None
    case_by_case: str | None
    certainty: str
    source: str
    note: str


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "catalogue",
        help="list the chips, their figures and their control entries",
        description="The entry is computed from the figures by the rules in force at the instant; the maker's own "
        "classification governs.  Exit code 0: done, 2: bad input.",
    )
    parser.add_argument("--at", metavar="DATE", help="a date or an instant (RFC 3339); default is now")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "-f",
        "--file",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="FILE",
        dest="files",
        help="AcceleratorClasses to list too",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the chips; 0, or 2 for a date or a file that cannot be read."""
    try:
        at = instant(arguments.at)
        listed = tuple(rows(_catalogue(arguments.files), at))
    except ValueError as error:
        print(f"computegate catalogue: {error}", file=sys.stderr)
        return 2
    if arguments.output == "json":
        print(msgspec.json.format(msgspec.json.encode(listed)).decode())
    else:
        _print(listed)
    return 0


def _catalogue(paths: Iterable[pathlib.Path]) -> Catalogue:
    """Return the built-in catalogue with the AcceleratorClasses of the files."""
    registry = Registry(Catalogue.builtin())
    documents = tuple(files.read(paths))
    require_once(documents)
    for document in documents:
        if document.kind == AcceleratorClass.__name__:
            files.take(registry, document)
    return registry.catalogue


def rows(catalogue: Catalogue, at: dt.datetime) -> Iterator[Row]:
    """Yield a row for each chip, in the order of the catalogue."""
    for chip in catalogue.chips.values():
        within = {line.within: line.side(chip, at) for line in lines()}
        yield Row(
            name=chip.name,
            display_name=chip.display_name,
            aliases=chip.aliases,
            vendor=chip.vendor,
            tpp=None if chip.tpp is None else round(chip.tpp),
            die_mm2=chip.die_mm2,
            pd=None if chip.density is None else round(chip.density, 2),
            bandwidth_gb_s=chip.bandwidth_gb_s,
            interconnect_gb_s=chip.interconnect_gb_s,
            data_center=chip.data_center,
            entry=catalogue.entry(chip.name, at).short,
            assumed=catalogue.assumed(chip.name, at).short,
            letter_bandwidth=within["LetterBandwidth"],
            case_by_case=within["CaseByCase"],
            certainty=chip.certainty,
            source=chip.source,
            note=chip.note,
        )


def _print(listed: Iterable[Row]) -> None:
    table = [COLUMNS, *(tuple(_text(getattr(row, column)) for column in COLUMNS) for row in listed)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, tuple):
        return ", ".join(value) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
