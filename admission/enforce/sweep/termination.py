"""How long a pod takes to end once it was told to, by its own word, and how long it may.  Pure.

A pod's own ``terminationGracePeriodSeconds`` has no bound, and the pod runs for as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from admission.api.enforcement import EnforcementSpec
from admission.decide.duration import delay_of
from admission.demand.pod import USUAL_GRACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.enforcement import Enforcement
    from admission.review.pod import Pod

LATE = timedelta(seconds=60)
"""How much later than it may end a pod is said to linger: a node that is busy takes a while to tell."""

_USUAL = EnforcementSpec.model_fields["terminate_within"].default


def allowed_by(enforcements: Iterable[Enforcement]) -> int:
    """Return for how many seconds a pod may go on once it was told to end: what the strictest says, and never 0.

    With 0 it would be gone before its node has ended it.
    """
    return max(1, min((delay_of(each.spec.terminate_within) for each in enforcements), default=delay_of(_USUAL)))


def takes(pod: Pod) -> int:
    """Return the seconds that a pod takes by its own word, or that it was given when it was told to end."""
    given, own = pod.metadata.deletion_grace_period_seconds, pod.spec.termination_grace_period_seconds
    if pod.metadata.deletion_timestamp is not None and given is not None:
        return given
    return USUAL_GRACE if own is None else own


def told_at(pod: Pod) -> datetime | None:
    """Return when a pod was told to end: it is to be gone by its own time later."""
    try:
        until = datetime.fromisoformat(pod.metadata.deletion_timestamp or "")
        return until - timedelta(seconds=takes(pod)) if until.tzinfo else None
    except (ValueError, OverflowError):
        return None


def lingers(told: datetime, allowed: int, now: datetime) -> bool:
    """Say whether a pod should have ended, by when it was told to."""
    return now - told > timedelta(seconds=allowed) + LATE
