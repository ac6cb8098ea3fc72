"""Full collections of garbage do not grow with what lives on, and still find cycles among it."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from admission.server import garbage
from admission.server.garbage import Collections

if TYPE_CHECKING:
    from collections.abc import Iterator


class Thing:
    """Refers to itself: nothing but a collection frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def collector() -> Iterator[list[float]]:
    """Yield the time of a clock, by which what survives is left out."""
    time = [0.0]
    with Collections(lambda: time[0]):
        yield time


def _collect(time: list[float], seconds: float) -> int:
    """Collect everything, which takes some time by the clock; return how many objects are left out since."""

    def takes(phase: str, _: dict[str, int]) -> None:
        time[0] += seconds if phase == "start" else 0.0

    gc.callbacks.append(takes)
    gc.collect()
    gc.callbacks.remove(takes)
    return gc.get_freeze_count()


def test_what_survived_a_long_collection_is_left_out_until_the_hour_is_over(collector: list[float]) -> None:
    kept = [[number] for number in range(1000)]
    assert _collect(collector, garbage.LONG_SECONDS / 2) == 0
    thing = Thing()
    gone = weakref.ref(thing)
    assert _collect(collector, garbage.LONG_SECONDS * 2) > len(kept)
    del thing
    _collect(collector, 0)
    assert gone() is not None, "a cycle among what is left out is not found"
    collector[0] += garbage.ALL_SECONDS
    _collect(collector, 0)
    assert gone() is None
