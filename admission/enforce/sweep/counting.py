"""Counts what is due, and what ended of late, against the bounds of every Enforcement, and writes it beforehand.

While not all pods were judged in this term, it goes by what the leader before has counted: more is never evicted then,
and no breaker opens or closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from admission.api import API_VERSION
from admission.api.enforcement import Counted
from admission.cluster.events import Regarding
from admission.enforce.sweep import bounds
from admission.enforce.sweep.steps import evicting
from admission.review import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.api.enforcement import Breaker, Enforcement
    from admission.cluster.events import Events
    from admission.enforce.sweep.acted import Acted
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.statuses import Statuses
    from admission.review.reasons import Reason


class Overdue(NamedTuple):
    """What is due in one namespace: deadlines by reason, and the references by which tenants know of them."""

    namespace: str
    reasons: dict[Reason, datetime]
    references: Mapping[Reason, str]

    @property
    def oldest(self) -> datetime:
        """The first deadline."""
        return min(self.reasons.values())


class _Counts(NamedTuple):
    """Pods that are due, pods with controlled accelerators, and whether all of them were judged in this term."""

    due: int = 0
    of: int = 0
    whole: bool = False


class _Announced(NamedTuple):
    """Attempts that were written beforehand: when, how many, and the token of each Enforcement's breaker."""

    at: datetime
    pods: int
    tokens: Mapping[str, str]


class Counting:
    """The counts of one term.

    ``begun`` are attempts of those that were announced last, ``ended`` pods that were ended without a confirmation and
    stand in no status yet.
    """

    def __init__(
        self,
        statuses: Statuses,
        events: Events,
        acted: Acted,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._statuses, self._events, self._acted, self._now, self._clock = statuses, events, acted, now, clock
        self._term = clock()
        self._counts = _Counts()
        self._announced: _Announced | None = None
        self.begun = self.ended = 0

    async def bounding(
        self, found: Mapping[str, Found], overdue: list[Overdue], elsewhere: int | None
    ) -> tuple[Enforcement, ...]:
        """Return the Enforcements whose bounds hold, with their breakers after a count; none where one is not known.

        ``elsewhere`` are pods that are due in namespaces that were not judged yet; None once all were.
        """
        total = sum(each.controlled for each in found.values())
        pods = sum(found[one.namespace].count(one.reasons) for one in overdue)
        self._counts = _Counts(pods + (elsewhere or 0), max(total, pods), elsewhere is None)
        bounding = []
        for each in evicting(self._statuses.every()):
            counted = await self._counted(each, covers_any=_covers_any(each, found, overdue))
            if counted is None:
                return ()
            bounding.append(counted)
        return tuple(bounding)

    @property
    def paced_at(self) -> datetime:
        """Return now, for the pace; in the first minute of a term, by the clock that is furthest behind ours."""
        began = self._clock() - self._term < bounds.COUNTS.total_seconds()
        return self._now() - bounds.APART if began else self._now()

    def _known(self, enforcement: Enforcement) -> _Counts | None:
        """Return the counts; those of whoever led before us while ours are not whole, None without any."""
        if self._counts.whole:
            return self._counts
        before = bounds.counted_of_late(enforcement, self._now())
        if before is None:
            return None
        return _Counts(max(self._counts.due, before.pods), max(self._counts.of, before.of))

    async def _counted(self, enforcement: Enforcement, *, covers_any: bool) -> Enforcement | None:
        before, counts = enforcement.status.breaker, self._known(enforcement)
        if counts is None:
            return None
        covers_any = covers_any or not counts.whole
        after = bounds.breaker_after(enforcement, counts.due, counts.of, self._now(), covers_any=covers_any)
        if after == before:
            return enforcement
        return await self._turned(enforcement, after) if counts.whole else None

    async def _turned(self, enforcement: Enforcement, breaker: Breaker | None) -> Enforcement | None:
        """Open a breaker, or close it."""
        if breaker is None:
            return await self._statuses.write(enforcement, breaker=None)
        await self._acted.opened(enforcement, breaker)
        written = await self._statuses.write(enforcement, breaker=breaker)
        if written is not None:
            about = Regarding(API_VERSION, "Enforcement", enforcement.name, enforcement.metadata.uid)
            note = notices.breaker_open(breaker.pods, breaker.of, breaker.share, breaker.token, breaker.ended)
            self._events.record(about, "BreakerOpen", note, action="Evict", warning=True, transition=breaker.token)
        return written

    async def is_announced(self, bounding: Iterable[Enforcement], pods: int) -> bool:
        """Write how many attempts there will be, everywhere, before the first of them."""
        now = self._now()
        bounding = tuple(bounding)
        for each in bounding:
            status = each.status
            breaker = status.breaker and status.breaker.model_copy(update={"evicted": status.breaker.evicted + pods})
            fields: dict[str, Any] = {
                "attempts": bounds.announced(status.attempts, pods, now, paced_at=self.paced_at),
                "attempted": status.attempted + pods,
                "breaker": breaker,
            }
            if self._counts.whole:
                fields["counted"] = Counted(at=now.replace(microsecond=0), pods=self._counts.due, of=self._counts.of)
            if await self._statuses.write(each, **fields) is None:
                return False
        tokens = {each.name: each.status.breaker.token for each in bounding if each.status.breaker}
        self._announced, self.begun = _Announced(now, pods, tokens), 0
        return True

    async def is_remembered(self) -> bool:
        """Write how many were ended, and when how many were tried, everywhere; nothing more ends before."""
        now = self._now()
        for each in evicting(self._statuses.every()):
            fields = self._made(each, now)
            if self.ended:
                fields["ended"] = bounds.ended_with(each, self.ended, now)
            if fields and await self._statuses.write(each, **fields) is None:
                return False
        self.ended, self._announced = 0, None
        return True

    def _made(self, enforcement: Enforcement, now: datetime) -> dict[str, Any]:
        """Return what of its status differs where attempts that were announced were not begun, or later than that."""
        said, status = self._announced, enforcement.status
        if said is None or (self.begun == said.pods and now.replace(microsecond=0) == said.at.replace(microsecond=0)):
            return {}
        unused, breaker = said.pods - self.begun, status.breaker
        if breaker is not None and breaker.token == said.tokens.get(enforcement.name):
            breaker = breaker.model_copy(update={"evicted": max(0, breaker.evicted - unused)})
        return {
            "attempts": bounds.made(status.attempts, said.at, said.pods, self.begun, now),
            "attempted": max(0, status.attempted - unused),
            "breaker": breaker,
        }


def _covers_any(enforcement: Enforcement, found: Mapping[str, Found], overdue: Iterable[Overdue]) -> bool:
    """Say whether any pod that is due is left that the breaker of an Enforcement has counted."""
    breaker = enforcement.status.breaker
    return breaker is not None and any(
        found[one.namespace].has_before((r for r, at in one.reasons.items() if bounds.covers(breaker, at)), breaker.at)
        for one in overdue
    )
