"""The record in a file: what a crash leaves, what rotation and retention do, and what a failing disk costs."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

import pytest

from admission.server import outlets, recordfile
from admission.server.chain import link_of
from admission.server.recorder import Recorder
from admission.server.recordfile import RecordFile
from admission.server.sinks import Stream
from tests.record.written import PROVER, SIGNER, Held, Wrong, line, place, verified, wrong

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterable

LEAST = 65536


def sink(
    path: pathlib.Path, *, keep_files: int = 1000, keep_days: float | None = None, sync: bool = False
) -> RecordFile:
    return RecordFile(path, largest=LEAST, keep_files=keep_files, keep_days=keep_days, sync=sync)


def run(path: pathlib.Path, lines: Iterable[int], *, keep_files: int = 1000, out: BinaryIO | None = None) -> Recorder:
    """Record so many lines in the file, in writes of ten; return the recorder after its end."""
    recorder = Recorder([sink(path, keep_files=keep_files), *([Stream(out)] if out else [])])
    recorder.begin(SIGNER)
    for number in lines:
        recorder.durably([line(number)] * 10).result(30)
    recorder.close()
    return recorder


def files(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the files of a record, the oldest first."""
    return [*sorted(path.parent.glob(f"{path.stem}.0*")), path]


def read(path: pathlib.Path) -> list[bytes]:
    return b"".join(each.read_bytes() for each in files(path)).splitlines()


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "record.jsonl"


def test_the_chain_goes_on_over_full_files_and_over_runs(path: pathlib.Path) -> None:
    out = io.BytesIO()
    run(path, range(100), out=out)
    run(path, range(100), out=out)
    assert len(files(path)) > 5
    assert all(each.stat().st_size <= LEAST for each in files(path))
    assert read(path) == out.getvalue().splitlines()
    assert wrong(read(path)) == set()


def test_what_went_by_the_rules_is_told_and_anything_else_that_is_missing_is_found(path: pathlib.Path) -> None:
    run(path, range(100))
    run(path, range(100), keep_files=2)
    assert len(files(path)) == 3
    assert wrong(read(path)) == set()
    files(path)[0].unlink()
    assert {each.kind for each in wrong(read(path))} == {"removed"}


def test_old_files_go_by_their_age(path: pathlib.Path) -> None:
    run(path, range(100))
    full = files(path)[:-1]
    for each in full:
        os.utime(each, (0, 0))
    recorder = Recorder([sink(path, keep_days=1)])
    recorder.begin(SIGNER)
    recorder.durably([line(1)]).result(30)
    recorder.close()
    assert [each for each in full if each.exists()] == []
    assert wrong(read(path)) == set()


def test_before_a_file_goes_a_signed_line_says_so_so_that_a_kill_then_is_no_removal(path: pathlib.Path) -> None:
    recorder = Recorder([sink(path, keep_files=2)])
    recorder.begin(SIGNER)
    until(lambda: recorder.durably([line(0)] * 10).result(30) or files(path)[0].name == "record.000002.jsonl")
    killed = read(path)
    recorder.close()
    assert wrong(killed) == set()


