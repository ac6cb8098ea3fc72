"""Writes the record in a thread of its own: lines are linked there, signed now and then, and handed to the sinks.

    event loop ─► queue ─► gather ─► link ─► each sink ─► who waits
                           (a pause)   (+ checkpoint)      is told

A sink that blocks never stalls the event loop: lines wait, as many as ``most``, and what comes then is counted.  A line
that no sink took was never linked, one that only some took keeps its number; either is told by a line of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission import __version__
from admission.cluster.clock import machines
from admission.server.chain import (
    CHECKPOINT_LINES,
    CHECKPOINT_SECONDS,
    Begin,
    Chain,
    Checkpoint,
    Head,
    Lost,
    signed_text,
    stamp,
)
from admission.server.metrics import counter, gauge
from admission.server.outlets import RETRY_SECONDS, Outlets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.metrics_core import Metric

    from admission.server.signing import Signer
    from admission.server.sinks import Sink

_PAUSE = 0.02  # seconds; so late a line may be, and so many of them cost one waking
_MOST_AT_ONCE = 512

HEAD_SECONDS = 600.0
"""Between two times that the log says up to which line the record is signed."""

_log = logging.getLogger(__name__)


class _Batch(NamedTuple):
    """Lines that somebody waits for, and whether they count as dropped where they are not in every sink."""

    lines: Sequence[msgspec.Struct]
    done: Future[None]
    counts: bool


class Recorder:
    """The record of one process.  ``begin`` starts it; lines that come before wait."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        most: int = 10_000,
        *,
        replica: str = "",
        clock: Callable[[], dt.datetime] = machines,
    ) -> None:
        self._outlets, self._replica, self._clock = Outlets(sinks, clock), replica, clock
        self._queue: queue.Queue[msgspec.Struct | _Batch | None] = queue.Queue(most)
        self._chain, self._owed = Chain(), list[msgspec.Struct]()
        self._begins, self._due = 0, 0.0
        self._say_at = 0.0
        self._signer: Signer | None = None
        self._thread = threading.Thread(target=self._work, name="decision-record", daemon=True)
        self._overflowed = self._unwritable = self._unwritten = self._told = 0  # the first by callers, in their thread
        self.lines = self.checkpoints = 0
        self.head: Head | None = None
        """The last checkpoint: who has noted it elsewhere sees whether a record was cut before it."""

    def begin(self, signer: Signer) -> None:
        """Open the sinks, begin a run, and write what waits."""
        self._signer = signer
        self._thread.start()

    def __call__(self, line: msgspec.Struct) -> None:
        """Queue a line; never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._overflowed += 1

    def durably(self, lines: Sequence[msgspec.Struct], *, counts: bool = False) -> Future[None]:
        """Queue lines; done when every sink handed all to the operating system, with an exception where one did not.

        ``counts`` says that nobody answers otherwise for it, so that such lines are dropped.
        """
        batch = _Batch(lines, Future(), counts)
        try:
            self._queue.put_nowait(batch)
        except queue.Full:
            self._overflowed += len(lines) if counts else 0
            batch.done.set_exception(BlockingIOError("too many lines wait to be written"))
        return batch.done

    def close(self, timeout: float = 5.0) -> None:
        """Write what is queued, sign it and stop; a sink that nobody empties is left."""
        if self._signer is None:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout)
        self._thread.join(timeout)

    @property
    def dropped(self) -> int:
        """Lines that are not in every sink although what they tell of holds."""
        return self._overflowed + self._unwritable + self._unwritten

    @property
    def problem(self) -> str:
        """Why the record cannot be written now, or ""."""
        ended = self._signer is not None and not self._thread.is_alive()
        return "what writes the record has ended" if ended else self._outlets.problem

    def figures(self) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        alive, takes = self._thread.is_alive(), self._outlets.writable()
        writable: dict[tuple[str, ...], float] = {(name,): alive and works for name, works in takes.items()}
        return (
            gauge("computegate_record_writable", "Whether the sink takes lines.", writable, ("sink",)),
            counter("computegate_record_lines", "Lines that were written.", self.lines),
            counter("computegate_record_checkpoints", "Lines that sign those before.", self.checkpoints),
            gauge("computegate_record_head", "Number of the last checkpoint in its run.", self._numbered(), ("run",)),
        )

    def _numbered(self) -> dict[tuple[str, ...], float]:
        return {(self.head.run,): self.head.sequence} if self.head else {}

    # -- the thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        after = self._outlets.begin()
        self._owed.append(Begin(at=stamp(self._clock()), replica=self._replica, version=__version__, after=after))
        self._put([], sign=True)
        items: list[msgspec.Struct | _Batch | None] = []
        while None not in items:
            items = self._gathered()
            end = None in items
            self._put([each for each in items if each is not None], sign=end or self._is_due(), end=end)
            self._say(end=end)
            if not any(isinstance(each, _Batch) for each in items) and self._queue.empty():
                time.sleep(_PAUSE)  # to be woken for each line would cost as much as making it
        self._outlets.close()

    def _gathered(self) -> list[msgspec.Struct | _Batch | None]:
        """Wait for lines, or until something else is due; return all that wait."""
        left = max(0.0, self._due - time.monotonic()) if self._begins < self._chain.sequence else None
        if self._outlets.failing():
            left = min(RETRY_SECONDS, RETRY_SECONDS if left is None else left)
        found: list[msgspec.Struct | _Batch | None] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=left))
            while found[-1] is not None and len(found) < _MOST_AT_ONCE:
                found.append(self._queue.get_nowait())
        return found

    def _is_due(self) -> bool:
        """What comes after a quiet time is signed at once: so no line is much younger than the checkpoint before it."""
        return time.monotonic() >= self._due

    def _put(self, items: Sequence[msgspec.Struct | _Batch], *, sign: bool, end: bool = False) -> None:
        """Link, sign and write; tell who waits."""
        batches = [each for each in items if isinstance(each, _Batch) and each.done.set_running_or_notify_cancel()]
        chain, before = self._chain, (self._chain.sequence, self._chain.head)
        self._owed += self._never_linked()
        told = list(self._outlets.told())
        data, begins, signed = list[bytes](), self._begins, list[Head]()
        lines = (each.lines if isinstance(each, _Batch) else (each,) for each in items)
        for line in itertools.chain(self._owed, told, *lines):
            data.append(self._linked(line))
            if chain.sequence - begins >= CHECKPOINT_LINES:
                data.append(self._signed(signed))
                begins = chain.sequence
        if end or ((sign or told) and chain.sequence > begins):  # unsigned, what is told would excuse nothing
            data.append(self._signed(signed, end=end))
        if not data:
            return
        outcome = self._outlets.write(b"".join(data), range(before[0], chain.sequence))
        if outcome.taken:
            self._took(chain.sequence - before[0], signed)
        else:
            chain.sequence, chain.head = before
        if outcome.error is not None:
            self._unwritten += sum(map(_dropped, items))
        _tell(batches, outcome.error)

    def _took(self, lines: int, signed: Sequence[Head]) -> None:
        self._owed.clear()
        self.lines += lines
        self.checkpoints += len(signed)
        if signed:
            self.head, self._begins = signed[-1], signed[-1].sequence + 1
            self._due = time.monotonic() + CHECKPOINT_SECONDS

    def _say(self, *, end: bool) -> None:
        """Note the head where the record itself is not."""
        if self.head is not None and (end or time.monotonic() >= self._say_at):
            self._say_at = time.monotonic() + HEAD_SECONDS
            _log.info("the record is signed up to its head %s:%d:%s", *msgspec.structs.astuple(self.head))

    def _linked(self, line: msgspec.Struct) -> bytes:
        try:
            return self._chain.link(line)
        except Exception:  # noqa: BLE001 - whatever a line holds, the others are written
            _log.exception("a line of the record cannot be written")
            self._unwritable += 1
            return b""

    def _never_linked(self) -> list[Lost]:
        """Return what to tell of lines for which there was no room, or that could not be encoded."""
        lines = self._overflowed + self._unwritable - self._told
        self._told += lines
        return [Lost(at=stamp(self._clock()), sink="", lines=lines)] if lines else []

    def _signed(self, signed: list[Head], *, end: bool = False) -> bytes:
        """Return a line that signs those before, and note where it stands."""
        line = self._chain.link(self._checkpoint(end=end))
        signed.append(Head(self._chain.run, self._chain.sequence - 1, self._chain.head))
        return line

    def _checkpoint(self, *, end: bool) -> Checkpoint:
        chain, signer = self._chain, self._signer
        assert signer is not None
        unsigned = Checkpoint(
            at=stamp(self._clock()),
            sequence=chain.sequence - 1,
            head=chain.head,
            end=end,
            algorithm=signer.algorithm,
            key=signer.key,
            signature="",
        )
        return msgspec.structs.replace(unsigned, signature=signer.sign(signed_text(chain.run, unsigned)))


def _dropped(item: msgspec.Struct | _Batch) -> int:
    """Return how many lines are dropped where this is not written."""
    return item.counts * len(item.lines) if isinstance(item, _Batch) else 1


def _tell(batches: Iterable[_Batch], error: OSError | None) -> None:
    for batch in batches:
        if error is None:
            batch.done.set_result(None)
        else:
            batch.done.set_exception(error)
