"""How much work something is, by a measure that a busy machine does not change: lines of Python that were run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def lines_run(call: Callable[[], T]) -> tuple[T, int]:
    """Call; return what it returned, and how many lines ran meanwhile."""
    count = 0

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return call(), count
    finally:
        sys.settrace(before)
