"""Threads that do something again and again beside a test, until a block ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Loops:
    """Runs each of the targets in a thread for as long as the block lasts; they look at `over`."""

    def __init__(self, *targets: Callable[[], None]) -> None:
        self.over = threading.Event()
        self._threads = [threading.Thread(target=target) for target in targets]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()
