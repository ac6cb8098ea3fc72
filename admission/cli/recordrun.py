"""One run of a record as it is read: which of its lines came, in which order, and whether each follows the one before.

Lines come as they stand in the files.  A line ahead of its place is held until the next ones tell whether lines before
it are missing, or it was moved forward; what is missing is a gap until its lines come later, or the input ends.
"""

from __future__ import annotations

import bisect
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from admission.server.chain import NOTHING, Link

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_GAPS = 100_000
"""Gaps and lines ahead that are kept of one run; past that only their number is known."""

MOST_AHEAD = 64
"""Lines ahead of their place that are held, of which none follows another."""


class Place(NamedTuple):
    """Where a line stands: its number in all input, its file, its number there."""

    number: int
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Fault(NamedTuple):
    """Something that is wrong with lines of these numbers; what is the same of lines in a row is one fault."""

    kind: str
    """removed, added, edited, reordered, duplicated, unsigned, open or unlinked."""
    first: int
    last: int
    place: Place | None
    """Where the first of them stands, or would."""
    detail: str = ""


class Seen(NamedTuple):
    """A line that came, and where."""

    link: Link
    place: Place


@dataclass(slots=True)
class Gap:
    """Lines that did not come, between two that did; hashes are "" where the neighbour is not there to tell."""

    first: int
    last: int
    before: str
    """Hash of the line before."""
    after: str
    """``prev`` of the line behind."""
    since: int
    until: int
    """Numbers in the input between which the lines should stand."""
    place: Place


@dataclass(slots=True)
class Run:
    """One run; ``add`` takes its lines, ``finish`` closes what is open."""

    name: str
    next: int = 0
    head: str = NOTHING
    lines: int = 0
    highest: int = -1
    highest_hash: str = ""
    gaps: list[Gap] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    _at: int = 0
    _ahead: list[Seen] = field(default_factory=list)
    _early: dict[int, Seen] = field(default_factory=dict)

    def add(self, link: Link, place: Place) -> None:
        """Take a line that is whole."""
        self.lines += 1
        if link.sequence > self.highest:
            self.highest, self.highest_hash = link.sequence, link.hash
        seen, number = Seen(link, place), link.sequence
        if self._ahead and number >= self.next:
            self._decide(number)
        if number < self.next or number in self._early:
            self._late(seen)
        elif number == self.next:
            self._follow(seen)
        else:
            self._ahead.append(seen)

    def finish(self) -> None:
        """Nothing comes any more: what is held or ahead is where it was left."""
        self._jump_all()
        while self._early:
            self._jump(self._early.pop(min(self._early)), until=sys.maxsize)

    # -- order -----------------------------------------------------------------------------------

    def _decide(self, number: int) -> None:
        """Tell by the line that comes whether those ahead were moved forward, or stand right and others are missing."""
        last = self._ahead[-1].link.sequence
        if number in {last, last + 1} or len(self._ahead) >= MOST_AHEAD:
            self._jump_all()
        while self._ahead and self._ahead[-1].link.sequence > number:
            self._moved_forward(self._ahead.pop())

    def _jump_all(self) -> None:
        ahead, self._ahead = self._ahead, []
        for seen in ahead:
            self._jump(seen)

    def _follow(self, seen: Seen) -> None:
        """Take the next line, and those behind it that came early."""
        self._take(seen, self.head)
        while self.next in self._early:
            self._take(self._early.pop(self.next), self.head)

    def _take(self, seen: Seen, before: str) -> None:
        self._fits(before, seen.link.prev, seen.link.sequence - 1, seen.place)
        self.next, self.head = seen.link.sequence + 1, seen.link.hash
        self._at = max(self._at, seen.place.number)

    def _jump(self, seen: Seen, until: int | None = None) -> None:
        """Lines before this one did not come so far; nor before those in between, which stand far from their place."""
        until = seen.place.number if until is None else until
        first = self.next
        for number in sorted(each for each in self._early if each < seen.link.sequence):
            early = self._early.pop(number)
            self._open(first, early, until)
            first = number + 1
            self.head, self.next = early.link.hash, first
        self._open(first, seen, until)
        self.head = seen.link.hash
        self.next = seen.link.sequence + 1
        self._at = max(self._at, seen.place.number)
        while self.next in self._early:
            self._take(self._early.pop(self.next), self.head)

    def _open(self, first: int, behind: Seen, until: int) -> None:
        last = behind.link.sequence - 1
        if first > last:
            self._fits(self.head, behind.link.prev, last, behind.place)
        elif len(self.gaps) < MOST_GAPS:
            self.gaps.append(Gap(first, last, self.head, behind.link.prev, self._at, until, behind.place))
        else:
            self.more += last - first + 1

    def _moved_forward(self, seen: Seen) -> None:
        self._fault("reordered", seen.link.sequence, seen.place, f"stands before {self.next}")
        if len(self._early) < MOST_GAPS:
            self._early[seen.link.sequence] = seen

    def _late(self, seen: Seen) -> None:
        """Fill a gap, or say that the line was there already."""
        number = seen.link.sequence
        place = bisect.bisect_right(self.gaps, number, key=lambda each: each.first) - 1
        gap = self.gaps[place] if place >= 0 else None
        if gap is None or number > gap.last or number in self._early:
            self._fault("duplicated", number, seen.place, "stands here again")
            return
        self._fault("reordered", number, seen.place, f"stands behind {self.next - 1}")
        self.gaps[place : place + 1] = self._split(gap, seen)

    def _split(self, gap: Gap, seen: Seen) -> Iterator[Gap]:
        """What is left of a gap on both sides of a line of it."""
        number, link = seen.link.sequence, seen.link
        if number > gap.first:
            yield Gap(gap.first, number - 1, gap.before, link.prev, gap.since, gap.until, gap.place)
        else:
            self._fits(gap.before, link.prev, number - 1, seen.place)
        if number < gap.last:
            yield Gap(number + 1, gap.last, link.hash, gap.after, gap.since, gap.until, gap.place)
        else:
            self._fits(link.hash, gap.after, number, seen.place)

    def _fits(self, digest: str, prev: str, number: int, place: Place) -> None:
        """The line of this number has the hash that the one behind it names."""
        if digest and prev and digest != prev:
            self._fault("edited", max(0, number), place, "is not the line that the next one follows")

    def _fault(self, kind: str, number: int, place: Place, detail: str) -> None:
        last = self.faults[-1] if self.faults else None
        if last is not None and (last.kind, last.last) == (kind, number - 1):
            self.faults[-1] = last._replace(last=number)
        elif len(self.faults) < MOST_GAPS:
            self.faults.append(Fault(kind, number, number, place, detail))
        else:
            self.more += 1
