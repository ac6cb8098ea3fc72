"""The Consolidated Screening List of trade.gov, from a file: CSV or JSON, as it can be downloaded.

What is published at https://data.trade.gov/downloadable_consolidated_screening_list/v1/ (consolidated.csv and
consolidated.json; https://www.trade.gov/consolidated-screening-list).  Nothing is fetched here.  A file that was
cut short, or whose columns have changed, is refused as a whole: half a list clears whom the other half names.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from admission.screening.csvrows import CSVError, rows_of
from admission.screening.entry import Entry, ListError, Number
from admission.screening.parties import plain_number

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Sequence

COLUMNS = (
    "_id",
    "source",
    "entity_number",
    "type",
    "programs",
    "name",
    "title",
    "addresses",
    "federal_register_notice",
    "start_date",
    "end_date",
    "standard_order",
    "license_requirement",
    "license_policy",
    "call_sign",
    "vessel_type",
    "gross_tonnage",
    "gross_registered_tonnage",
    "vessel_flag",
    "vessel_owner",
    "remarks",
    "source_list_url",
    "alt_names",
    "citizenships",
    "dates_of_birth",
    "nationalities",
    "places_of_birth",
    "source_information_url",
    "ids",
)
"""Every column of the CSV.  ``_id``, ``source``, ``type``, ``name``, ``alt_names`` and ``ids`` are read."""

LARGEST = 512 << 20
"""Bytes of one file; the list has some 26,000 entries in a few tens of megabytes."""

MOST_NAMES = 2_000
LONGEST = 1_000
LONGEST_ID = 128
_RESULTS = re.compile(rb'"results"\s*:')
_HAS_DIGITS = re.compile(r"(?:.*\d){4}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")


class ScreeningList(NamedTuple):
    """A list that was read whole: its entries and the digest of the file."""

    entries: tuple[Entry, ...]
    digest: str


class _Identifier(msgspec.Struct):
    """Both may be null; without the fields the numbers of all entries would be gone, and nobody the wiser."""

    type: str | None
    number: str | None


class _Row(msgspec.Struct):
    id: str
    source: str
    name: str
    type: str | msgspec.UnsetType | None = msgspec.UNSET
    alt_names: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    ids: list[_Identifier] | msgspec.UnsetType | None = msgspec.UNSET


class _File(msgspec.Struct):
    results: list[_Row]


def read_list(path: pathlib.Path) -> ScreeningList:
    """Read a file whose name ends with ``.csv`` or ``.json``.  Raises ``ListError``."""
    readers = {".csv": _of_csv, ".json": _of_json}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise ListError(f"{path}: name it .csv or .json, by what it holds")
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise ListError(f"{path}: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise ListError(f"{path}: larger than {LARGEST} bytes; is this the list?")
    try:
        entries = tuple(read(raw))
    except ListError as error:
        raise ListError(f"{path}: {error}; the list is refused as a whole") from None
    if not entries:
        raise ListError(f"{path}: no entry in it; the list is refused")
    return ScreeningList(entries, f"sha256:{hashlib.sha256(raw).hexdigest()}")


def _of_csv(raw: bytes) -> Iterator[Entry]:
    rows = rows_of(raw)
    try:
        line, header = next(rows, (1, []))
        _check_columns(header)
        seen: dict[str, str] = {}
        for line, row in rows:
            if row:  # an empty line is none
                yield _once(_of_row(line, header, row), seen, f"line {line}", "column _id")
    except CSVError as error:
        raise ListError(f"line {error.line}: {error}") from None
    if not raw.endswith(b"\n"):
        raise ListError(f"line {line}, column {header[-1]}: the file ends within the line")


def _check_columns(header: Sequence[str]) -> None:
    problems = [f"column {name} is missing" for name in COLUMNS if name not in header]
    problems += [f"column {name!r:.80} is new" for name in header if name not in COLUMNS]
    problems += [f"column {name} stands twice" for name in COLUMNS if header.count(name) > 1]
    if problems:
        raise ListError(f"line 1: {'; '.join(problems[:5])}; have the columns changed?")


def _of_row(line: int, header: Sequence[str], row: Sequence[str]) -> Entry:
    if len(row) < len(header):
        raise ListError(f"line {line}, column {header[len(row)]}: the line ends before it")
    if len(row) > len(header):
        raise ListError(f"line {line}: {len(row)} fields for {len(header)} columns")
    fields = dict(zip(header, row, strict=True))
    where = f"line {line}, column"
    names = (fields["name"], *fields["alt_names"].split(";"))
    return _entry(where, "_id", (fields["_id"], fields["source"], fields["type"]), names, _numbers(fields["ids"]))


def _numbers(text: str) -> Iterator[Number]:
    """Numbers out of the CSV's flat ``ids``: ``;`` between them, ``,`` between register, number, country and dates."""
    for each in text.split(";"):
        parts = [part.strip() for part in each.split(",")]
        found = [part for part in parts if _HAS_DIGITS.match(part[:LONGEST]) and not _DATE.match(part)]
        scheme = next((part for part in parts if part not in found and not _DATE.match(part)), "")
        yield from (Number(scheme, plain_number(part)) for part in found)


