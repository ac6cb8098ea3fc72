"""What only a file can do: outlive kill -9, be locked, full, damaged, moved, or of another program."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from admission.ledger import database
from admission.ledger.codec import FORMAT as RECORD_FORMAT
from admission.ledger.commit import Tuning
from admission.ledger.database import APPLICATION, FORMAT, Database, Turn, Unusable
from admission.ledger.draft import UNWATCHED
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Granted, Unavailable
from admission.ledger.sqlite import SqliteStore
from admission.ledger.state import State
from admission.ledger.store import Failed, Fault, StoreError, Unknown
from admission.review.reasons import Reason
from tests.ledger.wanted import wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parent.parent.parent
SOON = 30.0
VERSION = "PRAGMA data_version"
"""A number that differs when another connection has written since."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A new file of ledgers."""
    file = tmp_path / "state" / "ledger.sqlite3"
    file.parent.mkdir()
    Database(file).create()
    return file


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, initialized=True)
    try:
        await store.open(SOON)
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def by_hand(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


# -- kill -9 -----------------------------------------------------------------------------------


class Granting:
    """Processes that reserve in one file, and what each has said before it was killed."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self.said: dict[str, set[str]] = defaultdict(set)

    def killed_after(self, lines: dict[str, int]) -> None:
        """Hear so many lines of each, and kill them wherever they are then."""
        children = {name: self._child(name) for name in lines}
        for name, child in children.items():
            assert child.stdout is not None
            for _ in range(lines[name]):
                self._hear(child.stdout.readline())
        for child in children.values():
            child.kill()
        for child in children.values():
            for line in child.communicate(timeout=30)[0].splitlines(keepends=True):
                self._hear(line)

    def _child(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.ledger.granting", str(self._path), name, str(self._limit)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0)

    def _hear(self, line: bytes) -> None:
        if line.endswith(b"\n"):  # else it was cut short
            what, uid = line.decode().split()
            self.said[what].add(uid)


def test_whatever_was_answered_stands_after_kill_9_and_nothing_exceeds_the_limit(path: Path) -> None:
    rng, limit = random.Random(), 8  # noqa: S311 (chance, no secret)
    for number in range(4):
        granting = Granting(path, limit)
        granting.killed_after({f"{name}{number}": rng.randint(20, 60) for name in "ab"})
        held, said = asyncio.run(_cleared(path)), granting.said
        assert said["granted"] - said["releasing"] - held == set(), "answered, and not there"
        assert said["released"] & held == set(), "released, and still there"
        assert len(held) <= limit
        with by_hand(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert said["granted"], "they were at work"
        assert said["released"], "likewise"


async def _cleared(path: Path) -> set[str]:
    """Return what is held, and release it, as its owners are dead."""
    async with opened(path) as store:
        snapshot = store.cached("CN")
        assert snapshot is not None
        assert snapshot.fault is Fault.NONE
        for uid in snapshot.state.inflight:
            assert await Ledger(store).release(uid)
        return set(snapshot.state.inflight)


def test_what_stands_is_read_at_the_start_and_by_others_with_any_read(path: Path) -> None:
    async def scene() -> None:
        async with opened(path) as first:
            ledger = Ledger(first)
            assert isinstance(await ledger.reserve(wanted("u1", scopes=("CN", "DE")), _in(SOON)), Granted)
            async with opened(path) as second:
                assert second.cached("DE") == first.cached("DE")
                assert isinstance(await ledger.reserve(wanted("u2"), _in(SOON)), Granted)
                assert await second.read("DE", SOON) == first.cached("DE")
                assert second.cached("CN") == first.cached("CN")
                assert await Ledger(second).release("u2")
                assert set((await first.read("CN", SOON)).state.inflight) == {"u1"}

    asyncio.run(scene())


def test_what_another_process_reserved_is_released_too(path: Path) -> None:
    async def scene() -> None:
        async with opened(path) as first, opened(path) as second:
            await Ledger(second).release("u0")
            await second.read("DE", SOON)
            assert isinstance(await Ledger(first).reserve(wanted("u1"), _in(SOON)), Granted)
            assert await Ledger(second).release("u1")
            assert (await first.read("CN", SOON)).state.inflight == {}

    asyncio.run(scene())


def test_reading_writes_nothing(path: Path) -> None:
    async def scene() -> None:
        async with opened(path) as store:
            await store.read("CN", SOON)
            with by_hand(path) as watching:
                before = watching.execute(VERSION).fetchone()
                for _ in range(3):
                    await store.read("CN", SOON)
                    await store.refresh(SOON)
                assert watching.execute(VERSION).fetchone() == before

    asyncio.run(scene())


def test_a_probe_writes_and_changes_nothing(path: Path) -> None:
    async def scene() -> None:
        async with opened(path) as store:
            await store.write("CN", State(1, initialized=True), (await store.read("CN", SOON)).version, SOON)
            with by_hand(path) as other:
                rows, before = (other.execute(query).fetchall() for query in ("SELECT * FROM ledger", VERSION))
                await store.probe(SOON)
                assert other.execute(VERSION).fetchall() != before
                assert other.execute("SELECT * FROM ledger").fetchall() == rows

    asyncio.run(scene())


# -- a disk that does not answer, and one that refuses -----------------------------------------


class Stalled:
    """A disk that stands still when a transaction begins, or when it commits, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: str) -> None:
        self.reached, self.goes = threading.Event(), threading.Event()
        take = Turn.take

        def stalling(turn: Turn) -> bool:
            if threading.current_thread() is threading.main_thread():
                return take(turn)
            taken = take(turn) if at == "commit" else False
            self.reached.set()
            self.goes.wait(30)
            return taken or take(turn)

        monkeypatch.setattr(Turn, "take", stalling)


