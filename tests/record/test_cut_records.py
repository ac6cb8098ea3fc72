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
from admission.server.chain import CHECKPOINT_LINES, Begin, Chain, Checkpoint, Head, signed_text, stamp
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


def signed(chain: Chain) -> bytes:
    """Return a checkpoint as the next line."""
    unsigned = Checkpoint(
        at=stamp(NOW),
        sequence=chain.sequence - 1,
        head=chain.head,
        end=False,
        algorithm=SIGNER.algorithm,
        key=SIGNER.key,
        signature="",
    )
    return chain.link(msgspec.structs.replace(unsigned, signature=SIGNER.sign(signed_text(chain.run, unsigned))))


def following(last: bytes) -> list[bytes]:
    """Return the run after the one whose last line in the file this is."""
    chain = Chain()
    begin = Begin(at=stamp(NOW), replica="one", version="1", after=place(last).head)
    return [each.rstrip(b"\n") for each in (chain.link(begin), signed(chain))]


def behind(lines: list[bytes]) -> list[bytes]:
    """Return the lines and one more, made without the key."""
    last = place(lines[-1])
    return [*lines, anew(LINES[3], chain={"seq": last.sequence + 1, "prev": last.hash}, first="forged")]


def told(
    lines: Iterable[bytes], *, heads: Iterable[Head] = (), ended: bool = False, keyed: bool = True, sink: str = "file"
) -> tuple[State, set[Wrong]]:
    """Return what vouches for the end of the one run, and what is wrong."""
    found = Verification([PROVER] if keyed else [], heads=heads, ended=ended, sink=sink)
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
    lines.append(signed(chain))
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


KILLED = LINES[: SIGNED[2] + 5]
NEXT = following(KILLED[-1])
LAST = len(KILLED) - 1


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    ("lines", "state", "found"),
    [
        (KILLED + NEXT, State.FOLLOWED, set()),
        (TAIL[: LAST + 1] + NEXT, State.OPEN, {Wrong("edited", LAST, LAST)}),
        (TAIL[: LAST + 2] + NEXT, State.OPEN, {Wrong("added", LAST + 1, LAST + 1)}),
        (TAIL[: LAST + 9] + NEXT, State.OPEN, {Wrong("added", LAST + 1, LAST + 8)}),
        (behind(KILLED) + NEXT, State.OPEN, {Wrong("added", LAST + 1, LAST + 1)}),
        (behind(LINES), State.OPEN, {Wrong("added", len(LINES), len(LINES))}),
    ],
    ids=["as-written", "made-anew", "made-anew-and-one-more", "and-eight-more", "one-more", "behind-the-end"],
)
def test_no_line_stands_behind_the_one_that_is_said_to_be_the_last(
    lines: list[bytes], state: State, found: set[Wrong], *, keyed: bool
) -> None:
    assert told(lines, keyed=keyed) == (state, found)


def test_standard_output_may_have_taken_more_than_the_file_whose_last_line_the_next_run_names() -> None:
    assert told(LINES[: LAST + 3] + NEXT, sink="stdout") == (State.OPEN, set())


def test_what_is_signed_was_not_added_whatever_became_of_the_file() -> None:
    assert told(LINES + NEXT) == (State.ENDED, set())


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
