"""The server, with the processor time noted of each step of a task that kept its event loop for over a millisecond.

Usage: stalls.py FILE ARGUMENTS...     FILE gets a line for each: milliseconds, and where the task waits then.

The thread's own processor time: that others use the machine, or that a garbage collection of another thread waits,
says nothing about the code.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from admission.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST_SECONDS = 0.001
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")


class _Timed(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are timed."""

    def __init__(self, inner: Coroutine[Any, Any, Any], log: Any) -> None:
        self._inner, self._log = inner, log

    def send(self, value: Any) -> Any:
        """Take one step."""
        began = time.thread_time()
        try:
            return self._inner.send(value)
        finally:
            self._note(time.thread_time() - began)

    def throw(self, *error: Any) -> Any:
        """Take one step, into an exception."""
        return self._inner.throw(*error)

    def close(self) -> None:
        """End it."""
        self._inner.close()

    def __await__(self) -> Any:
        """Go through the one that is timed."""
        return self._inner.__await__()

    def _note(self, seconds: float) -> None:
        if seconds > _LEAST_SECONDS:
            self._log.write(f"{seconds * 1000:.1f} {'>'.join(_names(self._inner))}\n")


class _Collections:
    """Notes what the collection of garbage takes of a step: callbacks are called in the thread that collects."""

    def __init__(self, log: Any) -> None:
        self._log, self._began = log, 0.0

    def __call__(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        elif (seconds := time.thread_time() - self._began) > _LEAST_SECONDS:
            self._log.write(f"{seconds * 1000:.1f} of a step, for garbage of generation {about['generation']}\n")


def _names(task: Any) -> Iterator[str]:
    """The coroutines of a task, from the outermost to the one that it waits in now, at the end of its step."""
    while task is not None:
        name = getattr(task, "__name__", "")
        if name:
            frame = (
                getattr(task, "cr_frame", None) or getattr(task, "gi_frame", None) or getattr(task, "ag_frame", None)
            )
            yield f"{name}:{frame.f_lineno}" if frame else name
        task = next((getattr(task, key) for key in _AWAITED if getattr(task, key, None) is not None), None)


def longest(path: Path, since: int, until: int | None = None) -> list[tuple[float, str]]:
    """Return the ten longest steps noted between two sizes of the file: milliseconds and whose, the longest first."""
    with path.open("rb") as file:
        file.seek(since)
        noted = file.read(-1 if until is None else until - since).decode()
    lines = (line.partition(" ") for line in noted[: noted.rfind("\n") + 1].splitlines())
    return sorted(((float(ms), name) for ms, _, name in lines), reverse=True)[:10]


def run(log: str, *arguments: str) -> None:
    """Become the server."""
    create_task, notes = uvloop.Loop.create_task, Path(log).open("a", buffering=1)  # noqa: SIM115 (until the end)

    gc.callbacks.append(_Collections(notes))

    def timed(loop: uvloop.Loop, inner: Coroutine[Any, Any, Any], **named: Any) -> Any:
        return create_task(loop, _Timed(inner, notes), **named)

    uvloop.Loop.create_task = timed  # type: ignore[method-assign,assignment]
    sys.argv = ["computegate", *arguments]
    sys.exit(main())


if __name__ == "__main__":
    run(*sys.argv[1:])
