"""The debug port, on the loopback alone and off by default: where the process spends its time, for some seconds.

``GET /debug/profile?seconds=10`` looks at the stack of every thread a hundred times a second and answers how often each
was seen, in the folded format that flame graphs are made from: frames from the outermost to the innermost, joined by
semicolons, a blank and the count.  Looking costs about a fiftieth of one core; functions are named, values are not.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from admission.server.answer import Answer, Receive, Scope, Send, deliver, text

if TYPE_CHECKING:
    from types import FrameType

PATH = "/debug/profile"
HOST = "127.0.0.1"
LONGEST_SECONDS = 60
_DEFAULT_SECONDS = "10"
_PAUSE = 0.01
_MOST_FRAMES = 128
_MOST_STACKS = 10_000


class Profile:
    """An ASGI app that answers one profile at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="profile")
        self._over = threading.Event()
        self._busy = False

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        await deliver(await self._answer(scope), send, close=True)

    def close(self) -> None:
        """End what is under way."""
        self._over.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["path"] != PATH:
            return text(404, f"no such path; the profile is at {PATH}?seconds={_DEFAULT_SECONDS}")
        if scope["method"] != "GET":
            return text(405, "send a GET", (b"allow", b"GET"))
        seconds = parse_qs(scope["query_string"].decode("latin-1")).get("seconds", [_DEFAULT_SECONDS])[-1]
        if not seconds.isascii() or not seconds.isdigit() or not 1 <= int(seconds[:9]) <= LONGEST_SECONDS:
            return text(400, f"seconds is a whole number from 1 to {LONGEST_SECONDS}")
        if self._busy:
            return text(409, "a profile is being taken; ask again when it is done")
        self._busy = True
        try:
            looking = asyncio.get_running_loop().run_in_executor(self._thread, folded, int(seconds), self._over)
            return text(200, await looking)
        finally:
            self._busy = False


def folded(seconds: float, over: threading.Event) -> str:
    """Look at all threads but this one for so long, or until it is over; return the folded stacks."""
    seen: Counter[str] = Counter()
    until, own = time.monotonic() + seconds, threading.get_ident()
    while time.monotonic() < until and not over.wait(_PAUSE):
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 (the documented way to see other threads)
            stack = f"{names.get(ident, 'thread')};{_stack(frame)}" if ident != own else ""
            if stack and (stack in seen or len(seen) < _MOST_STACKS):
                seen[stack] += 1
    return "\n".join(f"{stack} {count}" for stack, count in seen.most_common())


def _stack(frame: FrameType | None) -> str:
    frames: list[str] = []
    while frame is not None and len(frames) < _MOST_FRAMES:
        frames.append(f"{pathlib.PurePath(frame.f_code.co_filename).name}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return ";".join(reversed(frames))
