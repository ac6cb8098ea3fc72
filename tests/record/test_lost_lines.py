"""What a sink did not take, by the record's own word, is no removal there, and excuses nothing elsewhere."""

from __future__ import annotations

import msgspec
import pytest

from admission.cli.verify import Verification
from admission.server.chain import Begin, Chain, Lost
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
