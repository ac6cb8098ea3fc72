"""What a sink did not take, by the record's own word, is no removal there, and excuses nothing elsewhere."""

from __future__ import annotations

import errno
import io

import msgspec
import pytest

from admission.cli.verify import Verification
from admission.cluster.clock import machines
from admission.server.chain import Begin, Chain, Lost
from admission.server.outlets import Outlets
from admission.server.sinks import Stream
from tests.record.written import Wrong

AT = "2026-11-27T00:00:00Z"


class Line(msgspec.Struct):
    """Any line."""

    schema: str
    number: int


def record(lost: Lost) -> list[bytes]:
    """Return a record of ten lines, of which the last but one says what was lost."""
    chain = Chain()
    some = (Line("computegate.io/any", number) for number in range(7))
    every = [Begin(at=AT, replica="one", version="1"), *some, lost, Line("computegate.io/any", 8)]
    return [chain.link(each).rstrip(b"\n") for each in every]


@pytest.mark.parametrize(
    ("sink", "lines", "cut", "expected"),
    [
        ("file", 3, [(3, 6)], set()),
        ("stdout", 3, [(3, 6)], {Wrong("removed", 3, 5)}),
        ("file", 2, [(3, 6)], {Wrong("removed", 3, 5)}),
        ("file", 2, [(2, 4), (5, 6)], {Wrong("removed", 5, 5)}),
        ("file", 3, [(1, 3)], {Wrong("removed", 1, 2)}),
    ],
    ids=["its-own", "of-another-sink", "more-than-it-says", "more-in-parts", "others"],
)
def test_a_gap_is_excused_by_what_its_own_sink_did_not_take_and_by_no_more(
    sink: str, lines: int, cut: list[tuple[int, int]], expected: set[Wrong]
) -> None:
    gone = {number for first, end in cut for number in range(first, end)}
    found = Verification()
    for number, each in enumerate(record(Lost(at=AT, sink=sink, lines=lines, first=2, last=7))):
        if number not in gone:
            found.add(each, "record", number)
    found.finish()
    assert expected == {Wrong(*fault[:3]) for _, fault in found.faults}


class Failing(Stream):
    """A sink that takes nothing while it ``fails``."""

    fails = False

    def __init__(self, name: str) -> None:
        super().__init__(io.BytesIO())
        self.name = name

    def write(self, data: bytes) -> None:
        if self.fails:
            raise OSError(errno.EIO, "fails")
        super().write(data)


BOTH, FILE, NONE = (True, True), (True, False), (False, False)


@pytest.mark.parametrize(
    ("writes", "said"),
    [
        ([(3, 5, FILE), (5, 8, FILE)], [(5, 3, 7)]),
        ([(3, 8, BOTH), (3, 5, FILE)], [(5, -1, -1), (2, 3, 4)]),
        ([(3, 5, FILE), (5, 6, NONE), (6, 8, FILE)], [(2, 3, 4), (2, 6, 7)]),
        ([(3, 5, FILE), (5, 9, BOTH), (5, 8, FILE)], [(4, -1, -1), (5, 3, 7)]),
    ],
    ids=["in-a-row", "that-none-took", "with-lines-between-that-it-has", "that-none-took-between"],
)
def test_what_a_sink_did_not_take_is_told_by_the_numbers_that_others_took_and_by_no_others(
    writes: list[tuple[int, int, tuple[bool, bool]]], said: list[tuple[int, int, int]]
) -> None:
    file, stdout = Failing("file"), Failing("stdout")
    sinks = Outlets([file, stdout], machines)
    for first, end, (file.fails, stdout.fails) in writes:
        sinks.write(b"any", range(first, end))
    told = [each for each in sinks.told() if isinstance(each, Lost) and each.sink == "file"]
    assert [(each.lines, each.first, each.last) for each in told] == said
