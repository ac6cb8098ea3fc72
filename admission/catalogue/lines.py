"""On which side of the lines of bandwidth a chip is, by the lines in force on the day (``lines.toml``).

A line is no control entry: one makes chips below every entry need an authorization by letter, the other says how
applications are reviewed.  Rules name the sides as they name entries.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from admission.catalogue import tables
from admission.catalogue.control import Entry, control_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from admission.catalogue.chip import Chip

Side = Literal["yes", "no", "unknown"]
"""Whether a chip is within a line; unknown where its figures do not settle that."""


_ANSWERS: Mapping[str, tuple[Side, Side]] = {"any": ("yes", "no"), "all": ("no", "yes")}
"""Whether a chip is within that has a figure at its line or above, and one whose figures are all below."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, as the head of ``lines.toml`` describes it; ``beyond`` is empty where only one side has a name."""

    title: str
    within: str
    figures: Mapping[str, float]
    reaches: Literal["any", "all"]
    concerns: Literal["none", "entry"]
    status: str
    certainty: str
    effective: datetime
    source: str
    beyond: str = ""
    makers: tuple[str, ...] = ()

    def side(self, chip: Chip, at: datetime) -> Side | None:
        """Return on which side a chip is at ``at``; ``None`` where the line is not about it, or not in force yet.

        Figures of the lowest certainty may put a chip at a line, where more is asked; they do not keep it below.
        """
        if at < self.effective or (self.makers and chip.vendor.lower() not in {"", *self.makers}):
            return None
        entry = control_entry(chip, at)
        if entry is not Entry.UNKNOWN and (entry is Entry.NONE) is not (self.concerns == "none"):
            return None
        at_line, below = _ANSWERS[self.reaches]
        known = list(_figures(chip, self.figures))
        if any(figure is not None and figure >= line for figure, line in known):
            return at_line
        if any(figure is None for figure, _ in known):
            return "unknown"
        return "unknown" if chip.certainty == "L" else below


class Sides(NamedTuple):
    """The names of the sides on which a chip is for certain, and of those on which it is or may be."""

    certain: frozenset[str]
    possible: frozenset[str]


@functools.cache
def lines() -> tuple[Line, ...]:
    """Return every line, in the order of the file."""
    found = tables.document("lines.toml")["line"]
    return tuple(Line(**{**each, "makers": tuple(each.get("makers", ()))}) for each in found)


@functools.cache
def names() -> frozenset[str]:
    """Return the names of all sides, for rules to refer to."""
    return frozenset(name for line in lines() for name in (line.within, line.beyond) if name)


def changes() -> tuple[datetime, ...]:
    """Return the instants at which another line begins, oldest first."""
    return tuple(sorted(line.effective for line in lines()))


def sides(chip: Chip | None, at: datetime) -> Sides:
    """Return on which sides a chip is at ``at``; one that nobody can name may be on any."""
    begun = [line for line in lines() if at >= line.effective]
    if chip is None:
        return Sides(frozenset(), frozenset(name for line in begun for name in (line.within, line.beyond) if name))
    found = [(line, line.side(chip, at)) for line in begun]
    certain = {line.within if side == "yes" else line.beyond for line, side in found if side in {"yes", "no"}}
    doubtful = {name for line, side in found if side == "unknown" for name in (line.within, line.beyond)}
    return Sides(frozenset(certain - {""}), frozenset((certain | doubtful) - {""}))


def _figures(chip: Chip, wanted: Mapping[str, float]) -> Iterator[tuple[float | None, float]]:
    """Yield each figure of the chip with its line; ``None`` where it is not published."""
    parts = chip.bandwidth_gb_s, chip.interconnect_gb_s
    known = {
        "tpp": chip.tpp,
        "bandwidth_gb_s": chip.bandwidth_gb_s,
        "interconnect_gb_s": chip.interconnect_gb_s,
        "together_gb_s": None if None in parts else sum(part for part in parts if part is not None),
    }
    return ((known[name], line) for name, line in wanted.items())
