"""Answers that were given for want of room or time, without a judgement: counted, and told to the record by number.

What has no room to be judged has none for a line of its own: there is one of each kind for a second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

SCHEMA = "computegate.io/unjudged/v1"

SECONDS = 1.0
"""For which answers are counted in one line."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """So many answers of one kind, up to ``at``; ``reason`` is empty where all passed."""

    schema: str = SCHEMA
    at: str
    first: str
    origin: str
    decision: str
    reason: str
    answers: int


class _Kind(NamedTuple):
    origin: str
    decision: str
    reason: str


class Unjudged:
    """Counts on the running event loop; ``record`` takes a line and never waits."""

    def __init__(self, record: Callable[[Line], object], now: Callable[[], datetime]) -> None:
        self._record, self._now = record, now
        self._counts: Counter[_Kind] = Counter()
        self._first = ""

    def add(self, origin: str, decision: str, reason: str = "") -> None:
        """Count an answer."""
        if not self._counts:
            self._first = self._stamp()
            asyncio.get_running_loop().call_later(SECONDS, self.flush)
        self._counts[_Kind(origin, decision, reason)] += 1

    def flush(self) -> None:
        """Tell of what was counted."""
        counts, at = self._counts, self._stamp()
        self._counts = Counter()
        for kind, answers in counts.items():
            self._record(Line(at=at, first=self._first, answers=answers, **kind._asdict()))

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds")
