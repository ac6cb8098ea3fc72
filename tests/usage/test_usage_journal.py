"""The journal of the usage record: whatever changes, its pages hold what the meter does, each in a small object."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.ledger.usage.interval import Holding, How, Interval, Key
from admission.ledger.usage.pages import PAGE_BYTES, Pages
from tests.usage.holdings import HOUR, MIDNIGHT, gpus

TEXT = st.text(max_size=30)
HOLDINGS = st.builds(
    Holding,
    namespace=TEXT,
    name=TEXT,
    party=TEXT,
    site=TEXT,
    counts=st.lists(st.tuples(TEXT, st.integers(1, 2**31)), max_size=3).map(tuple),
    devices=st.lists(TEXT, max_size=3).map(tuple),
    bound=st.none() | st.integers(0, 2**42),
)
INTERVALS = st.builds(
    Interval,
    uid=st.sampled_from(["u1", "u2", "u3", "u\n4", 'u"5']),
    first=st.integers(0, 3),
    holding=HOLDINGS,
    last=st.integers(0, 2**42),
    how=st.none() | st.sampled_from(How),
)


def stored(pages: Pages) -> tuple[list[Interval], int]:
    """Return what another process reads, and how many lines it cannot read."""
    found: list[Interval] = []
    lost = 0
    for number in pages.numbers():
        some, bad = Pages().load(number, pages.text(number))
        found += some
        lost += bad
    return found, lost


@given(st.lists(st.tuples(st.booleans(), INTERVALS), max_size=30))
def test_what_is_read_is_what_was_written(steps: list[tuple[bool, Interval]]) -> None:
    pages = Pages()
    expected: dict[Key, Interval] = {}
    for keep, interval in steps:
        if keep:
            pages.put(interval)
            expected[interval.key] = interval
        else:
            pages.drop(interval.key)
            expected.pop(interval.key, None)
    found, lost = stored(pages)
    assert ({each.key: each for each in found}, len(found), lost) == (expected, len(expected), 0)


@pytest.mark.parametrize("line", ["", "{", "[]", '["u1", -1, []]', '["u1", 1e300, {}]', "[" * 10_000, '["u",1,["p"]]'])
def test_a_line_that_cannot_be_read_costs_only_itself(line: str) -> None:
    pages = Pages()
    pages.put(Interval("u1", 1, gpus()))
    found, lost = Pages().load(0, f"{line}\n{pages.text(0)}\n{line}")
    assert ([each.uid for each in found], lost) == (["u1"], 2)


def test_no_page_outgrows_its_object_whatever_comes_and_goes() -> None:
    pages, draw = Pages(), random.Random(1)  # noqa: S311  (a case to repeat, no secret)
    alive: list[Interval] = []
    for number in range(3000):
        devices = tuple(f"gpu.example.com/node-{number}/gpu-{each}" for each in range(draw.randrange(17)))
        interval = Interval(f"uid-{number}", MIDNIGHT, gpus(site="北" * draw.randrange(40)))
        pages.put(interval)
        pages.put(Interval(interval.uid, MIDNIGHT, Holding(namespace="n", name="x", devices=devices)))
        alive.append(interval)
        if draw.random() < 0.6:
            pages.drop(alive.pop(draw.randrange(len(alive))).key)
    sizes = [len(pages.text(number).encode()) for number in pages.numbers()]
    assert max(sizes) <= PAGE_BYTES
    assert len(sizes) < 3 * sum(sizes) / PAGE_BYTES + 2, "pages that others left are used again"
    assert {each.key for each in stored(pages)[0]} == {each.key for each in alive}


def test_what_outgrows_its_page_moves_to_another() -> None:
    pages = Pages()
    intervals = [Interval(f"uid-{number}", MIDNIGHT, gpus()) for number in range(500)]
    for each in intervals:
        pages.put(each)
    devices = tuple(f"GPU-{number:036}" for number in range(8))
    for each in intervals:
        holding = msgspec.structs.replace(each.holding, devices=devices)
        pages.put(Interval(each.uid, each.first, holding))
    assert max(len(pages.text(number).encode()) for number in pages.numbers()) <= PAGE_BYTES
    found, _ = stored(pages)
    assert sorted(each.uid for each in found) == sorted(each.uid for each in intervals)
    assert {each.holding.devices for each in found} == {devices}


def test_few_pages_change_when_few_pods_do() -> None:
    pages = Pages()
    for number in range(2000):
        pages.put(Interval(f"uid-{number}", MIDNIGHT, gpus()))
    assert len(pages.dirty) > 3
    pages.dirty.clear()
    for number in range(2000, 2020):
        pages.put(Interval(f"uid-{number}", MIDNIGHT + HOUR, gpus()))
    assert len(pages.dirty) <= 2
