"""Asks for the canaries every so often, and tells when what they are answered is another than before.

An answer that is not as it must be counts when the next one, a second later, is not either: the API server hears of a
webhook that was installed, and of an account of a new namespace, some moments after they are there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.enforce.canary.pods import CANARIES
from admission.enforce.canary.reading import GOOD, Answer, Outcome, read

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from admission.cluster.client import Client
    from admission.enforce.canary.pods import Canary
    from admission.enforce.canary.reading import Mark

CONFIRM_SECONDS = 1.0
_TIMEOUT = 35.0  # seconds; the API server waits for us for as long as the entry says, at most 30 s


class Seen(NamedTuple):
    """What counts of one canary, and the API server's words."""

    outcome: Outcome
    detail: str


class CanaryWatch:
    """Run it as one task, on the leader.

    ``seen`` is what counts now, by canary, and ``good_at`` when each was last answered as it must be, or the run began,
    in seconds since 1970.  ``tell`` is called with what counts of a canary when that has changed.
    """

    def __init__(
        self,
        client: Client,
        mark: Callable[[], Mark],
        *,
        seconds: float,
        tell: Callable[[Canary, Seen], None],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._client, self._mark, self._seconds, self._tell, self._now = client, mark, seconds, tell, now
        self._doubted: set[str] = set()
        self.seen: dict[str, Seen] = {}
        self.good_at: dict[str, float] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        begun = self._now().timestamp()
        self.seen, self.good_at, self._doubted = {}, {each.name: begun for each in CANARIES}, set()
        while True:
            await self.once()
            await asyncio.sleep(min(CONFIRM_SECONDS, self._seconds) if self._unsettled() else self._seconds)

    async def once(self) -> None:
        """Ask for each once, together."""
        await asyncio.gather(*map(self._ask, CANARIES))

    def _unsettled(self) -> bool:
        """Whether an answer that was not good waits for the next one to count."""
        return any(name not in self.seen or self.seen[name].outcome in GOOD for name in self._doubted)

    async def _ask(self, canary: Canary) -> None:
        mark = self._mark()
        answer = await ask(self._client, mark.namespace, canary.pod)
        outcome = read(canary, answer, mark, self._now())
        if outcome in GOOD:
            self._doubted.discard(canary.name)
            self.good_at[canary.name] = self._now().timestamp()
        elif canary.name not in self._doubted:
            self._doubted.add(canary.name)
            return
        self._count(canary, Seen(outcome, answer.message))

    def _count(self, canary: Canary, seen: Seen) -> None:
        before, self.seen[canary.name] = self.seen.get(canary.name), seen
        known = Outcome.Denied if canary.reasons else Outcome.Passed
        if seen.outcome is not (before.outcome if before else known):
            self._tell(canary, seen)


async def ask(client: Client, namespace: str, pod: dict[str, object]) -> Answer:
    """Ask the API server for a pod by dry run: nothing is ever stored."""
    path, body = f"/api/v1/namespaces/{namespace}/pods", msgspec.json.encode(pod)
    try:
        await client.request("POST", path, query={"dryRun": "All"}, body=body, timeout=_TIMEOUT)
    except ApiError as error:
        return Answer(error.status, error.message or str(error))
    except ClusterError as error:
        return Answer(0, str(error))
    return Answer(201)