def _of_json(raw: bytes) -> Iterator[Entry]:
    if len(_RESULTS.findall(raw)) > 1:
        raise ListError("field results: stands twice")
    try:
        rows = msgspec.json.decode(raw, type=_File).results
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ListError(_placed(str(error), raw)) from None
    _check_fields(rows)
    seen: dict[str, str] = {}
    for place, row in enumerate(rows):
        known = (row.id, row.source, row.type or "")
        numbers = (Number(each.type or "", plain_number(each.number or "")) for each in _given(row.ids))
        entry = _entry(f"entry {place}, field", "id", known, (row.name, *_given(row.alt_names)), numbers)
        yield _once(entry, seen, f"entry {place}", "field id")


def _check_fields(rows: Sequence[_Row]) -> None:
    """A field that an entry may be without is there in some: where it is in none, it has another name by now."""
    for name in ("type", "alt_names", "ids"):
        if rows and all(getattr(row, name) is msgspec.UNSET for row in rows):
            raise ListError(f"no entry has the field {name}; have the fields changed?")
    identifiers = [each for row in rows for each in _given(row.ids)]
    if identifiers and not any(each.number for each in identifiers):
        raise ListError("no entry has a number in the field ids; have the fields changed?")


def _once(entry: Entry, seen: dict[str, str], place: str, field: str) -> Entry:
    """Return the entry, and note where it stands; its id must not stand in another place."""
    first = seen.setdefault(entry.id, place)
    if first != place:
        raise ListError(f"{place}, {field}: {entry.id} stands in {first} already")
    return entry


def _placed(problem: str, raw: bytes) -> str:
    """Put the path that the decoder tells into words: ``$.results[3].name`` is entry 3, field name.

    What is no JSON has no path: a list that was cut short is so in its last line.
    """
    found = re.search(r"^(.*) - at `\$\.?(?:results\[(?P<place>\d+)\]\.?)?(?P<field>.*)`$", problem)
    if found is None:
        at = re.search(r"\(byte (\d+)\)$", problem)
        end = int(at[1]) if at else len(raw)
        line = raw.count(b"\n", 0, end) + 1
        return f"line {line}, byte {end}: not the JSON of the list: {problem}"
    parts = (f"entry {found['place']}" if found["place"] else "", f"field {found['field']}" if found["field"] else "")
    return f"{', '.join(part for part in parts if part)}: {found[1]}"


def _given(values: list[Any] | msgspec.UnsetType | None) -> list[Any]:
    return values if isinstance(values, list) else []


def _entry(
    where: str, id_field: str, known: tuple[str, str, str], names: Sequence[str], numbers: Iterator[Number]
) -> Entry:
    entry, source, kind = (each.strip() for each in known)
    for field, value, most in (
        (id_field, entry, LONGEST_ID),
        ("source", source, LONGEST),
        ("name", names[0].strip(), LONGEST),
    ):
        if not value:
            raise ListError(f"{where} {field}: empty")
        if len(value) > most:
            raise ListError(f"{where} {field}: longer than {most} characters")
    if len(names) > MOST_NAMES or any(len(name) > LONGEST for name in names):
        raise ListError(f"{where} alt_names: more than {MOST_NAMES} names, or one of more than {LONGEST} characters")
    plain = dict.fromkeys(name.strip() for name in names if name.strip())
    return Entry(entry, source, kind, tuple(plain), tuple(dict.fromkeys(each for each in numbers if each.number)))
