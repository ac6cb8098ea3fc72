"""The decision record: one JSON line for each decision, on standard output, beside the lines of the usage record.

The schema is fixed and documented in docs/decision-record.md; ``schema`` changes when a field changes its
meaning.  Fields are only added.  The record is for operators: it names rules, owners' jurisdictions and lists'
dates, and never leaves the log.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import BinaryIO, NamedTuple

import msgspec

SCHEMA = "computegate.io/decision/v1"

_PAUSE = 0.02  # seconds; so late a line may be, and so many of them cost one waking


class _Line(msgspec.Struct, frozen=True, rename="camel"):
    """One level of the record."""


class ObjectOf(_Line, frozen=True):
    """The object that was judged; of a workload, also the role whose pods are meant, empty for all together."""

    resource: str
    namespace: str
    name: str
    uid: str
    role: str = ""


class DemandOf(_Line, frozen=True):
    """Devices of one resource: each of one of ``classes``, in one of ``places``, on one of ``targets``."""

    resource: str
    count: int
    classes: tuple[str, ...]
    places: tuple[str, ...]
    targets: tuple[str, ...]


class FindingOf(_Line, frozen=True):
    """A failed check."""

    reason: str
    code: str
    party: str
    rule: str
    detail: str
    advisory: bool


class CheckOf(_Line, frozen=True):
    """A check that was run, with its inputs."""

    name: str
    party: str
    outcome: str
    inputs: Mapping[str, str]


class QuotaOf(_Line, frozen=True):
    """One limit, before and after."""

    name: str
    unit: str
    limit: int
    before: int
    after: int


class ExemptedOf(_Line, frozen=True):
    """A field that an exemption let pass."""

    exemption: str
    field: str


class Versions(_Line, frozen=True):
    """What the decision was made from: the rule set, and for each party its KYC digest and list date."""

    rules: str
    kyc: Mapping[str, str]
    lists: Mapping[str, str]


class Record(_Line, frozen=True, kw_only=True):
    """One decision."""

    schema: str = SCHEMA
    at: str
    reference: str
    decision: str
    mode: str
    origin: str
    operation: str
    dry_run: bool
    caller: str
    tenant: str
    party: str
    governing: str
    object: ObjectOf
    demand: tuple[DemandOf, ...]
    access: tuple[str, ...]
    exempted: tuple[ExemptedOf, ...] = ()
    overrides: tuple[str, ...] = ()
    reasons: tuple[str, ...]
    message: str
    rules: tuple[str, ...]
    findings: tuple[FindingOf, ...]
    checks: tuple[CheckOf, ...]
    quota: tuple[QuotaOf, ...]
    versions: Versions
    duration_ms: float


class _Batch(NamedTuple):
    """Lines that somebody waits for."""

    lines: Sequence[msgspec.Struct]
    done: Future[None]


class Recorder:
    """Writes records in a thread of its own, so that a blocked pipe never stalls a decision.

    At most ``most`` lines wait; what comes when they are that many is dropped and counted in ``dropped``.
    """

    def __init__(self, stream: BinaryIO, most: int = 10_000) -> None:
        self._stream = stream
        self._lines: queue.Queue[Record | _Batch | None] = queue.Queue(most)
        self._thread = threading.Thread(target=self._write, name="decision-record", daemon=True)
        self.dropped = 0
        self._thread.start()

    def __call__(self, record: Record) -> None:
        """Queue a record; never waits."""
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def durably(self, lines: Sequence[msgspec.Struct]) -> Future[None]:
        """Queue lines of another record; done when all are flushed, with an exception where one may not be."""
        batch = _Batch(lines, Future())
        try:
            self._lines.put_nowait(batch)
        except queue.Full:
            batch.done.set_exception(BlockingIOError("too many lines wait to be written"))
        return batch.done

    def close(self, timeout: float = 5.0) -> None:
        """Write what is queued and stop; a stream that nobody reads is left."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=timeout)
        self._thread.join(timeout)

    def _write(self) -> None:
        encode = msgspec.json.Encoder().encode
        while (item := self._lines.get()) is not None:
            lines, done = item if isinstance(item, _Batch) else ((item,), None)
            try:
                self._stream.write(b"".join(encode(line) + b"\n" for line in lines))
                idle = self._lines.empty()
                if done is not None or idle:
                    self._stream.flush()
            except OSError as error:
                self._fail(done, error)
            else:
                _finish(done)
                if idle and done is None:
                    time.sleep(_PAUSE)  # to be woken for each line would cost as much as making it
        self._stream.flush()

    def _fail(self, done: Future[None] | None, error: OSError) -> None:
        if done is None:
            self.dropped += 1
        elif done.set_running_or_notify_cancel():
            done.set_exception(error)


def _finish(done: Future[None] | None) -> None:
    if done is not None and done.set_running_or_notify_cancel():
        done.set_result(None)
