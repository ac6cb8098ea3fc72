"""The chain through the lines of a record: what is added to each line, and the lines that the chain says of itself.

A line is one JSON object.  The last of its fields is ``chain``: the run of the replica, the line's number in that run,
``prev``, the hash of the line before it, and ``hash``, the SHA-256 of the line's own bytes up to that field.  So a line
proves by itself that it is whole, and by ``prev`` that the one before it is; of a run's first line ``prev`` is zeros.

A new kind of line needs nothing here: any ``msgspec.Struct`` that encodes as an object with a field can be linked.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    import datetime as dt

BEGIN = "computegate.io/record-begin/v1"
CHECKPOINT = "computegate.io/record-checkpoint/v1"
LOST = "computegate.io/record-lost/v1"
RECOVERED = "computegate.io/record-recovered/v1"
RETIRED = "computegate.io/record-retired/v1"

MARK = b'{"schema":"computegate.io/record-'
"""How a line that the chain says of itself begins."""

NOTHING = "0" * 64
"""The hash before the first line."""

CHECKPOINT_LINES = 1000
CHECKPOINT_SECONDS = 10.0
"""A checkpoint comes after so many lines at the latest, and so long after the one before it, if a line came."""

MOST_DELAY = 20.0
"""Seconds besides that signing may take: a sink blocks, a process is starved."""

_encode = msgspec.json.Encoder().encode
_ENDS = re.compile(
    rb',"chain":\{"run":"([0-9a-f]{16})","seq":(0|[1-9]\d{0,17}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\}\Z'
)
_HASHED = len(b',"hash":"') + 64 + len(b'"}}')
"""Bytes at the end of a line that its hash is not over."""

LONGEST_END = 300
"""No ``chain`` of a line is longer, in bytes."""


class Head(msgspec.Struct, frozen=True):
    """A line by its run and number, with its hash."""

    run: str
    sequence: int
    hash: str


class _Told(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A line that the chain says of itself."""


class Begin(_Told, frozen=True, kw_only=True):
    """The first line of a run; ``after`` is the last line that stood in the file before it, where there was one."""

    schema: str = BEGIN
    at: str
    replica: str
    version: str
    after: Head | None = None


class Checkpoint(_Told, frozen=True, kw_only=True):
    """Signs the line before it, and with that all before; ``end`` where the run ends in good order."""

    schema: str = CHECKPOINT
    at: str
    sequence: int
    head: str
    end: bool
    algorithm: str
    key: str
    signature: str


class Lost(_Told, frozen=True, kw_only=True):
    """Lines that a sink did not take; ``first`` and ``last`` number those that others took, -1 where none did."""

    schema: str = LOST
    at: str
    sink: str
    lines: int
    first: int = -1
    last: int = -1


class Recovered(_Told, frozen=True, kw_only=True):
    """What a crash left of a line at the end of the file, and was cut off it.

    Also a file that could be opened only after the run had begun; ``after`` is then the last line that stood in it.
    """

    schema: str = RECOVERED
    at: str
    file: str
    bytes: int
    sha256: str
    after: Head | None = None


class Retired(_Told, frozen=True, kw_only=True):
    """A file that went by the rules of retention, by the last line in it."""

    schema: str = RETIRED
    at: str
    file: str
    last: Head | None


class Link(NamedTuple):
    """What a line says of its place; ``whole`` is whether its hash is that of its bytes."""

    run: str
    sequence: int
    prev: str
    hash: str
    whole: bool

    @property
    def head(self) -> Head:
        """The line as others name it."""
        return Head(self.run, self.sequence, self.hash)


class Chain:
    """One run: numbers and links lines."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(8)
        self.sequence, self.head = 0, NOTHING

    def link(self, line: msgspec.Struct) -> bytes:
        """Return the next line, with its end; raises whatever cannot be encoded raises."""
        body = _encode(line)
        place = b'"chain":{"run":"%b","seq":%d,"prev":"%b"' % (self.run.encode(), self.sequence, self.head.encode())
        begun = body[:-1] + b"," + place
        self.head = hashlib.sha256(begun).hexdigest()
        self.sequence += 1
        return begun + b',"hash":"%b"}}\n' % self.head.encode()


def link_of(line: bytes) -> Link | None:
    """Return the place of a line without its end, or None for one that has none."""
    found = _ENDS.search(line, max(0, len(line) - LONGEST_END))
    if found is None:
        return None
    run, sequence, prev, digest = (each.decode() for each in found.groups())
    return Link(run, int(sequence), prev, digest, hashlib.sha256(line[:-_HASHED]).hexdigest() == digest)


def stamp(instant: dt.datetime) -> str:
    """Return the instant as lines have it."""
    return instant.isoformat(timespec="milliseconds")


def signed_text(run: str, checkpoint: Checkpoint) -> bytes:
    """Return what a checkpoint's signature is over."""
    parts = (CHECKPOINT, run, str(checkpoint.sequence), checkpoint.head, checkpoint.at, str(checkpoint.end))
    return "\n".join(parts).encode()
