"""The journal's text: intervals as lines of JSON, in pages that each fit into one small object.

An interval stays on the page that it was first put on, unless it outgrows it, so that few pages change at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.ledger.usage.interval import Interval

if TYPE_CHECKING:
    from admission.ledger.usage.interval import Key

PAGE_BYTES = 32 * 1024
"""Of text on one page; as JSON inside JSON it grows by a fifth."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Interval)


class Pages:
    """Numbered pages of lines by the interval's key; ``dirty`` names the pages that changed since they were stored."""

    def __init__(self) -> None:
        self.dirty: set[int] = set()
        self._pages: dict[int, dict[Key, bytes]] = {}
        self._sizes: dict[int, int] = {}
        self._at: dict[Key, int] = {}
        self._newest = 0

    def load(self, number: int, text: str) -> tuple[list[Interval], int]:
        """Take in a stored page; return its intervals, and how many of its lines cannot be read."""
        found = []
        lines = text.encode().split(b"\n") if text else []
        for line in lines:
            try:
                interval = _decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError):
                continue
            found.append(interval)
            self._set(number, interval.key, line)
        self._pages.setdefault(number, {})
        self._sizes.setdefault(number, 0)
        self._newest = max(self._newest, number)
        return found, len(lines) - len(found)

    def put(self, interval: Interval) -> None:
        """Write an interval, new or changed."""
        line, key = _encoder.encode(interval), interval.key
        number = self._at.get(key)
        if number is None or self._sizes[number] - len(self._pages[number][key]) + len(line) > PAGE_BYTES:
            self.drop(key)
            number = self._with_room(len(line))
        self._set(number, key, line)
        self.dirty.add(number)

    def drop(self, key: Key) -> None:
        """Take out an interval, if it is there."""
        number = self._at.pop(key, None)
        if number is not None:
            self._sizes[number] -= len(self._pages[number].pop(key)) + 1
            self.dirty.add(number)

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of all pages."""
        return tuple(self._pages)

    def text(self, number: int) -> str:
        """Return the text of a page."""
        return b"\n".join(self._pages[number].values()).decode()

    def _set(self, number: int, key: Key, line: bytes) -> None:
        if key in self._at:
            self.drop(key)
        self._pages.setdefault(number, {})[key] = line
        self._sizes[number] = self._sizes.get(number, 0) + len(line) + 1
        self._at[key] = number

    def _with_room(self, size: int) -> int:
        """The page last written on, else one that is half empty, else a new one."""
        if self._sizes.get(self._newest, 0) + size < PAGE_BYTES:
            return self._newest
        half = (number for number, used in self._sizes.items() if used + size < PAGE_BYTES // 2)
        self._newest = next(half, max(self._sizes, default=-1) + 1)
        return self._newest
