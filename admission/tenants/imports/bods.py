"""Statements of the Beneficial Ownership Data Standard, version 0.4: one JSON array, or one statement a line.

A record is told by several statements over time; the latest one counts, by its date and time, of one day or of none the
last in the file; a closed record is gone.  What identifies a natural person beyond the name (birth dates,
nationalities, passport numbers) is not read.  The fields are those of the schema at
standard.openownership.org/en/0.4.0.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import msgspec

from admission.tenants.imports.dates import Moment, moment_of
from admission.tenants.imports.decoding import decoded
from admission.tenants.imports.fragment import Found, ImportProblem, Link, Node
from admission.tenants.imports.interests import links_of
from admission.tenants.imports.parties import Entity, Person, entity_node, person_node

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

LARGEST = 64 << 20
"""Bytes of one JSON array, which is read as a whole."""

MOST_BYTES = 256 << 20
"""Bytes of all lines together: of each record the latest statement is kept."""

NEVER = Moment(dt.datetime.min.replace(tzinfo=dt.UTC), has_time=False)
"""Stands for the date that a statement has not."""

LONGEST_LINE = 1 << 20
MOST_STATEMENTS = 200_000
VERSION = "0.4"


class _Publication(msgspec.Struct, rename="camel"):
    bods_version: str | None = None
    publication_date: str | None = None


class Statement(msgspec.Struct, rename="camel"):
    """What every statement has, whatever its record."""

    statement_id: str
    record_id: str
    record_type: Literal["entity", "person", "relationship"]
    declaration_subject: str
    record_details: msgspec.Raw
    record_status: Literal["new", "updated", "closed"] | None = None
    statement_date: str | None = None
    publication_details: _Publication | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """The latest statement of a record, and where it stands."""

    statement: Statement
    where: str
    stated: Moment
    place: int


_array = msgspec.json.Decoder(list[msgspec.Raw])
_statement = msgspec.json.Decoder(Statement)
_entity = msgspec.json.Decoder(Entity)
_person = msgspec.json.Decoder(Person)


def read_bods(path: pathlib.Path, wanted: str, today: dt.date) -> Found:
    """Return what the file says of the entity ``wanted``: a record id, a statement id, or a registered identifier.

    Raises ``ImportProblem`` naming statement and field.
    """
    records, statements = _records(path, today)
    nodes, notes = _nodes(records), []
    root = _root(path, wanted, nodes, statements)
    links: list[Link] = []
    for record in records.values():
        if record.statement.record_type == "relationship":
            found, remarks = links_of(record.statement.record_details, record.where, nodes, today)
            links += found
            notes += remarks
    if not notes and not any(link.owned == root for link in links):
        notes.append(f"{path}: no open record says who holds {wanted[:64]}; its owners stay unknown")
    return Found(root, nodes, links, tuple(notes))


def dated(text: str | None, where: str, today: dt.date) -> Moment:
    """Return a date that has come, NEVER for none; raises ``ImportProblem`` for one in the future."""
    moment = NEVER if text is None else moment_of(text, where)
    if moment.day > today:
        raise ImportProblem(f"{where}: {moment.day} is in the future")
    return moment


def _records(path: pathlib.Path, today: dt.date) -> tuple[dict[str, Record], dict[str, str]]:
    """Return the open records by id, and the record of each statement id."""
    records: dict[str, Record] = {}
    statements: dict[str, str] = {}
    for number, raw in enumerate(_raw(path), start=1):
        where = f"{path}: statement {number}"
        if number > MOST_STATEMENTS:
            raise ImportProblem(f"{where}: more than {MOST_STATEMENTS} statements; cut out those about the tenant")
        record = _record(raw, where, number, today)
        if record.statement.statement_id in statements:
            raise ImportProblem(f"{where}: statementId: {record.statement.statement_id[:64]!r} stands twice")
        statements[record.statement.statement_id] = record.statement.record_id
        _put(records, record)
    return {key: each for key, each in records.items() if each.statement.record_status != "closed"}, statements


def _record(raw: bytes | msgspec.Raw, where: str, number: int, today: dt.date) -> Record:
    statement = decoded(_statement, raw, where)
    published = statement.publication_details or _Publication()
    if published.bods_version is not None and published.bods_version != VERSION:
        raise ImportProblem(
            f"{where}: publicationDetails.bodsVersion: {published.bods_version[:10]!r}; {VERSION} is read, no other"
        )
    dated(published.publication_date, f"{where}: publicationDetails.publicationDate", today)
    return Record(statement, where, dated(statement.statement_date, f"{where}: statementDate", today), number)


def _put(records: dict[str, Record], record: Record) -> None:
    key = record.statement.record_id
    known = records.get(key)
    if known is not None and known.statement.record_type != record.statement.record_type:
        raise ImportProblem(f"{record.where}: recordType: record {key[:64]!r} was of another type before")
    if known is not None and (missing := _not_comparable(known.stated, record.stated)):
        raise ImportProblem(
            f"{record.where}: statementDate: of record {key[:64]!r} one statement has {missing}; which is the later?"
        )
    if known is None or (record.stated.instant, record.place) > (known.stated.instant, known.place):
        records[key] = record


def _not_comparable(one: Moment, other: Moment) -> str:
    """What one of two dates has not, so that nobody knows which is the later; "" where somebody does."""
    if (one is NEVER) != (other is NEVER):
        return "none"
    return "no time of that day" if one.day == other.day and one.has_time != other.has_time else ""


def _nodes(records: dict[str, Record]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for key, record in records.items():
        raw, at = record.statement.record_details, f"{record.where}: recordDetails"
        if record.statement.record_type == "entity":
            nodes[key] = entity_node(decoded(_entity, raw, at), record.where)
        elif record.statement.record_type == "person":
            nodes[key] = person_node(decoded(_person, raw, at), record.where)
    return nodes


def _root(path: pathlib.Path, wanted: str, nodes: dict[str, Node], statements: dict[str, str]) -> str:
    """Find the one entity that is meant."""
    meant = {key for key in (wanted, statements.get(wanted, "")) if key in nodes}
    meant |= {
        key
        for key, node in nodes.items()
        for scheme, value in node.identifiers
        if wanted in {value, f"{scheme}:{value}"}
    }
    if len(meant) != 1:
        raise ImportProblem(f"{path}: {len(meant)} open records are meant by {wanted[:64]!r}; one is needed")
    root = meant.pop()
    if nodes[root].type == "NaturalPerson":
        raise ImportProblem(f"{nodes[root].where}: {wanted[:64]!r} is a person; nobody owns one")
    return root


def _raw(path: pathlib.Path) -> Iterator[bytes | msgspec.Raw]:
    """Yield the statements: items of an array, or lines."""
    with path.open("rb") as file:
        head = file.read(1)
        while head.isspace():
            head = file.read(1)
        if head == b"[":
            yield from _items(path, head + file.read(LARGEST + 1))
            return
        yield from _lines(path, itertools.chain((head + file.readline(LONGEST_LINE + 1),), _pieces(file)))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(LONGEST_LINE + 1), b"")


def _lines(path: pathlib.Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for line in lines:
        total += len(line)
        if len(line) > LONGEST_LINE:
            raise ImportProblem(f"{path}: a line of more than {LONGEST_LINE} bytes; one statement a line, or an array")
        if total > MOST_BYTES:
            raise ImportProblem(f"{path}: more than {MOST_BYTES} bytes; cut out what is about the tenant")
        if line.strip():
            yield line


def _items(path: pathlib.Path, text: bytes) -> list[msgspec.Raw]:
    if len(text) > LARGEST:
        raise ImportProblem(f"{path}: an array of more than {LARGEST} bytes; write one statement a line, or cut it out")
    return decoded(_array, text, str(path))
