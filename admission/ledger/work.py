"""How long a reconciler waits before each thing that it does, and what it has done."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Waits:
    """Seconds, all on the reconciler's own monotonic clock."""

    absent: float = 44.0
    """An entry is in flight this long before its absence is proved: the API server's 34 s and 10 s more."""
    rebuild: float = 44.0
    """A ledger is seen uncounted this long before the list that counts it begins."""
    slow: float = 2.0
    """An answer that takes longer proves nothing and starts the waits anew."""
    heartbeat: float = 1.0
    """Between questions to the API server while anything waits for calm."""
    reread: float = 5.0
    """Between reads of a ledger whose watch may have been cut."""
    between: float = 0.25
    """Between passes."""
    archive: float = 10.0
    """Between moves of what was used to its archive."""
    audit: float = 300.0
    """Between full recounts."""
    retire: float = 600.0
    """A ledger in which no limit stands any more is followed for so long."""
    timeout: float = 2.0
    """For one read or write of the store."""


@dataclasses.dataclass(slots=True)
class Work:
    """What was done since the start, and what the last recount found; for metrics."""

    folds: int = 0
    expired: int = 0
    rebuilt: int = 0
    restored: int = 0
    failures: int = 0
    uncounted: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """By scope and party: devices that exist and were counted nowhere, at the last recount."""
    missed: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """By scope and party: such devices that any fold has counted in since the start, summed."""
