"""Group commit of the record: answers wait until their lines were handed to the operating system, many for one write.

While one batch is written, the lines that come gather in the next.  A batch costs one future, and one waking of the
event loop, however many wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    import msgspec

    from admission.server.recorder import Recorder


class Commit:
    """Records, and says when a line stands.  On the running event loop alone."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._loop = recorder, asyncio.get_running_loop()
        self._lines: list[msgspec.Struct] = []
        self._done: asyncio.Future[None] | None = None
        self._busy = False

    def __call__(self, line: msgspec.Struct) -> asyncio.Future[None]:
        """Queue a line; done when it stands, with an ``OSError`` where it may not."""
        problem = self._recorder.problem
        if problem:
            self._recorder(line)  # nobody waits for it; it is how a sink that works again is noticed
            failed = self._loop.create_future()
            failed.set_exception(OSError(problem))
            return failed
        self._lines.append(line)
        if self._done is None:
            self._done = self._loop.create_future()
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand)  # what this turn of the loop still brings goes along
        return asyncio.shield(self._done)

    def _hand(self) -> None:
        lines, done = self._lines, self._done
        assert done is not None
        self._lines, self._done = [], None
        self._recorder.durably(lines).add_done_callback(lambda written: self._wake(done, written))

    def _wake(self, done: asyncio.Future[None], written: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._written, done, written.exception())

    def _written(self, done: asyncio.Future[None], error: BaseException | None) -> None:
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
        if self._lines:
            self._hand()
        else:
            self._busy = False
