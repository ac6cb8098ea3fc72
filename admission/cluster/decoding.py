"""Objects of an API server decoded, however deep somebody nested what nobody reads.

The API server takes 10,000 levels, as in the opaque parameters of a ResourceClaim or a custom resource.  msgspec goes
as deep as the interpreter's recursion limit, also through what it skips; one object would cost the page that it is in.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

DEEPEST = 100
"""Levels of a page, a watch line or an object that are read of one that msgspec cannot read whole."""

_BRACKETS = re.compile(
    rb"""(?: [^"\[\]{}]++ | "(?: [^"\\]++ | \\. )*+"? )*+  # no bracket but within a text
         (?: ([\[{]+) | ([\]}]*) )""",
    re.DOTALL | re.VERBOSE,
)


class Decoder(Generic[T]):
    """A ``msgspec.json.Decoder`` that raises no ``RecursionError``."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, raw: bytes | msgspec.Raw) -> T:
        """Decode JSON; raises ``msgspec.MsgspecError``.  What is nested too deeply is null below ``DEEPEST`` levels."""
        try:
            return self._decoder.decode(raw)
        except RecursionError:
            return self._decoder.decode(shallow(bytes(raw)))


def shallow(raw: bytes, deepest: int = DEEPEST) -> bytes:
    """Return JSON with null for every array and object below so many levels."""
    kept: list[bytes] = []
    begin = depth = 0
    for found in _BRACKETS.finditer(raw):
        opened, closed = len(found[1] or b""), len(found[2] or b"")
        if depth <= deepest < depth + opened:
            kept.append(raw[begin : found.start(1) + deepest - depth])
            begin = len(raw)
        elif depth - closed <= deepest < depth:
            kept.append(b"null")
            begin = found.start(2) + depth - deepest
        depth += opened - closed
    return b"".join([*kept, raw[begin:]])
