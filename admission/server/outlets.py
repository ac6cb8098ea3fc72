"""All sinks of a record together: what one did not take, whether it fails or blocks, and what is to be told of that."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.server.chain import Lost, stamp

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    import msgspec

    from admission.server.chain import Head
    from admission.server.sinks import Sink

BLOCKED_SECONDS = 1.0
"""A sink that has not taken lines for so long counts as one that cannot be written."""

RETRY_SECONDS = 10.0
"""A sink that fails is tried with each line that comes, and so long after the last where none comes."""

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What became of lines: whether they stand, if only in part, in some sink, and why one did not take them."""

    taken: bool
    error: OSError | None


class _Outlet:
    """A sink, why it fails, and what it did not take: numbers of lines that others took, and how many more."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.error = sink, ""
        self.missing, self.unlinked = list[range](), 0
        self.telling = False

    def missed(self, numbers: range, *, linked: bool) -> None:
        if not linked:
            self.unlinked += len(numbers)
        elif self.missing and self.missing[-1].stop == numbers.start:
            self.missing[-1] = range(self.missing[-1].start, numbers.stop)
        elif numbers:
            self.missing.append(numbers)

    def lost(self, at: str) -> Iterator[Lost]:
        if self.unlinked:
            yield Lost(at=at, sink=self.sink.name, lines=self.unlinked)
        for each in self.missing:
            yield Lost(at=at, sink=self.sink.name, lines=len(each), first=each[0], last=each[-1])

    def fails(self, error: OSError) -> None:
        if not self.error:
            _log.error("the record cannot be written to %s: %s", self.sink.name, error.strerror or error)
        self.error = error.strerror or str(error) or type(error).__name__

    def works(self) -> None:
        if self.error:
            lines = self.unlinked + sum(map(len, self.missing))
            _log.warning("the record can be written to %s again; %d lines are not there", self.sink.name, lines)
        self.error = ""
        if self.telling:
            self.missing, self.unlinked = [], 0


class Outlets:
    """Writes to each sink in its order, in one thread; ``problem`` and ``writable`` are read in others."""

    def __init__(self, sinks: Sequence[Sink], clock: Callable[[], dt.datetime]) -> None:
        self._outlets, self._clock = [_Outlet(sink) for sink in sinks], clock
        self._writing: tuple[str, float] | None = None
        self._retry_at = 0.0

    def begin(self) -> Head | None:
        """Open the sinks; return the last line that stood in one of them."""
        after = None
        for outlet in self._outlets:
            try:
                after = outlet.sink.begin() or after
            except OSError as error:
                outlet.fails(error)
        return after

    def write(self, data: bytes, numbers: range) -> Outcome:
        """Write lines of these numbers to each sink."""
        taken, failed, why = False, list[_Outlet](), None
        for outlet in self._outlets:
            self._writing = outlet.sink.name, time.monotonic()
            try:
                outlet.sink.write(data)
            except OSError as error:
                outlet.fails(error)
                failed.append(outlet)
                taken, why = taken or outlet.sink.torn, why or error
            else:
                outlet.works()
                taken = True
            self._writing, outlet.telling = None, False
        for outlet in failed:
            outlet.missed(numbers, linked=taken)
        return Outcome(taken, why)

    def told(self) -> Iterator[msgspec.Struct]:
        """Return what to tell of sinks, and of lines that one does not have, until it has taken that.

        Of one that fails it is told now and then, to try it.
        """
        retry = time.monotonic() >= self._retry_at
        for outlet in self._outlets:
            if retry or not outlet.error:
                told = [*outlet.sink.told(), *outlet.lost(stamp(self._clock()))]
                outlet.telling = bool(told)
                if told:
                    self._retry_at = time.monotonic() + RETRY_SECONDS
                yield from told

    def failing(self) -> bool:
        """Whether some sink did not take the last lines."""
        return any(outlet.error for outlet in self._outlets)

    @property
    def problem(self) -> str:
        """Why the record cannot be written now, or ""."""
        blocked = self._blocked()
        errors = [(o.sink.name, o.error) for o in self._outlets if o.error]
        errors += [(blocked, "it takes nothing")] if blocked else []
        return "; ".join(f"the record cannot be written to {name}: {error}" for name, error in errors)

    def writable(self) -> dict[str, bool]:
        """Return whether each sink takes lines, by its name."""
        blocked = self._blocked()
        return {o.sink.name: not o.error and o.sink.name != blocked for o in self._outlets}

    def close(self) -> None:
        """Close the sinks."""
        for outlet in self._outlets:
            outlet.sink.close()

    def _blocked(self) -> str:
        writing = self._writing
        return writing[0] if writing is not None and time.monotonic() - writing[1] > BLOCKED_SECONDS else ""
