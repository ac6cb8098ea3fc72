"""Nothing is answered before it is recorded; with ``onFailure: Deny`` nothing passes while it cannot be."""

from __future__ import annotations

import asyncio
import errno
import io
import random
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.policy import Mode
from admission.server import commit as committing
from admission.server.commit import Commit
from admission.server.recorder import Recorder
from admission.server.sinks import Stream
from tests.gate.reviews import CPU, Door, review
from tests.gate.workloads import deployment, review_of
from tests.record.damage import damaged, missed
from tests.record.killed import answered_and_recorded
from tests.record.written import SIGNER, Held, line, verified, written

if TYPE_CHECKING:
    import pathlib

    from admission.server.record import Record

AGAIN = "[TryAgain] requests for accelerators cannot be recorded right now; retrying is safe; ops@example.com"


class Book:
    """A record whose lines stand when the test says so."""

    def __init__(self) -> None:
        self.lines: list[asyncio.Future[None]] = []
        self._came = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def __call__(self, _: Record) -> asyncio.Future[None]:
        self.lines.append(asyncio.get_running_loop().create_future())
        self._tasks.append(asyncio.create_task(self._tell()))
        return self.lines[-1]

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.lines) >= count)


def asked(*, mode: Mode, entry: str, fails: bool, body: bytes | None = None, **fields: Any) -> tuple[bool, str]:
    """Put one review; return whether the answer waited for its line, and what a user read."""
    book = Book()

    async def ask() -> tuple[bool, str]:
        door = Door(mode=mode, record=book, **fields)
        task = asyncio.create_task(door.ask(body or review(), entry))
        await book.until(1)
        for _ in range(20):
            await asyncio.sleep(0)
        waited = not task.done()
        for each in book.lines:
            if fails:
                each.set_exception(OSError("no space"))
            else:
                each.set_result(None)
        response = await asyncio.wait_for(task, 10)
        status = response.get("status") or {}
        return waited, "" if response["allowed"] else str(status["message"])

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("mode", "entry", "fails", "read"),
    [
        (Mode.Enforce, "enforced", False, ""),
        (Mode.Enforce, "enforced", True, AGAIN),
        (Mode.Enforce, "observed", False, ""),
        (Mode.Observe, "observed", True, ""),
        (Mode.Warn, "observed", True, ""),
    ],
)
def test_an_answer_waits_for_its_line(mode: Mode, entry: str, fails: bool, read: str) -> None:
    assert asked(mode=mode, entry=entry, fails=fails) == (True, read)


@pytest.mark.parametrize("fails", [False, True])
def test_a_workload_is_refused_early_only_where_that_is_recorded(fails: bool) -> None:
    body = review_of(deployment(replicas=99))
    waited, read = asked(mode=Mode.Enforce, entry="workloads", fails=fails, body=body, deny=True)
    assert (waited, bool(read)) == (True, not fails)


def test_while_the_record_cannot_be_written_no_ledger_is_asked_and_what_is_not_controlled_passes() -> None:
    door = Door(unrecorded=lambda: "the record cannot be written to file: no space")

    async def ask() -> list[dict[str, Any]]:
        return [await door.ask(each, "enforced") for each in (review(), review(CPU, "pod-2"))]

    refused, passed = asyncio.run(ask())
    assert refused["status"]["message"].startswith(AGAIN.partition(";")[0])
    assert passed["allowed"] is True
    assert door.held() == 0
    assert [record.reasons for record in door.records] == [("RecordUnwritten",)]


def test_a_repeat_waits_for_the_line_of_the_first_and_is_judged_anew_when_that_failed() -> None:
    book = Book()

    async def ask() -> tuple[list[bool], list[bool]]:
        door = Door(mode=Mode.Enforce, record=book)
        first, again = (asyncio.create_task(door.ask(review(), "enforced")) for _ in range(2))
        await book.until(1)
        book.lines[0].set_exception(OSError("no space"))
        await book.until(2)
        waits = [first.done(), again.done()]
        book.lines[1].set_result(None)
        return waits, [(await each)["allowed"] for each in (first, again)]

    waits, allowed = asyncio.run(ask())
    assert waits[1] is False
    assert allowed == [False, True]


@pytest.mark.parametrize("denies", [False, True])
def test_lines_of_one_moment_share_one_write(denies: bool) -> None:
    writes: list[int] = []

    class Counted(io.BytesIO):
        def write(self, data: Any) -> int:
            writes.append(bytes(data).count(b"usage-gap"))
            return super().write(data)

    async def commit() -> None:
        recorder = Recorder([Stream(Counted())])
        recorder.begin(SIGNER)
        record = Commit(recorder, denies=denies)
        await asyncio.gather(*filter(None, (record(line(number)) for number in range(500))))
        await asyncio.to_thread(recorder.close)

    asyncio.run(commit())
    assert [each for each in writes if each] == [500]


class Full(io.BytesIO):
    """A file system without room."""

    def write(self, _: Any) -> int:
        raise OSError(errno.ENOSPC, "no space")


def test_where_that_only_counts_a_line_that_fails_is_dropped_and_nobody_waits_for_the_next() -> None:
    async def commit() -> list[int]:
        recorder, seen = Recorder([Stream(Full())]), list[int]()
        recorder.begin(SIGNER)
        record = Commit(recorder, denies=False)
        while (written := record(line(len(seen)))) is not None:
            await asyncio.wait_for(written, 30)
            seen.append(recorder.dropped)
        await asyncio.to_thread(recorder.close)
        return [*seen, recorder.dropped]

    dropped = asyncio.run(commit())
    assert dropped == [*range(1, len(dropped)), len(dropped)]


def test_where_that_only_counts_a_sink_that_is_slow_is_waited_for_no_longer_than_one_that_is_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committing, "BLOCKED_SECONDS", 0.01)

    async def commit() -> tuple[bool, bytes, int]:
        pipe = Held()
        recorder = Recorder([Stream(pipe)])
        recorder.begin(SIGNER)
        written = Commit(recorder, denies=False)(line(1))
        assert written is not None
        await asyncio.wait_for(written, 30)
        stood = b"usage-gap" in pipe.getvalue()
        pipe.go.set()
        await asyncio.to_thread(recorder.close)
        return stood, pipe.getvalue(), recorder.dropped

    stood, recorded, dropped = asyncio.run(commit())
    assert (stood, b"usage-gap" in recorded, dropped) == (False, True, 0)


@pytest.mark.parametrize("on_failure", ["Count", "Deny"])
def test_what_was_answered_is_in_the_file_when_the_server_is_killed(tmp_path: pathlib.Path, on_failure: str) -> None:
    rounds = answered_and_recorded(tmp_path, rounds=2, answers=150, on_failure=on_failure)
    assert [lost for _, lost in rounds] == [set(), set()]
    assert min(answered for answered, _ in rounds) >= 150


def test_random_damage_to_many_lines_is_found_line_by_line() -> None:
    lines = written(5000)
    assert verified(lines).faults == []
    done = damaged(lines, random.Random(4), edits=40, deletions=40, swaps=40)  # noqa: S311 (chance, no secret)
    assert missed(done) == []
