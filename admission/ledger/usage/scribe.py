"""Writes the journal: only what changed, every few seconds at most, and nothing while nothing happens."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from typing import TYPE_CHECKING

from admission.ledger.usage.journal import Head

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.usage.journal import Journal
    from admission.ledger.usage.meter import Meter

_BATCH = 200  # intervals between two turns of the loop


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    turn: float = 1.0
    """Between looks at the clock, at lines to be written and at the journal."""
    flush: float = 5.0
    """Between writes of the journal at least."""
    refresh: float = 60.0
    """Between writes that only say how far it is complete, while pods come and go: the API server remembers longer."""
    claims: float = 3.0
    """After a change of a claim: the pod that it was for may be about to end, by another watch."""
    retry: float = 1.0


class Scribe:
    """``stirred`` says that a pod or a claim changed since the head was written."""

    def __init__(self, journal: Journal, pace: Pace) -> None:
        self.journal = journal
        self.stirred = False
        self._pace = pace
        self._flushed = self._headed = float("-inf")

    async def write(self, meter: Meter, now: Callable[[], int], versions: Callable[[], tuple[int, int] | None]) -> None:
        """Write what changed, and how far it is complete where ``versions`` says so.

        Raises what ``Journal.flush`` raises; the journal must then be loaded anew.
        """
        clock = asyncio.get_running_loop().time
        if clock() - self._flushed < self._pace.flush:
            return
        self._flushed = clock()
        while len(meter.touched) > _BATCH:
            self._note(meter)
            await asyncio.sleep(0)
        # From here to the first write nothing is awaited: the pages are those of the versions in the head.
        self._note(meter)
        upto = versions()
        due = self.journal.is_dirty or (self.stirred and clock() - self._headed >= self._pace.refresh)
        if upto is not None and due:
            self._headed, self.stirred = clock(), False
            await self.journal.flush(Head(meter.since, now(), *upto))
        elif self.journal.is_dirty:
            await self.journal.flush(None)

    def _note(self, meter: Meter) -> None:
        keys = list(itertools.islice(meter.touched, _BATCH))
        meter.touched.difference_update(keys)
        self.journal.note((key, meter.find(key)) for key in keys)
