"""An end that was cut off a record, or made anew without the key, is found as far as anything tells."""

from __future__ import annotations

import datetime as dt
import io
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest

from admission.cli.main import main
from admission.cli.recordend import State
from admission.cli.verify import Verification
from admission.server import recorder as recording
from admission.server.chain import CHECKPOINT_LINES, Chain, Checkpoint, Head, signed_text, stamp
from admission.server.recorder import Recorder
from admission.server.sinks import Stream
from tests.record.written import KEY, PROVER, SIGNER, Wrong, anew, line, place, written, wrong

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
LINES = written(4500)
SIGNED = [number for number, each in enumerate(LINES) if b"record-checkpoint" in each]
RUN = place(LINES[0]).run


class Line(msgspec.Struct):
    """Any line with an instant."""

    schema: str
    at: str


def forged(lines: list[bytes], start: int) -> list[bytes]:
    """Return a record whose lines from one on were made anew without the key: no checkpoint, a third is missing."""
    made, last = lines[:start], place(lines[start - 1])
    sequence, prev = last.sequence, last.hash
    for number, each in enumerate(lines[start:]):
        if b"record-checkpoint" not in each and number % 3:
            sequence += 1
            made.append(anew(each, chain={"seq": sequence, "prev": prev}, first="forged"))
            prev = place(made[-1]).hash
    return made


def told(lines: Iterable[bytes], *, heads: Iterable[Head] = (), ended: bool = False) -> tuple[State, set[Wrong]]:
    """Return what vouches for the end of the one run, and what is wrong."""
    found = Verification([PROVER], heads=heads, ended=ended)
    for number, each in enumerate(lines, start=1):
        found.add(each, "record", number)
    found.finish()
    return found.runs[RUN].state, {Wrong(*fault[:3]) for _, fault in found.faults}


def test_no_more_lines_than_a_checkpoint_is_over_stand_without_one() -> None:
    assert max(after - before for before, after in pairwise([-1, *SIGNED])) == CHECKPOINT_LINES + 1
    assert SIGNED[-1] == len(LINES) - 1


def test_lines_made_anew_behind_a_checkpoint_are_signed_by_nobody() -> None:
    lines = forged(LINES, SIGNED[1] + 1)
    assert wrong(lines, ()) == set()
    assert wrong(lines) == {Wrong("unsigned", SIGNED[1] + 1, len(lines) - 1)}


@pytest.mark.parametrize(("seconds", "found"), [(9, set()), (60, {Wrong("unsigned", 2, 2)})])
def test_no_line_is_much_younger_than_the_checkpoint_before_it(seconds: float, found: set[Wrong]) -> None:
    chain = Chain()
    lines = [chain.link(Line("computegate.io/any", stamp(NOW)))]
    unsigned = Checkpoint(
        at=stamp(NOW), sequence=0, head=chain.head, end=False, algorithm=SIGNER.algorithm, key=SIGNER.key, signature=""
    )
    signature = SIGNER.sign(signed_text(chain.run, unsigned))
    lines.append(chain.link(msgspec.structs.replace(unsigned, signature=signature)))
    lines.append(chain.link(Line("computegate.io/any", stamp(NOW + dt.timedelta(seconds=seconds)))))
    assert wrong(each.rstrip(b"\n") for each in lines) == found


def test_a_line_after_a_quiet_time_is_signed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    out = io.BytesIO()
    recorder = Recorder([Stream(out)])
    recorder.begin(SIGNER)
    for number in range(3):
        recorder.durably([line(number)]).result(30)
    assert [b"record-checkpoint" in each for each in out.getvalue().splitlines()] == [False, True] * 4
    assert recorder.head == place(out.getvalue().splitlines()[-1]).head
    recorder.close()


CUT = LINES[: SIGNED[2] + 1]
HEAD = place(LINES[SIGNED[3]]).head
NUMBER, OTHER = (Head(RUN, HEAD.sequence, digest) for digest in ("", "0" * 64))
TAIL = forged(LINES, SIGNED[2] + 1)


@pytest.mark.parametrize(
    ("lines", "heads", "state", "found"),
    [
        (CUT, [], State.OPEN, set()),
        (CUT, [HEAD], State.OPEN, {Wrong("removed", SIGNED[2] + 1, SIGNED[3])}),
        (CUT, [NUMBER], State.OPEN, {Wrong("removed", SIGNED[2] + 1, SIGNED[3])}),
        (CUT, [place(CUT[-1]).head], State.NOTED, set()),
        (LINES, [OTHER], State.ENDED, {Wrong("edited", SIGNED[3], SIGNED[3])}),
        (TAIL, [NUMBER], State.OPEN, {Wrong("unsigned", SIGNED[2] + 1, end) for end in (SIGNED[3], len(TAIL) - 1)}),
        (LINES, [HEAD, NUMBER], State.ENDED, set()),
    ],
)
def test_a_head_that_was_noted_tells_what_was_cut(
    lines: list[bytes], heads: list[Head], state: State, found: set[Wrong]
) -> None:
    assert told(lines, heads=heads) == (state, found)


@pytest.mark.parametrize(
    ("kept", "options", "code", "said"),
    [
        (len(CUT), (), 0, "intact as far as it goes; open: 1 of 1 runs"),
        (len(CUT), ("--ended",), 1, f"line {SIGNED[2]}: nothing says that it is the last"),
        (len(CUT), ("--head", f"{RUN}:{HEAD.sequence}:{HEAD.hash}"), 1, "up to the head that was noted"),
        (len(CUT), ("--ended", "--head", f"{RUN}:{SIGNED[2]}"), 0, "open; it has the head that was noted\nintact"),
        (len(LINES), ("--ended",), 0, "ended in order\nintact"),
    ],
)
def test_the_command_tells_an_end_from_a_cut(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    *,
    kept: int,
    options: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "record").write_bytes(b"".join(each + b"\n" for each in LINES[:kept]))
    found = main(["record", "verify", "--key", str(tmp_path / "key"), *options, str(tmp_path / "record")])
    told = capsys.readouterr().out
    assert (found, said in told) == (code, True), told
