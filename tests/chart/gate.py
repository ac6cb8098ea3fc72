"""The gate's own alarm as one replica runs it, on a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING

from admission.cluster.client import Client
from admission.enforce.alarm.watch import GateWatch, Problem
from tests.chart.rendering import NAMESPACE, RELEASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chart.rendering import Manifest
    from tools.kubectl import Kubectl

PATIENCE = 30.0


class Gate:
    """The watch of one replica, on a loop of its own, and the objects as they were installed."""

    def __init__(
        self, kubectl: Kubectl, kubeconfig: Path, grace: float = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kubectl, self.told = kubectl, list[tuple[list[Problem], list[Problem]]]()
        self._grace, self._clock = grace, clock
        self._loop, self._kubeconfig = asyncio.new_event_loop(), kubeconfig
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._watch()), daemon=True)
        self._over = asyncio.Event()
        self.watch: GateWatch | None = None
        self._thread.start()

    async def _watch(self) -> None:
        client = await Client.connect(self._kubeconfig)
        self.watch = GateWatch(
            client,
            NAMESPACE,
            f"{RELEASE}-gate",
            tell=lambda *told: self.told.append(told),
            grace=self._grace,
            clock=self._clock,
        )
        task = asyncio.create_task(self.watch.run())
        await self._over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    def until(self, holds: Callable[[frozenset[Problem] | None], bool]) -> frozenset[Problem]:
        end = time.monotonic() + PATIENCE
        while True:
            found = self.watch.problems if self.watch else None
            if holds(found):
                return found or frozenset()
            assert time.monotonic() < end, f"last seen: {found}"
            time.sleep(0.05)

    def apply(self, *objects: Manifest) -> None:
        """Make them what they were: to apply them would leave what somebody has added."""
        for each in objects:
            done = self.kubectl("replace", "-f", "-", stdin=json.dumps(each), check=False)
            if done.returncode:
                self.kubectl("create", "-f", "-", stdin=json.dumps(each))
