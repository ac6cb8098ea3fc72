"""Whatever is done to a line of a record is found, and the line that it was done to is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.cli.recordend import State
from admission.server.chain import NOTHING
from tests.record.written import Wrong, anew, place, verified, written, wrong

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = written(40)
OTHER = written(40)
LAST = len(LINES) - 1
any_line = st.integers(0, LAST)

LOG = json.dumps({"at": "2026-11-26T00:00:00Z", "level": "info", "message": 'said "schema":"computegate.io/'}).encode()


def mixed(one: list[bytes], other: list[bytes], turns: list[bool]) -> list[bytes]:
    """Interleave two records, and lines of a log, by turns."""
    left, right, found = list(one), list(other), list[bytes]()
    for turn in turns:
        source = left if turn else right
        found += [LOG, source.pop(0)] if source else []
    return found + left + right


@given(st.lists(st.booleans(), max_size=100))
def test_an_intact_record_is_intact_however_replicas_and_logs_are_mixed(turns: list[bool]) -> None:
    found = verified(mixed(LINES, OTHER, turns))
    assert (found.faults, found.more, found.torn) == ([], 0, [])
    runs = [(told.run.lines, told.run.highest, told.signed, told.state) for told in found.runs.values()]
    assert runs == [(LAST + 1, LAST, LAST, State.ENDED)] * 2
    assert found.others == sum(each == LOG for each in mixed(LINES, OTHER, turns))


@given(any_line, st.data(), st.lists(st.booleans(), max_size=100))
def test_an_edited_line_is_found_and_named(number: int, data: st.DataObject, turns: list[bool]) -> None:
    at = data.draw(st.integers(0, len(LINES[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each not in {LINES[number][at], 10}))
    lines = list(LINES)
    lines[number] = lines[number][:at] + bytes([byte]) + lines[number][at + 1 :]
    found = wrong(mixed(lines, OTHER, turns))
    # Of what stood behind the last line nothing is known: edited, it is no longer seen to be of its run.
    assert found == {Wrong("edited", number, number)} or (number == LAST and len(found) == 1)


@given(st.integers(0, LAST - 1), st.lists(st.booleans(), max_size=100))
def test_a_removed_line_is_found_and_named(number: int, turns: list[bool]) -> None:
    lines = LINES[:number] + LINES[number + 1 :]
    assert wrong(mixed(lines, OTHER, turns)) == {Wrong("removed", number, number)}


def test_a_removed_end_is_seen_by_the_run_being_open() -> None:
    for kept in range(2, LAST + 1):
        told = verified(LINES[:kept]).runs[place(LINES[0]).run]
        assert (told.state, told.run.highest) == (State.OPEN, kept - 1)


@given(any_line, any_line, st.lists(st.booleans(), max_size=100))
def test_swapped_lines_are_found_and_named(one: int, other: int, turns: list[bool]) -> None:
    lines = list(LINES)
    lines[one], lines[other] = lines[other], lines[one]
    found = wrong(mixed(lines, OTHER, turns))
    named = {number for each in found for number in range(each.first, each.last + 1)}
    assert {each.kind for each in found} == ({"reordered"} if one != other else set())
    if abs(one - other) == 2:  # as good as its middle moved to one side, and an end to the other
        assert named & {one, other}
        assert len(named) == 2
    else:
        assert named <= {one, other}
        assert len(named) == (0 if one == other else 1 if abs(one - other) == 1 else 2)


@given(any_line, any_line, st.lists(st.booleans(), max_size=100))
def test_a_line_that_stands_there_again_is_found_and_named(number: int, where: int, turns: list[bool]) -> None:
    later = max(number, where) + 1
    lines = [*LINES[:later], LINES[number], *LINES[later:]]
    assert wrong(mixed(lines, OTHER, turns)) == {Wrong("duplicated", number, number)}


@given(st.integers(2, LAST - 2))
def test_a_line_that_was_made_anew_with_its_hash_does_not_fit_the_next_one(number: int) -> None:
    lines = list(LINES)
    lines[number] = anew(lines[number], first="forged")
    assert wrong(lines) == wrong(lines, ()) == {Wrong("edited", number, number)}


def test_a_record_made_anew_from_a_line_on_fails_at_the_signatures() -> None:
    lines, prev = list(LINES[:7]), place(LINES[6]).hash
    for each in LINES[7:]:
        lines.append(anew(each, chain={"prev": prev}, **({"first": "forged"} if each is LINES[7] else {})))
        prev = place(lines[-1]).hash
    lines[-1] = anew(lines[-1], head=place(lines[-2]).hash)
    assert wrong(lines, ()) == set()
    assert wrong(lines) == {Wrong("unsigned", 2, LAST)}


def test_a_run_whose_checkpoints_were_taken_out_is_signed_by_nobody() -> None:
    prev, lines = NOTHING, list[bytes]()
    for each in LINES:
        if b"record-checkpoint" not in each:
            lines.append(anew(each, chain={"prev": prev, "seq": len(lines)}))
            prev = place(lines[-1]).hash
    assert wrong(lines, ()) == set()
    assert wrong(lines) == {Wrong("unsigned", 0, len(lines) - 1)}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: lines[10:], {Wrong("removed", 0, 9)}),
        (lambda lines: lines[:9] + lines[20:], {Wrong("removed", 9, 19)}),
        (lambda lines: lines[20:] + lines[:20], {Wrong("reordered", 0, 19)}),
        (
            lambda lines: [*lines[:9], b"".join(lines[9:11]), *lines[11:]],
            {Wrong("edited", 10, 10), Wrong("removed", 9, 9)},
        ),
        (lambda lines: [*lines[:9], lines[9] + b"\r", *lines[10:]], {Wrong("edited", 9, 9)}),
        (lambda lines: [*lines[:9], b" " + lines[9], *lines[10:]], {Wrong("edited", 9, 9)}),
        (lambda lines: [*lines[:9], b"", *lines[10:]], {Wrong("removed", 9, 9)}),
        (
            lambda lines: [*lines[:9], b'{"schema":"computegate.io/decision/v1"}', *lines[9:]],
            {Wrong("unlinked", -1, -1)},
        ),
        (
            lambda lines: [*lines[:9], b'{ "at": "now", "schema" : "computegate.io/decision/v1" }', *lines[9:]],
            {Wrong("unlinked", -1, -1)},
        ),
        (lambda lines: [*lines[:9], json.dumps(json.loads(lines[9])).encode(), *lines[10:]], {Wrong("edited", 9, 9)}),
        (lambda lines: lines + lines, {Wrong("duplicated", 0, LAST)}),
    ],
    ids=[
        "no-head",
        "a-block",
        "files-swapped",
        "joined",
        "an-end",
        "a-beginning",
        "emptied",
        "inserted",
        "inserted-with-spaces",
        "spaced",
        "twice",
    ],
)
def test_other_changes_are_found_too(change: Callable[[list[bytes]], list[bytes]], found: set[Wrong]) -> None:
    assert wrong(change(list(LINES))) == found


def test_a_log_that_begins_later_is_intact_when_that_is_said() -> None:
    assert wrong(LINES[10:], partial=True) == set()
    assert wrong(LINES[10:20] + LINES[21:], partial=True) == {Wrong("removed", 20, 20)}


@given(st.lists(st.binary(max_size=200) | st.sampled_from(LINES), max_size=50))
def test_junk_is_read_to_its_end(lines: list[bytes]) -> None:
    found = verified(lines)
    assert sum(told.run.lines for told in found.runs.values()) <= len(lines)


def test_a_line_that_claims_a_number_far_away_costs_nothing() -> None:
    far = 10**17
    lines = [LINES[0], *[each.replace(b'"last"', b'"lost"') for each in LINES[1:]], anew(LINES[5], chain={"seq": far})]
    found = {each for each in wrong(lines, ()) if each.kind == "removed"}
    assert found == {Wrong("removed", LAST + 1, far - 1)}