def test_a_file_of_which_a_line_says_that_it_goes_and_that_still_stands_goes_later(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(path, range(100))
    with monkeypatch.context() as patched:
        patched.setattr(recordfile, "LOOK_SECONDS", 0.0)
        patched.setattr(type(path), "unlink", _refused)
        run(path, range(5), keep_files=2)
    lines, full = read(path), files(path)[:-1]
    assert sum(b"record-retired" in each for each in lines) == len(full) - 2 > 0
    assert wrong(lines) == set()
    run(path, range(3), keep_files=2)
    assert files(path)[:-1] == full[-2:]
    assert wrong(read(path)) == set()


def _refused(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_whole_run_that_was_taken_away_is_named_by_the_next_one(path: pathlib.Path) -> None:
    run(path, range(3))
    first = read(path)
    run(path, range(3))
    assert wrong(read(path)[len(first) :]) == {Wrong("removed", 0, place(first[-1]).sequence)}
    shorter = [*first[:-2], *read(path)[len(first) :]]
    assert wrong(shorter) == {Wrong("removed", place(first[-2]).sequence, place(first[-1]).sequence)}


@pytest.mark.parametrize("torn", [1, 40, 200])
def test_a_line_that_a_crash_tore_is_cut_off_and_told(path: pathlib.Path, torn: int) -> None:
    run(path, range(3))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[5][:torn])
    found = verified([])
    for number, each in enumerate(path.read_bytes().splitlines(), start=1):
        found.add(each, "record", number, ended=number < 1 + whole.count(b"\n"))
    assert (len(found.torn), found.faults) == (1, [])
    run(path, range(3))
    assert path.read_bytes().startswith(whole)
    told = [each for each in read(path) if b"record-recovered" in each]
    assert [f'"bytes":{torn},'.encode() in each for each in told] == [True]
    assert wrong(read(path)) == set()


def test_a_crash_right_after_a_rotation_does_not_cut_the_thread(path: pathlib.Path) -> None:
    run(path, range(3))
    last = place(read(path)[-1])
    path.rename(path.with_name("record.000001.jsonl"))
    path.touch()
    run(path, range(3))
    assert f'"after":{{"run":"{last.run}","sequence":{last.sequence}'.encode() in path.read_bytes()
    assert wrong(read(path)) == set()


def test_two_processes_do_not_write_one_file(path: pathlib.Path) -> None:
    first = Recorder([sink(path)])
    first.begin(SIGNER)
    first.durably([line(1)]).result(30)
    second = Recorder([sink(path)])
    second.begin(SIGNER)
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        second.durably([line(1)]).result(30)
    lines = read(path)
    first.close()
    second.close()
    assert {place(each).run for each in lines} == {place(lines[0]).run}
    assert wrong(read(path)) == set()


class Full(RecordFile):
    """A disk that is full for a while: half of what comes still fits."""

    full = False

    def write(self, data: bytes) -> None:
        with pytest.MonkeyPatch.context() as patched:
            if self.full:
                patched.setattr(os, "write", _no_room(os.write))
            super().write(data)


def _no_room(real: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    left = [37]

    def write(file: int, data: bytes) -> int:
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data[: left.pop()])

    return write


def test_lines_that_do_not_fit_leave_nothing_behind_and_are_told_when_there_is_room(path: pathlib.Path) -> None:
    full, out = Full(path, largest=LEAST, keep_files=9, keep_days=None, sync=False), io.BytesIO()
    recorder = Recorder([full, Stream(out)])
    recorder.begin(SIGNER)
    recorder.durably([line(0)]).result(30)
    full.full = True
    for number in range(1, 5):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            recorder.durably([line(number)]).result(30)
    assert recorder.problem == "the record cannot be written to file: No space left on device"
    assert path.read_bytes().endswith(b"\n")
    full.full = False
    recorder.durably([line(5)]).result(30)
    assert recorder.problem == ""
    recorder.durably([line(6)]).result(30)
    recorder.close()
    assert wrong(read(path)) == wrong(out.getvalue().splitlines()) == set()
    notes = [note for told in verified(read(path)).runs.values() for note in told.notes]
    assert [note.split(",")[0] for note in notes] == ["lines 3 to 8 were not taken here"]
    assert out.getvalue().count(b'"first":"3"') == 1


def test_where_there_is_no_room_for_the_line_that_says_so_the_file_goes_first(path: pathlib.Path) -> None:
    run(path, range(100))
    full = Full(path, largest=LEAST, keep_files=2, keep_days=None, sync=False)
    full.full = True
    recorder = Recorder([full])
    recorder.begin(SIGNER)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        recorder.durably([line(0)]).result(30)
    assert len(files(path)) == 3
    full.full = False
    recorder.durably([line(1)]).result(30)
    recorder.close()
    assert wrong(read(path)) == set()


SMALL = """
import pathlib, resource, sys
from admission.server.recorder import Recorder
from tests.record.test_record_files import sink
from tests.record.written import SIGNER, line

path = pathlib.Path(sys.argv[1]) / "record.jsonl"
recorder = Recorder([sink(path)])
recorder.begin(SIGNER)
taken, refused = 0, 0
for number in range(60):
    if number == 20:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 3333, -1))
    if number == 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    try:
        recorder.durably([line(number)] * 5).result(30)
        taken += 1
    except OSError:
        refused += 1
recorder.close()
sys.stdout.buffer.write(path.read_bytes())
print(taken, refused, file=sys.stderr)
"""


def test_a_system_that_takes_half_of_a_write_costs_what_was_refused_and_nothing_else(tmp_path: pathlib.Path) -> None:
    done = subprocess.run([sys.executable, "-c", SMALL, tmp_path], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    taken, refused = map(int, done.stderr.split()[-2:])
    lines = done.stdout.splitlines()
    assert taken + refused == 60
    assert 10 <= refused <= 20
    assert sum(b"usage-gap" in each for each in lines) == 5 * taken
    assert wrong(lines) == set()


def test_a_folder_that_cannot_be_written_is_said_and_tried_again(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlets, "RETRY_SECONDS", 0.05)
    blocked, out = path.parent / "folder", io.BytesIO()
    blocked.write_text("a file where the folder should be")
    recorder = Recorder([sink(blocked / "record.jsonl"), Stream(out)])
    recorder.begin(SIGNER)
    with pytest.raises(FileExistsError):
        recorder.durably([line(1)]).result(30)
    assert "computegate_record_writable" in str(list(recorder.figures()))
    blocked.unlink()
    until(lambda: recorder.durably([line(2)]).exception(30) is None)
    recorder.durably([line(3)]).result(30)
    recorder.close()
    lines = read(blocked / "record.jsonl")
    assert place(lines[0]).sequence > 0
    assert wrong(lines) == wrong(out.getvalue().splitlines()) == set()


def test_a_file_that_somebody_takes_away_is_made_again_and_the_loss_is_found(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordfile, "LOOK_SECONDS", 0.0)
    recorder = Recorder([sink(path)])
    recorder.begin(SIGNER)
    recorder.durably([line(1)] * 5).result(30)
    path.unlink()
    recorder.durably([line(2)] * 5).result(30)
    recorder.close()
    assert {each.kind for each in wrong(read(path))} == {"removed"}


def test_a_sink_that_blocks_is_told_from_one_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "BLOCKED_SECONDS", 0.05)
    pipe = Held()
    pipe.go.set()
    recorder = Recorder([Stream(pipe)], most=3)
    recorder.begin(SIGNER)
    recorder.durably([line(0)]).result(30)
    pipe.go.clear()
    recorder(line(1))
    until(lambda: recorder.problem)
    assert recorder.problem == "the record cannot be written to stdout: it takes nothing"
    for number in range(2, 7):
        recorder(line(number))
    assert recorder.dropped == 2
    pipe.go.set()
    until(lambda: not recorder.problem)
    recorder.close()
    lines = pipe.getvalue().splitlines()
    lost = [each for each in lines if b"record-lost" in each]
    assert [b'"sink":"","lines":2,' in each for each in lost] == [True]
    assert wrong(lines) == set()


def test_a_stream_that_was_closed_is_a_sink_that_fails() -> None:
    pipe = io.BytesIO()
    recorder = Recorder([Stream(pipe)])
    recorder.begin(SIGNER)
    recorder.durably([line(0)]).result(30)
    pipe.close()
    with pytest.raises(OSError, match="closed file"):
        recorder.durably([line(1)]).result(30)
    assert "closed file" in recorder.problem
    recorder.close()
    assert recorder.problem == "what writes the record has ended"


def test_rotation_under_load_loses_nothing(path: pathlib.Path) -> None:
    recorder = Recorder([sink(path)], most=100_000)
    recorder.begin(SIGNER)

    def load(which: int) -> None:
        for number in range(2000):
            recorder(line(which * 2000 + number))

    threads = [threading.Thread(target=load, args=(which,)) for which in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    recorder.close(30)
    lines = read(path)
    assert recorder.dropped == 0
    assert len(files(path)) > 10
    assert wrong(lines, [PROVER]) == set()
    assert sum(b"usage-gap" in each for each in lines) == 8000
    assert all(link_of(each) for each in lines)
