"""A chip by its public figures, and the two measures that the export rules are written in.

Total processing performance and performance density as in Technical Notes 2 and 3 to ECCN 3A090 (15 CFR part 774,
supplement no. 1).  The note's "2 x MacTOPS" is the data sheet's TOPS already, which count a multiply-accumulate as two
operations: doubling again is the common error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Certainty = Literal["H", "M", "L"]
"""H: the maker's figure, seen twice; M: one source, or an estimated die; L: rumour or conflict."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One integrated circuit as its maker describes it; ``None`` means not published.

    ``throughput`` holds pairs of bit length and dense (never sparse) tera-operations per second; empty means not
    published.  ``die_mm2`` counts every logic die made on a non-planar process.  Bandwidths are in GB/s;
    ``interconnect_gb_s`` is the bidirectional sum to chips other than memory.  ``aliases`` are product names as drivers
    report them.  Raises ``ValueError`` for a figure that is not a positive number.
    """

    name: str
    display_name: str
    aliases: tuple[str, ...]
    vendor: str
    throughput: tuple[tuple[int, float], ...]
    die_mm2: float | None
    bandwidth_gb_s: float | None
    data_center: bool
    certainty: Certainty = "M"
    source: str = ""
    note: str = ""
    interconnect_gb_s: float | None = None

    def __post_init__(self) -> None:
        optional = (self.die_mm2, self.bandwidth_gb_s, self.interconnect_gb_s)
        known = [figure for figure in optional if figure is not None]
        figures = [*known, *(figure for pair in self.throughput for figure in pair)]
        if not all(0 < figure < float("inf") for figure in figures):
            raise ValueError(f"chip {self.name}: every figure must be a positive number; leave out what is not known")

    @property
    def tpp(self) -> float | None:
        """Total processing performance: the largest bit length times TOPS; ``None`` if no throughput is known."""
        return max((bits * tera_ops for bits, tera_ops in self.throughput), default=None)

    @property
    def density(self) -> float | None:
        """Performance density: TPP per mm2 of applicable die area; ``None`` if either is not known."""
        tpp = self.tpp
        return None if tpp is None or self.die_mm2 is None else tpp / self.die_mm2
