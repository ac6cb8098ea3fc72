"""The file of ledgers in SQLite, and the four things done to it.  Blocking; one thread calls.

A row is a scope: its version, and what ``codec`` makes of its state as one JSON text.  Versions are numbered over the
whole file, so that what other processes wrote since is one query.

A commit is durable when it returns, a power failure a moment later included: the rollback journal is truncated
to commit, and ``synchronous=EXTRA`` syncs journal, file and the truncation.  It is not a write-ahead log, for all
its speed (a third of 0.7 ms saved on one disk): releases of SQLite before 3.51.3 can corrupt a file that several
connections write and checkpoint at once (sqlite.org/wal.html, section 11), and the ledger is one file to back up.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.ledger.store import Failed, Unknown

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

APPLICATION = 0x43474C44
"""What marks a file of SQLite as ours (application_id): CGLD."""

FORMAT = 1
"""The layout of tables that this version writes (user_version), and the newest that it knows."""

_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE ledger (
  scope TEXT NOT NULL PRIMARY KEY CHECK (typeof(scope) = 'text'),
  version INTEGER NOT NULL UNIQUE CHECK (typeof(version) = 'integer' AND version > 0),
  record TEXT NOT NULL CHECK (typeof(record) = 'text')
);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
COMMIT;
"""
_NEXT = "(SELECT coalesce(max(version), 0) + 1 FROM ledger)"
_PATIENCE = 0.75
"""Share of the time left that is spent waiting for another's lock, so that the refusal is heard in time."""

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNDONE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})
"""Primary codes of a COMMIT that is known to have been rolled back, or not to have begun."""


class Unusable(Failed):
    """The file is not one that can be used, now or on any repeat; an operator has to see to it."""


class Row(NamedTuple):
    """A scope's ledger as it is stored; ``record`` is JSON."""

    scope: str
    version: int
    record: bytes


class Turn:
    """The time that one call may take, in seconds, and who decides how it ends.

    Either the thread that is about to commit takes it, or the caller that waits no longer: whoever is first.  So a
    caller that gave up knows whether anything will still be written.
    """

    def __init__(self, timeout: float) -> None:
        self._ends = time.monotonic() + timeout
        self._taken = threading.Lock()

    def left(self) -> float:
        """Return the seconds left."""
        return max(0.0, self._ends - time.monotonic())

    def take(self) -> bool:
        """Say whether this was the first to take it."""
        return self._taken.acquire(blocking=False)


