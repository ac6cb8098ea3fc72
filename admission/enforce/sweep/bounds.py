"""How fast pods may be evicted, and when so many are to be that somebody must confirm it first.  Pure.

Both stand in the status of each Enforcement and are written there, by compare-and-swap, before anything is evicted:
who comes after a crash, or beside us, goes on from what was announced, and never counts less than was done.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from admission.api.enforcement import Attempts, Breaker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.enforcement import Enforcement

MINUTE = timedelta(seconds=60)


def recent(attempts: Iterable[Attempts], now: datetime) -> list[Attempts]:
    """Return the attempts that still count, those of a clock that was ahead too; a second counts to its end."""
    return [each for each in attempts if now - each.at < MINUTE + timedelta(seconds=1)]


def free(enforcement: Enforcement, now: datetime) -> int:
    """Return how many attempts an Enforcement allows now."""
    used = sum(each.pods for each in recent(enforcement.status.attempts, now))
    pace = max(0, enforcement.spec.evictions_per_minute - used)
    breaker = enforcement.status.breaker
    if breaker is None:
        return pace
    return min(pace, max(0, breaker.pods - breaker.evicted)) if is_confirmed(enforcement) else 0


def announced(attempts: Iterable[Attempts], pods: int, now: datetime) -> list[Attempts]:
    """Return the attempts with some more, now."""
    second = now.replace(microsecond=0)
    before = recent(attempts, now)
    same = sum(each.pods for each in before if each.at == second)
    return [*(each for each in before if each.at != second), Attempts(at=second, pods=same + pods)]


def is_confirmed(enforcement: Enforcement) -> bool:
    """Say whether somebody confirmed what the breaker counted."""
    breaker = enforcement.status.breaker
    return breaker is not None and enforcement.spec.confirmed == breaker.token


def covers(breaker: Breaker | None, deadline: datetime) -> bool:
    """Say whether pods of a deadline are among what a breaker counted, as far as they were there."""
    return breaker is None or deadline <= breaker.at


def breaker_after(enforcement: Enforcement, due: int, of: int, now: datetime, *, covers_any: bool) -> Breaker | None:
    """Return the breaker after a count: of the pods that are due, and of all controlled ones.

    It opens above the share, and closes once no more are due than the share that it opened by: one that is raised
    since confirms nothing.  Unconfirmed, it counts anew when they become more; confirmed, it stays until all that it
    covers is gone (``covers_any`` says whether some is left), so that nobody confirms what was not shown.
    """
    before = enforcement.status.breaker
    share = enforcement.spec.most_share
    confirmed = is_confirmed(enforcement)
    if before is not None and confirmed and (before.evicted >= before.pods or not covers_any):
        before = None
    if before is not None:
        share = min(share, before.share or share)
    if due <= max(1, share * of // 100):
        return None
    if before is None or (not confirmed and due > before.pods):
        return _opened(enforcement, due, of, now, share)
    return before


def _opened(enforcement: Enforcement, due: int, of: int, now: datetime, share: int) -> Breaker:
    case = f"{enforcement.metadata.uid} {now.isoformat()} {due}"
    digest = hashlib.sha256(case.encode()).hexdigest()[:8]
    return Breaker(token=f"{due}-{digest}", at=now.replace(microsecond=0), pods=due, of=of, share=share)
