"""Clearances in a CSV file: every problem with its line and field, and nothing usable while there is one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pydantic

from admission.api.clearance import KYCState
from admission.api.object import Model, Name, Text
from admission.cli.files import LARGEST, bounded
from admission.screening.csvrows import CSVError, rows_of
from admission.tenants.verification import BadDate, Verification, check_dates

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

MOST_ROWS = 10_000
MOST_PROBLEMS = 100


def _written(text: object) -> object:
    """A number of seconds is no instant that somebody would read over."""
    if isinstance(text, str) and "T" not in text.upper() and " " not in text.strip() and "-" not in text:
        raise ValueError("write an instant such as 2026-11-26T00:00:00Z")
    return text


_Instant = Annotated[pydantic.AwareDatetime, pydantic.BeforeValidator(_written)]


class _Cells(Model):
    """One row; what stands in ``status.kyc`` is bounded as it is there."""

    model_config = pydantic.ConfigDict(extra="forbid")

    tenant: Name
    state: KYCState
    level: Annotated[int, pydantic.Field(ge=0, le=4)] = 0
    verified_at: _Instant | None = None
    expires_at: _Instant | None = None
    reverify_by: _Instant | None = None
    as_of: _Instant | None = None
    covers: Annotated[str, pydantic.Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    provider: Annotated[str, pydantic.Field(max_length=128)] = ""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    reason: Text = ""


COLUMNS = tuple(field.alias or name for name, field in _Cells.model_fields.items())
"""The columns that a file may have, in any order."""


class Row(NamedTuple):
    """One row and where it stands."""

    where: str
    verification: Verification


class Table(NamedTuple):
    """The rows, and what is wrong with the file."""

    rows: list[Row]
    problems: list[str]


def read(path: pathlib.Path, now: dt.datetime | None = None) -> Table:
    """Read a file, ``-`` being standard input.  Whatever is in it, what is wrong is among the problems."""
    now = now or dt.datetime.now(dt.UTC)
    table = Table([], [])
    try:
        raw = bounded(path)
        if len(raw) > LARGEST:
            return Table([], [f"{path}: larger than {LARGEST} bytes; split it"])
        _fill(table, str(path), rows_of(raw), now)
    except OSError as error:
        table.problems.append(f"{path}: {error}")
    except CSVError as error:
        table.problems.append(f"{path}:{error.line}: {error}")
    return table


def _fill(table: Table, file: str, lines: Iterator[tuple[int, list[str]]], now: dt.datetime) -> None:
    _, header = next(lines, (1, []))
    table.problems.extend(f"{file}:1: {problem}" for problem in _wrong_header(header))
    if table.problems:
        return
    seen: dict[str, int] = {}
    for line, cells in lines:
        where = f"{file}:{line}"
        if not any(cells):
            continue
        if len(table.rows) >= MOST_ROWS or len(table.problems) >= MOST_PROBLEMS:
            table.problems.append(
                f"{where}: more than {MOST_ROWS} rows, or {MOST_PROBLEMS} problems; the rest is unread"
            )
            return
        _add(table, where, dict(zip(header, cells, strict=False)), len(cells) - len(header), now)
        _note_twice(table, where, seen, cells[header.index("tenant")] if len(cells) == len(header) else "")


def _wrong_header(header: list[str]) -> Iterator[str]:
    for name in header:
        if name not in COLUMNS:
            yield f"{name!r}: no such column; there are {', '.join(COLUMNS)}"
        elif header.count(name) > 1:
            yield f"{name}: stands twice"
    yield from (f"{name}: missing" for name in ("tenant", "state") if name not in header)


def _add(table: Table, where: str, cells: dict[str, str], surplus: int, now: dt.datetime) -> None:
    if surplus:
        table.problems.append(f"{where}: {abs(surplus)} cells too {'many' if surplus > 0 else 'few'}")
        return
    try:
        row = _Cells.model_validate({name: value for name, value in cells.items() if value})
        verification = _verification(row, now)
        check_dates(verification, now)
    except pydantic.ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        table.problems.extend(f"{where}: {problem}" for problem in wrong)
    except BadDate as bad:
        table.problems.append(f"{where}: {bad}")
    else:
        table.rows.append(Row(where, verification))


def _note_twice(table: Table, where: str, seen: dict[str, int], tenant: str) -> None:
    if tenant in seen:
        table.problems.append(f"{where}: tenant: {tenant} stands on line {seen[tenant]} already")
    elif tenant:
        seen[tenant] = int(where.rpartition(":")[2])


def _verification(row: _Cells, now: dt.datetime) -> Verification:
    """A row is as old as the verification that it tells of; where it does not say, it is of now."""
    told = row.model_dump(exclude={"as_of"})
    verifier = "computegate kyc import"
    return Verification(**told, as_of=row.as_of or row.verified_at or now, verifier=verifier)
