"""Keeps full collections of garbage short: what has survived a long one is left out of those that follow.

A collection looks at every object that is alive, and what a replica knows of its cluster lives on: with 10,000 pods
that is a fifth of a second, in the middle of some review.  What is left out is still freed once nothing refers to it;
only cycles are not, and for these everything is looked at again once an hour.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONG_SECONDS = 0.02
"""A full collection that takes longer has what survived left out from then on."""

ALL_SECONDS = 3600.0
"""Between two collections that look at everything."""

_FULL = 2


class Collections:
    """A callback of the collector for as long as its block lasts.  ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._all_at = clock()

    def __enter__(self) -> Self:
        gc.callbacks.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self)
        gc.unfreeze()

    def __call__(self, phase: str, about: Mapping[str, int]) -> None:
        """Take note of a collection that begins or ends."""
        if about["generation"] != _FULL:
            return
        now = self._clock()
        if phase == "start":
            self._began = now
            if now - self._all_at >= ALL_SECONDS:
                self._all_at = now
                gc.unfreeze()
        elif now - self._began > LONG_SECONDS:
            gc.freeze()
