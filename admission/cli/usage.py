"""``computegate usage``: device-hours by month, tenant and class, out of the usage record, each key counted once."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cli.recordlines import lines, opened, schema_of
from admission.ledger.usage.interval import millis_of
from admission.ledger.usage.line import GAP_SCHEMA, SCHEMA, GapLine, UsageLine
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

_HOUR = 3_600_000
_DIGITS = 3

_MARK = b"computegate.io/usage"


_usage = msgspec.json.Decoder(UsageLine)
_gap = msgspec.json.Decoder(GapLine)


class Group(NamedTuple):
    """Whose device-hours are added up; ``month`` is that of an interval's beginning, UTC."""

    month: str
    tenant: str
    end_customer: str
    accelerator_class: str


class Sums:
    """Milliseconds of one group: of its devices, weighed by TPP, and those that are only an upper bound."""

    def __init__(self) -> None:
        self.intervals = self.devices = self.tpp = self.uncertain = 0


class Record(NamedTuple):
    """What was read: the lines by key, the gaps, and how many lines could not be read."""

    lines: dict[str, UsageLine]
    gaps: set[tuple[str, str]]
    unreadable: int


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "usage",
        help="add up device-hours by month, tenant and class",
        description="Reads the usage record out of the logs of all replicas and counts each key once.  Exit code 0: "
        "all was read, 1: some lines cannot be read, 2: a file cannot be read.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="log with the usage record; - is stdin")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the sums; 1 when a line could not be read, 2 when a file could not."""
    try:
        record = read(_lines(arguments.files))
    except OSError as error:
        print(f"computegate usage: {error}", file=sys.stderr)
        return 2
    sums = summed(record.lines.values())
    print(_as_json(sums, record) if arguments.output == "json" else _as_table(sums))
    for first, last in sorted(record.gaps):
        print(f"gap: between {first} and {last} nobody watched", file=sys.stderr)
    if record.unreadable:
        print(f"{record.unreadable} lines of the usage record cannot be read and are not in the sums", file=sys.stderr)
    return int(record.unreadable > 0)


def read(lines: Iterable[bytes]) -> Record:
    """Read the usage record out of a log: of several lines with one key, the one that ends first."""
    found: dict[str, UsageLine] = {}
    gaps: set[tuple[str, str]] = set()
    unreadable = 0
    for raw in lines:
        try:
            line = _decoded(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unreadable += 1
            continue
        if isinstance(line, GapLine):
            gaps.add((line.first, line.last))
        elif line is not None:
            known = found.get(line.key)
            if known is None or span(line)[1] < span(known)[1]:
                found[line.key] = line
    return Record(found, gaps, unreadable)


def _decoded(raw: bytes) -> UsageLine | GapLine | None:
    """Return a line of the record; None for any other line of a log, whatever texts it has in it."""
    if _MARK not in raw:
        return None
    schema = schema_of(raw)
    if schema is None:
        raise ValueError("it is no JSON object")
    if schema == GAP_SCHEMA:
        return _gap.decode(raw)
    if schema != SCHEMA:
        return None
    line = _usage.decode(raw)
    span(line)
    return line


def span(line: UsageLine) -> tuple[int, int, int]:
    """Return first, last and known instant of a line in milliseconds; raises ``ValueError`` for what is none."""
    first, last, known = map(millis_of, (line.first, line.last, line.known_until))
    if first is None or last is None or known is None or not first <= known <= last:
        raise ValueError(f"{line.key}: not an interval")
    return first, last, known


def summed(lines: Iterable[UsageLine]) -> dict[Group, Sums]:
    """Return the sums by group, sorted."""
    sums: defaultdict[Group, Sums] = defaultdict(Sums)
    for line in lines:
        first, last, known = span(line)
        for held in line.held:
            each = sums[Group(line.first[:7], line.tenant, line.end_customer, held.accelerator_class)]
            each.intervals += 1
            each.devices += held.count * (last - first)
            each.tpp += held.count * held.tpp * (last - first)
            each.uncertain += held.count * (last - known)
    return dict(sorted(sums.items()))


def _lines(files: list[str]) -> Iterator[bytes]:
    for file in files:
        with opened(file) as stream:
            yield from (line for line, _ in lines(stream))


def _hours(milliseconds: int) -> float:
    return round(milliseconds / _HOUR, _DIGITS)


def _as_table(sums: dict[Group, Sums]) -> str:
    titles = ("MONTH", "TENANT", "END CUSTOMER", "CLASS", "DEVICE-HOURS", "OF THEM UNCERTAIN", "TPP-HOURS", "INTERVALS")
    rows = [titles] + [
        (
            *(printable(each) or "-" for each in group),
            f"{_hours(each.devices):.3f}",
            f"{_hours(each.uncertain):.3f}",
            f"{_hours(each.tpp):.0f}",
            str(each.intervals),
        )
        for group, each in sums.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _as_json(sums: dict[Group, Sums], record: Record) -> str:
    rows = [
        {
            "month": group.month,
            "tenant": group.tenant,
            "endCustomer": group.end_customer,
            "class": group.accelerator_class,
            "deviceHours": _hours(each.devices),
            "uncertainDeviceHours": _hours(each.uncertain),
            "tppHours": _hours(each.tpp),
            "intervals": each.intervals,
        }
        for group, each in sums.items()
    ]
    gaps = [{"first": first, "last": last} for first, last in sorted(record.gaps)]
    return msgspec.json.encode({"rows": rows, "gaps": gaps, "unreadable": record.unreadable}).decode()
