"""The end of a file of lines: its last whole line, and what a crash left behind it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from admission.server.chain import link_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.server.chain import Head

_CHUNK = 1 << 16


class Cut(NamedTuple):
    """What was cut off: how many bytes, and their SHA-256."""

    bytes: int
    sha256: str


def cut(file: int) -> Cut | None:
    """Cut what follows the last end of a line off a file that is open for writing; None when nothing does."""
    size = os.fstat(file).st_size
    end = _after_newline(file, size)
    if end == size:
        return None
    digest = hashlib.sha256()
    for chunk in _read(file, end, size):
        digest.update(chunk)
    os.ftruncate(file, end)
    return Cut(size - end, digest.hexdigest())


def last(file: int) -> Head | None:
    """Return the last whole line's place in its chain; None where it has none, or there is no line."""
    end = _after_newline(file, os.fstat(file).st_size)
    if not end:
        return None
    line = b"".join(_read(file, _after_newline(file, end - 1), end - 1))
    link = link_of(line)
    return link.head if link is not None and link.whole else None


def _after_newline(file: int, before: int) -> int:
    """Return where the last line begins that ends at ``before``: behind a newline, or at 0."""
    while before:
        start = max(0, before - _CHUNK)
        found = os.pread(file, before - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        before = start
    return 0


def _read(file: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        chunk = os.pread(file, min(_CHUNK, end - start), start)
        if not chunk:
            return
        yield chunk
        start += len(chunk)