@pytest.mark.parametrize(("at", "outcome", "epoch"), [("begin", Failed, 0), ("commit", Unknown, 1)])
def test_a_write_that_is_late_has_failed_unless_its_commit_has_begun(
    path: Path, monkeypatch: pytest.MonkeyPatch, at: str, outcome: type[StoreError], epoch: int
) -> None:
    async def scene() -> None:
        async with opened(path) as store:
            version = (await store.read("CN", SOON)).version
            disk = Stalled(monkeypatch, at=at)
            first = asyncio.create_task(store.write("CN", State(1, initialized=True), version, 2.0))
            await asyncio.to_thread(disk.reached.wait, SOON)
            with pytest.raises(Failed, match="no answer from the disk"):
                await store.write("CN", State(2, initialized=True), version, 0.1)
            with pytest.raises(Failed, match="no answer from the disk"):
                await store.read("CN", 0.1)
            with pytest.raises(outcome, match="no answer from the disk"):
                await first
            disk.goes.set()
            assert (await store.read("CN", SOON)).state.epoch == epoch

    asyncio.run(scene())


def test_a_locked_file_is_failed_in_time_and_mends_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.01)

    async def scene() -> None:
        async with opened(path) as store:
            found, ledger = await store.read("CN", SOON), Ledger(store, tuning=Tuning(timeout=0.2))
            with by_hand(path) as other:
                other.execute("BEGIN EXCLUSIVE")
                with pytest.raises(Failed, match=r"ledger\.sqlite3: database is locked"):
                    await store.write("CN", State(1), found.version, SOON)
                with pytest.raises(Failed):
                    await store.read("CN", 0.1)
                assert await ledger.reserve(wanted("u1"), _in(0.3)) == Unavailable(Reason.LedgerBusy)
                assert not await ledger.release("u1")
                assert store.problem
            await store.probe(SOON)
            assert isinstance(await Ledger(store).reserve(wanted("u1"), _in(SOON)), Granted)
            assert store.problem == ""

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("hurt", "says"),
    [
        ("PRAGMA max_page_count = 1", "database or disk is full"),
        ("PRAGMA query_only = ON", "attempt to write a readonly database"),
    ],
)
def test_a_full_disk_and_one_that_turned_read_only_fail_closed_until_they_are_mended(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hurt: str, says: str
) -> None:
    whole, pragma = Database._check, [hurt]

    def check(self: Database, connection: sqlite3.Connection) -> None:
        whole(self, connection)
        for each in pragma:
            connection.execute(each)

    async def scene() -> None:
        async with opened(path) as store:
            ledger = Ledger(store, caps=UNWATCHED)
            assert isinstance(await ledger.reserve(wanted("u1"), _in(SOON)), Granted)
            monkeypatch.setattr(Database, "_check", check)
            await store._call(SOON, lambda _: store._database.close())
            held, big = store.cached("CN"), wanted("u" * 20_000)
            while says not in store.problem:
                assert await ledger.reserve(big, _in(0.5)) == Unavailable(Reason.LedgerBusy)
            assert await store.read("CN", SOON) == held, "what stands can still be read"
            pragma.clear()
            await store._call(SOON, lambda _: store._database.close())
            await store.probe(SOON)
            assert store.problem == ""
            assert isinstance(await ledger.reserve(big, _in(SOON)), Granted)

    asyncio.run(scene())
    assert len([record for record in caplog.records if says in record.message]) == 1, "said once"


# -- a file that is not to be used -------------------------------------------------------------


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"kind: Secret\n" * 1000)


