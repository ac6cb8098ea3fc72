"""Lines that must not be lost: the recorder says when they stand, and when they may not."""

from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from admission.ledger.usage.line import GapLine
from admission.server.recorder import Recorder
from admission.server.sinks import Stream
from tests.record.written import SIGNER, Held, verified

LINE = GapLine(at="now", first="then", last="now")


class Broken(io.BytesIO):
    """A pipe whose reader has gone."""

    def write(self, _: object) -> int:
        raise BrokenPipeError("gone")


def test_lines_are_confirmed_only_once_they_stand() -> None:
    stream = Held()
    recorder = Recorder([Stream(stream)])
    recorder.begin(SIGNER)
    done = recorder.durably([LINE, LINE])
    assert stream.busy.wait(30)
    assert not done.done()
    stream.go.set()
    assert done.result(30) is None
    line = b'{"schema":"computegate.io/usage-gap/v1","at":"now","first":"then","last":"now","chain":{'
    assert stream.getvalue().count(line) == 2
    recorder.close()
    assert verified(stream.getvalue().splitlines()).faults == []


@pytest.mark.parametrize(
    ("stream", "most", "error"), [(Broken(), 10, BrokenPipeError), (Held(), 1, BlockingIOError)], ids=["broken", "full"]
)
def test_lines_that_may_not_stand_are_told_and_never_dropped_in_silence(
    stream: BinaryIO, most: int, error: type[OSError]
) -> None:
    recorder = Recorder([Stream(stream)], most)
    recorder.begin(SIGNER)
    sent = [recorder.durably([LINE]) for _ in range(3)]
    failed = [each for each in sent if each.done() or isinstance(stream, Broken)]
    with pytest.raises(error):
        failed[-1].result(30)
    if isinstance(stream, Held):
        stream.go.set()
    recorder.close()
    assert recorder.dropped == 0