class Database:
    """The file at ``path``.

    Methods raise ``Failed``; those that write raise ``Unknown`` where a commit does not tell how it ended.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def create(self) -> None:
        """Make the file where there is none: whole or not at all, so that one cut short is never taken for a new one.

        Raises ``Unusable`` where that cannot be done.
        """
        if self._path.exists():
            return
        with self._told(Unusable):
            handle, made = tempfile.mkstemp(prefix=f"{self._path.name}.", dir=self._path.parent)
            os.close(handle)
            try:
                with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as connection:
                    connection.executescript(_TABLES)
                with contextlib.suppress(FileExistsError):  # another process was first
                    os.link(made, self._path)
            finally:
                os.unlink(made)  # noqa: PTH108 (a name, as mkstemp returns it)
            _sync(self._path.parent)
            _sync(self._path.parent.parent)

    def examine(self, turn: Turn) -> None:
        """Look the whole file over, and make sure that it can be written; for a start."""
        with self._told():
            if not all(os.access(each, os.W_OK) for each in (self._path, self._path.parent)):
                raise Unusable(f"{self._path}: the file and its folder must be writable, and one is not")
        with self._session(turn) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found not in ("ok", b"ok"):
            raise Unusable(f"{self._path}: the file is damaged ({_text(found)}); put a backup in its place")

    def probe(self, turn: Turn) -> None:
        """Write as much as a commit does, and change nothing: a disk that is nearly full has room for less."""
        with self._transaction(turn) as connection:
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("UPDATE ledger SET record = record || ' '")
            connection.execute("UPDATE ledger SET record = rtrim(record, ' ')")

    def rows(self, scope: str, after: int, turn: Turn) -> list[Row]:
        """Return the row of a scope, and all that were written after a version."""
        with self._session(turn) as connection:
            query = "SELECT scope, version, record FROM ledger WHERE scope = ? OR version > ?"
            return [Row(_text(name), *rest) for name, *rest in connection.execute(query, (scope, after))]

    def add(self, scope: str, record: bytes, turn: Turn) -> None:
        """Make the row of a scope, unless there is one."""
        with self._transaction(turn) as connection:
            row = (scope, record.decode())
            connection.execute(f"INSERT OR IGNORE INTO ledger VALUES (?, {_NEXT}, ?)", row)  # noqa: S608 (a constant)

    def swap(self, scope: str, record: bytes, version: int, turn: Turn) -> int | None:
        """Replace the row that stands at a version, and return its new one; None where another stands, or none."""
        with self._transaction(turn) as connection:
            query = f"UPDATE ledger SET version = {_NEXT}, record = ? WHERE scope = ? AND version = ?"  # noqa: S608 (likewise)
            if not connection.execute(query, (record.decode(), scope, version)).rowcount:
                return None
            (new,) = connection.execute("SELECT version FROM ledger WHERE scope = ?", (scope,)).fetchone()
            return int(new)

    def close(self) -> None:
        """Let go of the file; what was not committed is not written."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _transaction(self, turn: Turn) -> Iterator[sqlite3.Connection]:
        with self._session(turn) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if not turn.take():
                raise Failed(f"{self._path}: given up before it was written")
            _wait(connection, turn)
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if _code(error) in _UNDONE:
                    raise
                raise Unknown(f"{self._path}: {error}") from error

    @contextlib.contextmanager
    def _session(self, turn: Turn) -> Iterator[sqlite3.Connection]:
        """Lend the connection; after a failure it is closed, as nobody knows what is left open in it."""
        sound = False
        try:
            with self._told():
                yield self._opened(turn)
            sound = True
        finally:
            if not sound:
                self.close()

    @contextlib.contextmanager
    def _told(self, kind: type[Failed] = Failed) -> Iterator[None]:
        """Say of what SQLite or the system refuses which file it was, and whether to come again."""
        try:
            yield
        except sqlite3.Error as error:
            raise (Unusable if _code(error) in _BROKEN else kind)(f"{self._path}: {error}") from error
        except OSError as error:
            raise kind(f"{self._path}: {error.strerror or error}") from error

    def _opened(self, turn: Turn) -> sqlite3.Connection:
        self._recognise()
        if self._connection is None:
            self._connection = sqlite3.connect(
                f"{self._path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None
            )
            self._connection.text_factory = bytes  # whether it is text is for the decoder to say
            _wait(self._connection, turn)
            self._check(self._connection)
        _wait(self._connection, turn)
        return self._connection

    def _recognise(self) -> None:
        """Hold on to the file that was opened first: what is written to one that has no name any more is lost."""
        found = self._path.stat()
        identity = found.st_dev, found.st_ino
        if self._identity not in (None, identity):
            raise Unusable(f"{self._path}: another file stands in its place; restart to use that one")
        self._identity = identity

    def _check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION:
            raise Unusable(f"{self._path}: no ledger of computegate; move it away to begin with an empty one")
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout > FORMAT:
            raise Unusable(f"{self._path}: format {layout} is newer than {FORMAT}; update computegate")
        (mode,) = connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
        if mode != b"truncate":
            raise Failed(f"{self._path}: in journal mode {_text(mode)}, and another process holds it there")
        connection.execute("PRAGMA synchronous = EXTRA")


def _wait(connection: sqlite3.Connection, turn: Turn) -> None:
    """Bound the waits for other processes' locks that follow."""
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * _PATIENCE * turn.left())}")


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code; 0 for what the module itself raises."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _text(found: bytes | str) -> str:
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def _sync(folder: pathlib.Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
