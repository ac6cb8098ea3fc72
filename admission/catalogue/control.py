"""The control entry that a chip's figures put it under, by the rule in force on the day.

* 87 FR 62186, from 2022-10-21: TPP of 4800 together with 600 GB/s to chips other than memory.
* 88 FR 73458, from 2023-11-17: TPP and performance density, whatever the interconnect; below 4800 Note 2 leaves out
  parts that are not designed or marketed for data centres.

The result is arithmetic.  The maker's own classification governs, and a letter to one maker can add to it (the H20 is
below every line and needs a licence to some places all the same).
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.catalogue.chip import Chip


class Entry(enum.StrEnum):
    """Paragraph of ECCN 3A090; ``UNKNOWN`` where the published figures do not settle it."""

    NONE = "none"
    A1 = "3A090.a.1"
    A2 = "3A090.a.2"
    B1 = "3A090.b.1"
    B2 = "3A090.b.2"
    UNKNOWN = "unknown"

    @property
    def short(self) -> str:
        """The paragraph alone, such as ``a.1``."""
        return self.removeprefix("3A090.")


INTERCONNECT_LINE = 600
TPP_LINE_A1, TPP_LINE_B1, TPP_LINE = 4800, 2400, 1600
DENSITY_LINE_A2, DENSITY_LINE_B2, DENSITY_LINE_B1 = 5.92, 3.2, 1.6


def control_entry(chip: Chip, at: datetime) -> Entry:
    """Return the chip's entry under the rule in force at ``at`` (with a time zone; rules change at 00:00 UTC).

    ``UNKNOWN`` unless every possible value of what is not known gives the same entry.  Figures of the lowest certainty
    may put a chip under an entry, but do not clear it.
    """
    rule = next((rule for since, rule in _RULES if at >= since), None)
    if rule is None:
        return Entry.NONE
    entry = rule(chip)
    return Entry.UNKNOWN if entry is Entry.NONE and chip.certainty == "L" else entry


def assumed_entry(chip: Chip, at: datetime) -> Entry:
    """Return the chip's entry at ``at``, or the strictest that its figures leave possible where they do not settle it.

    Restrictions take it for this; what permits does not.  A throughput of the lowest certainty bounds nothing.
    """
    entry = control_entry(chip, at)
    if entry is not Entry.UNKNOWN:
        return entry
    if chip.tpp is None or chip.certainty == "L":
        return Entry.A1
    return Entry.A2 if chip.tpp < TPP_LINE_A1 else Entry.A1


def changes() -> tuple[datetime, ...]:
    """Return the instants at which another rule set begins, oldest first."""
    return tuple(sorted(since for since, _ in _RULES))


def _by_interconnect(chip: Chip) -> Entry:
    tpp, interconnect = chip.tpp, chip.interconnect_gb_s
    if (tpp is not None and tpp < TPP_LINE_A1) or (interconnect is not None and interconnect < INTERCONNECT_LINE):
        return Entry.NONE
    return Entry.UNKNOWN if tpp is None or interconnect is None else Entry.A1


def _by_density(chip: Chip) -> Entry:
    tpp = chip.tpp
    if tpp is None:
        return Entry.UNKNOWN
    if tpp >= TPP_LINE_A1:
        return Entry.A1
    if tpp < TPP_LINE or not chip.data_center:
        return Entry.NONE
    density = chip.density
    return Entry.UNKNOWN if density is None else _between(tpp, density)


def _between(tpp: float, density: float) -> Entry:
    """Return the entry of a data-centre chip between the outer TPP lines; b.1 is named first where b.2 fits too."""
    if density >= DENSITY_LINE_A2:
        return Entry.A2
    if tpp >= TPP_LINE_B1 and density >= DENSITY_LINE_B1:
        return Entry.B1
    return Entry.B2 if density >= DENSITY_LINE_B2 else Entry.NONE


_RULES: tuple[tuple[datetime, Callable[[Chip], Entry]], ...] = (
    (datetime(2023, 11, 17, tzinfo=UTC), _by_density),
    (datetime(2022, 10, 21, tzinfo=UTC), _by_interconnect),
)
