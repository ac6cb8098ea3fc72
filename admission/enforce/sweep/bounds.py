"""How fast pods may be evicted, and when so many are to be that somebody must confirm it first.  Pure.

Both stand in the status of each Enforcement and are written there, by compare-and-swap, before anything is evicted:
who comes after a crash, or beside us, goes on from what was announced, and never counts fewer attempts than were
made.  What ended of late is written once it has.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from admission.api.enforcement import Attempts, Breaker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from admission.api.enforcement import Counted, Enforcement

MINUTE = timedelta(seconds=60)
COUNTS = MINUTE + timedelta(seconds=1)
APART = timedelta(seconds=150)
"""By how much the clocks of two leaders may differ while each is near enough to the API server's to act."""

HOUR = timedelta(hours=1)
_PART = 300
"""Seconds of which the ends of an hour are counted together."""


def recent(attempts: Iterable[Attempts], now: datetime) -> list[Attempts]:
    """Return the attempts that still count, those of a clock that was ahead too; a second counts to its end."""
    return [each for each in attempts if now - each.at < COUNTS]


def free(enforcement: Enforcement, now: datetime) -> int:
    """Return how many attempts an Enforcement allows now."""
    used = sum(each.pods for each in recent(enforcement.status.attempts, now))
    pace = max(0, enforcement.spec.evictions_per_minute - used)
    breaker = enforcement.status.breaker
    if breaker is None:
        return pace
    return min(pace, max(0, breaker.pods - breaker.evicted)) if is_confirmed(enforcement) else 0


def announced(attempts: Iterable[Attempts], pods: int, now: datetime, *, paced_at: datetime) -> list[Attempts]:
    """Return the attempts with some more, now; of those before, the ones that still count at ``paced_at``."""
    second = now.replace(microsecond=0)
    before = recent(attempts, paced_at)
    same = sum(each.pods for each in before if each.at == second)
    return [*(each for each in before if each.at != second), Attempts(at=second, pods=same + pods)]


def made(attempts: Collection[Attempts], announced: datetime, pods: int, begun: int, now: datetime) -> list[Attempts]:
    """Return the attempts with those of the announced ones that were begun until now, as of now."""
    seconds = {each.replace(microsecond=0) for each in (announced, now)}
    kept = [each for each in attempts if each.at not in seconds]
    counted = sum(each.pods for each in attempts if each.at in seconds)
    left = max(begun, counted - pods + begun)
    return [*kept, Attempts(at=max(seconds), pods=left)] if left else kept


def ended_with(enforcement: Enforcement, pods: int, now: datetime) -> list[Attempts]:
    """Return the ends of the last hour with some more, now; a part of it counts to its end."""
    part = datetime.fromtimestamp(now.timestamp() // _PART * _PART, UTC)
    before = _of_the_hour(enforcement, now)
    same = sum(each.pods for each in before if each.at == part)
    return [*(each for each in before if each.at != part), Attempts(at=part, pods=same + pods)]


def _of_the_hour(enforcement: Enforcement, now: datetime) -> list[Attempts]:
    return [each for each in enforcement.status.ended if now - each.at < HOUR + timedelta(seconds=_PART)]


def is_beyond(due: int, of: int, share: int, ended: int = 0) -> bool:
    """Say whether pods that are due, with those ended of late, are more than a share, and more than one."""
    return due > 0 and due + ended > max(1, share * (of + ended) // 100)


def counted_of_late(enforcement: Enforcement, now: datetime) -> Counted | None:
    """Return what was counted when evictions were announced within the last hour."""
    counted = enforcement.status.counted
    return counted if counted is not None and now - counted.at < HOUR else None


def is_confirmed(enforcement: Enforcement) -> bool:
    """Say whether somebody confirmed what the breaker counted."""
    breaker = enforcement.status.breaker
    return breaker is not None and enforcement.spec.confirmed == breaker.token


def covers(breaker: Breaker | None, deadline: datetime) -> bool:
    """Say whether pods of a deadline are among what a breaker counted, as far as they were there."""
    return breaker is None or deadline <= breaker.at


def breaker_after(enforcement: Enforcement, due: int, of: int, now: datetime, *, covers_any: bool) -> Breaker | None:
    """Return the breaker after a count: of the pods that are due, and of all controlled ones.

    What was ended within the hour, unconfirmed, counts as due: a fault that comes in parts is one.  It opens above the
    share, and closes once no more are due than the share that it opened by: one that is raised since confirms nothing.
    Unconfirmed, it counts anew when they become more; confirmed, it stays until all that it covers is gone
    (``covers_any`` says whether some is left), so that nobody confirms what was not shown.
    """
    before = enforcement.status.breaker
    share = enforcement.spec.most_share
    confirmed = is_confirmed(enforcement)
    if before is not None and confirmed and (before.evicted >= before.pods or not covers_any):
        before = None
    if before is not None:
        share = min(share, before.share or share)
    ended = sum(each.pods for each in _of_the_hour(enforcement, now))
    if not is_beyond(due, of, share, ended):
        return None
    if before is None or (not confirmed and due > before.pods):
        return _opened(enforcement, due, of, now, share=share, ended=ended)
    return before


def _opened(enforcement: Enforcement, due: int, of: int, now: datetime, *, share: int, ended: int) -> Breaker:
    case = f"{enforcement.metadata.uid} {now.isoformat()} {due}"
    digest = hashlib.sha256(case.encode()).hexdigest()[:8]
    return Breaker(token=f"{due}-{digest}", at=now.replace(microsecond=0), pods=due, of=of, ended=ended, share=share)
