"""Ends one pod: by the Eviction API, which respects PodDisruptionBudgets, or by its deletion when that was long enough.

How long counts from when the API server first kept a pod from this leader, for this deadline: none is deleted whose
budgets nobody asked.

Both carry the uid, so that a pod of the same name that came since is never meant, and of two who try one does it.
"""

from __future__ import annotations

import enum
import logging
import re
import sys
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import cachetools
import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.enforce.sweep.termination import takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from admission.cluster.client import Client
    from admission.review.pod import Pod
    from admission.review.reasons import Reason

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds until a pod that was not evicted is tried again; doubled each time."""

NEVER = float("-inf")
"""Since when a pod may be tried that was not, nor others beside it in vain."""

_REMEMBERED = 100_000
"""Pods of which it is known that they were tried; one that is forgotten begins anew."""

NOT_GRANTED_SECONDS = 60.0
"""Between two attempts while the right to evict is wanting."""

_OF_BUDGETS = {429, 500}
_BUSY = {429, 503, 504}
"""Nothing is said of the pod, but for a budget's 429."""

_GONE = {404, 409}
"""It is not there, or not the one of this uid."""

_UNAUTHORIZED = re.compile(r'[^:]* is forbidden: User ".+?" cannot ')
"""How the API server words that a right is wanting; a webhook or a policy that refuses says its own name first."""

logger = logging.getLogger(__name__)


class Outcome(enum.StrEnum):
    """What became of an attempt."""

    Evicted = "evicted"
    Deleted = "deleted"
    Refused = "refused"
    """A PodDisruptionBudget keeps the pod for now."""
    Gone = "gone"
    Failed = "failed"


class Victim(NamedTuple):
    """A pod whose deadline has passed."""

    pod: Pod
    reasons: frozenset[Reason]
    """Those that are due."""
    deadline: datetime
    """The first of theirs."""
    reference: str
    """Of the finding with that deadline."""
    respect: int
    """Seconds for which budgets are respected, from when one first keeps it."""
    allowed: int = sys.maxsize
    """Seconds in which it is to end."""


_Due = tuple[str, "datetime"]
"""A pod's uid, and its deadline: for another one budgets are asked anew."""


class _Wait(NamedTuple):
    until: float
    pause: float


class Evictor:
    """Evicts, and remembers for which pods to wait.  ``clock`` is monotonic."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._waits: cachetools.LRUCache[str, _Wait] = cachetools.LRUCache(_REMEMBERED)
        self._kept: cachetools.LRUCache[_Due, float] = cachetools.LRUCache(_REMEMBERED)
        self._refusing: cachetools.TTLCache[str, None] = cachetools.TTLCache(_REMEMBERED, LONGEST_PAUSE, clock)
        self.not_granted = ""
        """What the API server said when it refused an eviction for want of a right; "" while it does not."""
        self._refused_at = float("-inf")
        self.outcomes: Counter[Outcome] = Counter()

    def ready_since(self, pod: Pod) -> float | None:
        """Return since when a pod may be tried again; None while it is too early, ``NEVER`` if it is to be tried first.

        A pod that was not tried yet, in a namespace where budgets have refused others of late, is no first one.
        """
        wait = self._waits.get(pod.metadata.uid)
        if wait is None:
            return 0.0 if pod.metadata.namespace in self._refusing else NEVER
        return wait.until if wait.until <= self._clock() else None

    @property
    def room(self) -> int:
        """How many attempts make sense now: one a minute while the right to evict is wanting."""
        if not self.not_granted:
            return sys.maxsize
        return int(self._clock() - self._refused_at >= NOT_GRANTED_SECONDS)

    def is_late(self, victim: Victim) -> bool:
        """Say whether budgets were respected for long enough."""
        since = self._kept.get(_due(victim))
        return since is not None and self._clock() - since >= victim.respect

    async def end(self, victim: Victim, *, late: bool) -> Outcome:
        """Try to end a pod, once; past budgets where it is ``late``."""
        outcome = await self._tried(victim, late=late)
        self.outcomes[outcome] += 1
        if outcome is Outcome.Refused:
            self._refusing[victim.pod.metadata.namespace] = None
        uid = victim.pod.metadata.uid
        before = self._waits.get(uid)
        pause = min(LONGEST_PAUSE, 2 * before.pause) if before else FIRST_PAUSE
        until = self._clock() + pause
        if _due(victim) in self._kept and not late:
            until = min(until, self._kept[_due(victim)] + victim.respect)
        self._waits[uid] = _Wait(until, pause)
        return outcome

    async def _tried(self, victim: Victim, *, late: bool) -> Outcome:
        self.not_granted = ""
        try:
            await (self._delete(victim) if late else self._evict(victim))
        except ApiError as error:
            return self._not_done(victim, error)
        except ClusterError as error:
            logger.warning("pod %s: %s", _name(victim.pod), error)
            return Outcome.Failed
        return Outcome.Deleted if late else Outcome.Evicted

    def _not_done(self, victim: Victim, error: ApiError) -> Outcome:
        if error.status in _GONE:
            return Outcome.Gone
        # A pod of two budgets is answered with 500: it is no more evicted than one whose budget is used up.
        # And one that is asked too much answers with 429 of no budget.
        if error.status in _OF_BUDGETS and "budget" in error.message.lower():
            self._keep(victim)
            return Outcome.Refused
        if error.status == HTTPStatus.FORBIDDEN and _UNAUTHORIZED.match(error.message):
            self.not_granted, self._refused_at = error.message, self._clock()
        elif error.status not in _BUSY:
            self._keep(victim)
        logger.warning("pod %s: %s", _name(victim.pod), error)
        return Outcome.Failed

    def _keep(self, victim: Victim) -> None:
        self._kept.setdefault(_due(victim), self._clock())

    async def _evict(self, victim: Victim) -> None:
        meta = victim.pod.metadata
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": meta.name, "namespace": meta.namespace},
            "deleteOptions": _options(victim),
        }
        await self._client.create(f"{_path(victim.pod)}/eviction", msgspec.json.encode(eviction))

    async def _delete(self, victim: Victim) -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **_options(victim)}
        await self._client.request("DELETE", _path(victim.pod), body=msgspec.json.encode(body))


def _due(victim: Victim) -> _Due:
    return victim.pod.metadata.uid, victim.deadline


def _options(victim: Victim) -> dict[str, object]:
    """Leave a pod its own grace, as far as it may take it."""
    named: dict[str, object] = {"preconditions": {"uid": victim.pod.metadata.uid}}
    return {**named, "gracePeriodSeconds": victim.allowed} if takes(victim.pod) > victim.allowed else named


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
