"""A replay that keeps up with a running etcd."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from tools.revisions import changes, newest

if TYPE_CHECKING:
    from tests.chaos.replay import Replay


class Following:
    """Feeds a replay with every change as it happens.  An asynchronous context manager.

    Live, as the API server has etcd compact what is older than five minutes.
    """

    def __init__(self, etcd: str, replay: Replay) -> None:
        self._etcd, self._replay = etcd, replay
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def caught_up(self) -> None:
        """Wait until the replay has reached the revision at which etcd is now; raises what ended the following."""
        wanted = await newest(self._etcd)
        while self._replay.revision < wanted:
            if self._task is not None and self._task.done():
                self._task.result()
            await asyncio.sleep(0.02)

    async def exact(self, within: float) -> None:
        """Wait until the ledgers say what exists, for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.caught_up()
                while self._replay.leftover():
                    await asyncio.sleep(0.1)
                    await self.caught_up()

    async def _follow(self) -> None:
        async for change in changes(self._etcd, self._replay.revision + 1):
            self._replay.take(change)
