"""Group commit of the record: answers wait until their lines were handed to the operating system, many for one write.

While one batch is written, the lines that come gather in the next.  A batch costs one future, and one waking of the
event loop, however many wait for it.

Where what cannot be recorded is denied, a line that does not stand is an error.  Else it is counted, and an answer
waits for a slow sink no longer than until it counts as blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from admission.server.outlets import BLOCKED_SECONDS

if TYPE_CHECKING:
    from concurrent.futures import Future

    import msgspec

    from admission.server.recorder import Recorder


class Commit:
    """Records, and says when a line stands.  On the running event loop alone."""

    def __init__(self, recorder: Recorder, *, denies: bool) -> None:
        self._recorder, self._denies, self._loop = recorder, denies, asyncio.get_running_loop()
        self._lines: list[msgspec.Struct] = []
        self._done: asyncio.Future[None] | None = None
        self._busy = False

    def __call__(self, line: msgspec.Struct) -> asyncio.Future[None] | None:
        """Queue a line; done when it stands, with an ``OSError`` where it may not and that denies; None: go on."""
        problem = self._recorder.problem
        if problem:
            self._recorder(line)  # nobody waits for it; it is how a sink that works again is noticed
            if not self._denies:
                return None
            failed = self._loop.create_future()
            failed.set_exception(OSError(problem))
            return failed
        self._lines.append(line)
        if self._done is None:
            self._done = self._loop.create_future()
            if not self._denies:
                self._loop.call_later(BLOCKED_SECONDS, _settle, self._done)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand)  # what this turn of the loop still brings goes along
        return asyncio.shield(self._done)

    def _hand(self) -> None:
        lines, done = self._lines, self._done
        assert done is not None
        self._lines, self._done = [], None
        self._recorder.durably(lines, counts=not self._denies).add_done_callback(
            lambda written: self._wake(done, written)
        )

    def _wake(self, done: asyncio.Future[None], written: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._written, done, written.exception())

    def _written(self, done: asyncio.Future[None], error: BaseException | None) -> None:
        if error is not None and self._denies:
            done.set_exception(error)
        else:
            _settle(done)
        if self._lines:
            self._hand()
        else:
            self._busy = False


def _settle(done: asyncio.Future[None]) -> None:
    """Let go who waits."""
    if not done.done():
        done.set_result(None)
