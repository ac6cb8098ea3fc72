"""Tells, by events on the ConfigMap of the release, what an operator has to mend: beside the log and the figures.

``kubectl describe configmap computegate-gate`` shows them with those of the gate's own alarm.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from admission.review import alarms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.cli.alarm import GateAlarm

LOOK_SECONDS = 2.0


class _Lasting(NamedTuple):
    """A trouble since when (by the loop's clock), and whether it was told."""

    since: float
    told: bool


class Troubles:
    """Run it as one task, in every replica.

    Each trouble is a reason, one PascalCase word, and what says why, or "".  ``own`` ones are of this replica, which
    tells them itself; ``shared`` ones are the same for all, and the leader tells them.  One is told that lasts for
    ``grace`` seconds.
    """

    def __init__(
        self,
        alarm: GateAlarm,
        grace: float,
        *,
        own: Mapping[str, Callable[[], str]],
        shared: Mapping[str, Callable[[], str]],
    ) -> None:
        self._alarm, self._grace = alarm, grace
        self.own, self._shared = dict(own), dict(shared)
        self._lasting: dict[str, _Lasting] = {}
        self._replica = os.environ.get("POD_NAME", "computegate")

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            now = asyncio.get_running_loop().time()
            for reason, look in (*self.own.items(), *self._shared.items()):
                self._heed(reason, look(), now)
            await asyncio.sleep(LOOK_SECONDS)

    def _heed(self, reason: str, text: str, now: float) -> None:
        lasting = self._lasting.get(reason)
        if text and lasting is None:
            self._lasting[reason] = _Lasting(now, told=False)
        elif text and lasting is not None and not lasting.told and now >= lasting.since + self._grace:
            told = self._alarm.record(
                reason, alarms.trouble(self._replica, text), warning=True, anyone=reason in self.own
            )
            self._lasting[reason] = lasting._replace(told=told)
        elif not text and self._lasting.pop(reason, _Lasting(0, told=False)).told:
            over = alarms.trouble_over(self._replica, reason)
            self._alarm.record("Resolved", over, warning=False, anyone=reason in self.own)
