"""Lines on their way into the record: one batch at a time, kept until it is handed over for good."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from admission.ledger.usage.line import gap_of, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from admission.decide.registry import Registry
    from admission.ledger.usage.interval import Key
    from admission.ledger.usage.line import GapLine, UsageLine
    from admission.ledger.usage.meter import Meter

    Lines = Sequence[UsageLine | GapLine]

BATCH = 50
"""Lines handed over at once."""

logger = logging.getLogger(__name__)


class Outbox:
    """``emit`` writes lines; its future is done once they stand, and with an exception where some may not."""

    def __init__(self, emit: Callable[[Lines], asyncio.Future[None]], registry: Registry) -> None:
        self.lines = 0
        """So many lines were handed over."""
        self.gaps: list[GapLine] = []
        """Times in which nobody watched that are not written yet."""
        self._emit, self._registry = emit, registry
        self._sending: asyncio.Future[None] | None = None
        self._sent: tuple[tuple[Key, ...], int] = ((), 0)

    def note_gap(self, first: int, last: int) -> None:
        """Keep a time in which nobody watched, to be written."""
        self.gaps.append(gap_of(first, last, last))

    async def write(self, meter: Meter, now: int, patience: float) -> None:
        """Hand over what has ended; what is not confirmed within ``patience`` seconds is waited for the next time."""
        while meter.ended or self.gaps:
            self._sending = self._sending or self._send(meter, now)
            done, _ = await asyncio.wait({self._sending}, timeout=patience)
            if not done:
                return
            error, self._sending = self._sending.exception(), None
            if error is not None:
                logger.warning("usage record: lines were not written, and will be again: %s", error)
                return
            keys, gaps = self._sent
            self.lines += len(keys)
            meter.written(keys)
            del self.gaps[:gaps]

    def _send(self, meter: Meter, now: int) -> asyncio.Future[None]:
        batch = list(itertools.islice(meter.ended.values(), BATCH))
        self._sent = tuple(each.key for each in batch), len(self.gaps)
        catalogue = self._registry.catalogue
        return self._emit([*self.gaps, *(line_of(each, catalogue, now) for each in batch)])
