"""Ledgers in a file: what standalone mode keeps over restarts.  Any number of processes may use one file.

A thread of its own talks to the disk, one call at a time.  A call that is late is taken back, and certainly not done,
unless its commit has begun: of that nobody knows, until a read after it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import msgspec

from admission.ledger.codec import Record, encode
from admission.ledger.database import Database, Turn
from admission.ledger.state import State
from admission.ledger.store import Conflict, Failed, Fault, Snapshot, StoreError, Unknown

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Collection, Iterator

    from admission.ledger.database import Row

P = ParamSpec("P")
T = TypeVar("T")

_CLOSE_SECONDS = 2.0

_record = msgspec.json.Decoder(Record)
logger = logging.getLogger(__name__)


class SqliteStore:
    """A store in the file ``path``, which ``open`` makes where there is none.

    ``initialized`` says whether a new ledger counts from nothing at once: right where nothing can exist that was
    admitted without it, as in standalone mode.
    ``problem`` is why the file could not be used, until it was written again, or "".
    """

    def __init__(self, path: pathlib.Path, *, initialized: bool) -> None:
        self.problem = ""
        self._path, self._initialized = path, initialized
        self._database = Database(path)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "ledger")
        self._snapshots: dict[str, Snapshot] = {}
        self._seen = 0

    async def open(self, timeout: float) -> None:  # noqa: ASYNC109 (that of each call)
        """Make the file, look it over, and read what it holds.

        Raises:
            Unusable: it is no ledger, of a newer format, damaged, or cannot be made or written.
            Failed: it is locked, or was not read in time; a repeat may succeed.

        """
        with self._noted():
            await self._call(timeout, lambda _: self._database.create())
            await self._call(timeout, self._database.examine)
        await self.refresh(timeout)
        self._mended()

    async def refresh(self, timeout: float) -> None:  # noqa: ASYNC109 (that of the call)
        """Take in what was written since the last read, by whomever; raises ``StoreError``."""
        with self._noted():
            self._keep(await self._call(timeout, self._read, "", self._seen))

    async def close(self) -> None:
        """Let the call under way end, for a moment, and let go of the file."""
        with contextlib.suppress(StoreError):
            await self._call(_CLOSE_SECONDS, lambda _: self._database.close())
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def probe(self, timeout: float) -> None:  # noqa: ASYNC109 (that of the call)
        """Find out whether the file can be written again; raises ``StoreError``."""
        with self._noted():
            await self._call(timeout, self._database.probe)
        self._mended()

    def scopes(self) -> Collection[str]:
        """Return the scopes read or written here, and those that any read has shown."""
        return tuple(self._snapshots)

    def cached(self, scope: str) -> Snapshot | None:
        """Return the newest snapshot that was read or written here."""
        return self._snapshots.get(scope)

    def forget(self) -> None:
        """Drop all snapshots."""
        self._snapshots.clear()
        self._seen = 0

    async def read(self, scope: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (that of the call)
        """Return what stands, and take in whatever else was written meanwhile; a missing ledger is created.

        Raises:
            Failed: no answer in time, or the file cannot be read.

        """
        with self._noted():
            try:
                found = await self._call(timeout, self._read, scope, self._seen)
            except Unknown as error:
                raise Failed(str(error)) from error
        self._keep(found)
        return found[scope]

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109 (likewise)
        """Replace what stands at ``version``, in one transaction.

        Raises:
            Conflict: another version stands, or none.
            Failed: locked, full, read-only, or late.
            Unknown: the commit had begun, and was late or does not tell how it ended.

        """
        with self._noted():
            new = await self._call(timeout, self._swap, scope, state, version)
        self._mended()
        if new is None:
            raise Conflict(scope)
        snapshot = Snapshot(new, state)
        self._put(scope, snapshot)
        return snapshot

    # -- in the thread ---------------------------------------------------------------------------

    def _read(self, turn: Turn, scope: str, seen: int) -> dict[str, Snapshot]:
        rows = self._database.rows(scope, seen, turn)
        if scope and all(row.scope != scope for row in rows):
            new = msgspec.json.encode(encode(State(initialized=self._initialized)))
            self._database.add(scope, new, turn)
            rows = self._database.rows(scope, seen, turn)
        return {row.scope: self._snapshot(row) for row in rows}

    def _swap(self, turn: Turn, scope: str, state: State, version: int) -> int | None:
        return self._database.swap(scope, msgspec.json.encode(encode(state)), version, turn)

    def _snapshot(self, row: Row) -> Snapshot:
        held = self._snapshots.get(row.scope)
        if held is not None and held.version == row.version:
            return held
        try:
            return Snapshot.of(row.version, _record.decode(row.record))
        except msgspec.MsgspecError:
            return Snapshot(row.version, State(), Fault.CORRUPT)

    # -- in the event loop -----------------------------------------------------------------------

    async def _call(
        self,
        timeout: float,  # noqa: ASYNC109 (a call that has begun goes on)
        work: Callable[Concatenate[Turn, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Have the thread work for so many seconds.

        Raises ``Failed`` where nothing was written by then and nothing will be, ``Unknown`` where a commit has begun.
        """
        turn = Turn(timeout)
        try:
            call = self._thread.submit(work, turn, *args, **kwargs)
        except RuntimeError as error:
            raise Failed(f"{self._path}: closed") from error
        answer = asyncio.wrap_future(call)
        answer.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # heard, whoever still waits
        await asyncio.wait((answer,), timeout=timeout)
        if answer.done():
            return answer.result()
        call.cancel()
        raise (Failed if turn.take() else Unknown)(f"{self._path}: no answer from the disk within {timeout:.1f} s")

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep, and say once, why the file cannot be used."""
        try:
            yield
        except StoreError as error:
            if str(error) != self.problem:
                logger.error("the ledger: %s", error)  # noqa: TRY400 (what a disk refuses has no use for a trace)
            self.problem = str(error)
            raise

    def _mended(self) -> None:
        """Say that the file can be used again: written, as one that can only be read is of no use."""
        if self.problem:
            logger.info("the ledger: %s can be used again", self._path)
        self.problem = ""

    def _keep(self, found: dict[str, Snapshot]) -> None:
        for scope, snapshot in found.items():
            self._put(scope, snapshot)
            self._seen = max(self._seen, snapshot.version)

    def _put(self, scope: str, snapshot: Snapshot) -> None:
        held = self._snapshots.get(scope)
        if held is None or snapshot.version > held.version:
            self._snapshots[scope] = snapshot
            if snapshot.fault is not Fault.NONE:
                logger.error("the ledger: %s of %s is %s and cannot be used", scope, self._path, snapshot.fault.value)