def _of_another_program(path: Path) -> None:
    path.unlink()
    with by_hand(path) as connection:
        connection.execute("CREATE TABLE ledger (scope)")


def _newer(path: Path) -> None:
    with by_hand(path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")


def _damaged(path: Path) -> None:
    with by_hand(path) as connection:
        connection.execute("INSERT INTO ledger VALUES ('CN', 1, ?)", ("x" * 50_000,))
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("hurt", "says"),
    [
        (_empty, "no ledger of computegate; move it away"),
        (_garbage, "file is not a database"),
        (_of_another_program, "no ledger of computegate; move it away"),
        (_newer, f"format {FORMAT + 1} is newer than {FORMAT}; update computegate"),
        (_damaged, "damaged|malformed"),
        (_folder, "unable to open database file"),
    ],
)
def test_a_file_that_is_no_sound_ledger_of_ours_is_refused_and_left_alone(path: Path, hurt: Any, says: str) -> None:
    hurt(path)
    before = path.read_bytes() if path.is_file() else b""

    async def scene() -> None:
        store = SqliteStore(path, initialized=True)
        with pytest.raises(StoreError, match=says) as told:
            await store.open(SOON)
        assert str(told.value).startswith(f"{path}: ")
        assert await Ledger(store).reserve(wanted("u1"), _in(0.3)) == Unavailable(Reason.LedgerBusy)
        await store.close()

    asyncio.run(scene())
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda found, _: Path(found) != path.parent)

    async def scene() -> None:
        with pytest.raises(Unusable, match="must be writable, and one is not"):
            async with opened(path):
                pass

    asyncio.run(scene())


def test_where_the_file_cannot_be_made_the_store_does_not_open(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(Unusable, match="No such file or directory"):
            async with opened(tmp_path / "nowhere" / "ledger.sqlite3"):
                pass

    asyncio.run(scene())


def test_two_that_make_the_file_at_once_make_one(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.sqlite3"
        async with contextlib.AsyncExitStack() as stack:
            stores = [SqliteStore(path, initialized=True) for _ in range(4)]
            for store in stores:
                stack.push_async_callback(store.close)
            await asyncio.gather(*(store.open(SOON) for store in stores))
            found = [await store.read("CN", SOON) for store in stores]
            assert found == found[:1] * 4

    asyncio.run(scene())
    assert {each.name for each in tmp_path.iterdir()} == {"ledger.sqlite3", "ledger.sqlite3-journal"}


def test_a_file_that_was_moved_away_takes_no_more_grants(path: Path) -> None:
    async def scene() -> None:
        async with opened(path) as store:
            await store.read("CN", SOON)
            await asyncio.to_thread(path.rename, path.with_suffix(".moved"))
            with pytest.raises(Failed, match="No such file or directory"):
                await store.read("CN", SOON)
            Database(path).create()
            for _ in range(2):
                with pytest.raises(Unusable, match="another file stands in its place; restart"):
                    await store.read("CN", SOON)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("{", Fault.CORRUPT),
        ('{"format": 1, "used": "acme"}', Fault.CORRUPT),
        (f'{{"format": {RECORD_FORMAT + 1}, "initialized": true}}', Fault.NEWER),
        ('{"epoch": "\\ud800"}', Fault.CORRUPT),
    ],
)
def test_a_ledger_that_cannot_be_read_answers_not_synced_beside_others_that_can(
    path: Path, record: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with by_hand(path) as connection:
        connection.execute("INSERT INTO ledger VALUES ('CN', 1, ?)", (record,))

    async def scene() -> None:
        async with opened(path) as store:
            ledger = Ledger(store)
            assert await ledger.reserve(wanted("u1"), _in(SOON)) == Unavailable(Reason.NotSynced)
            assert isinstance(await ledger.reserve(wanted("u1", scopes=("DE",)), _in(SOON)), Granted)
            assert (await store.read("CN", SOON)).fault is fault

    asyncio.run(scene())
    assert [f"CN of {path} is {fault.value}" in record.message for record in caplog.records] == [True]


def test_a_commit_is_synced_with_its_journal_before_it_is_answered(path: Path) -> None:
    database = Database(path)
    for _ in range(2):  # the settings are those of a connection, and do not stand in the file
        with database._session(Turn(SOON)) as connection:
            found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert found == [b"truncate", 3]
        database.close()


def test_a_file_is_marked_as_ours_and_nobody_elses_to_read(path: Path) -> None:
    with by_hand(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    assert path.stat().st_mode & 0o077 == 0


def _in(seconds: float) -> float:
    return time.monotonic() + seconds
