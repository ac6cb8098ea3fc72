"""Lines of a log, and which of them are lines of a record: one answer for what reads a record and what verifies it.

A line of ours that was written anew, with other spaces or other order of fields, still is one: readers read it, and
verifying finds it.
"""

from __future__ import annotations

import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING, BinaryIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 16 * 1024 * 1024
"""Bytes of one line; what is longer is no line of a record."""

_OURS = "computegate.io/"
_MARK = _OURS.encode()


class _Schema(msgspec.Struct):
    schema: str = ""


_decoder = msgspec.json.Decoder(_Schema)


@contextlib.contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """Open a log; ``-`` is standard input."""
    if source == "-":
        yield sys.stdin.buffer
    else:
        with pathlib.Path(source).open("rb") as stream:
            yield stream


def lines(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield lines without their ends, and whether they had one; of one that is too long, its beginning."""
    while line := stream.readline(LONGEST):
        ended = line.endswith(b"\n")
        if not ended and len(line) == LONGEST:
            while rest := stream.readline(LONGEST):
                if rest.endswith(b"\n"):
                    break
            ended = True
        yield line.removesuffix(b"\n"), ended


def schema_of(line: bytes) -> str | None:
    """Return the schema of a line of a record, "" for another line of a log; None for one that is no JSON object."""
    if _MARK not in line:
        return ""
    try:
        schema = _decoder.decode(line).schema
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return schema if schema.startswith(_OURS) else ""
