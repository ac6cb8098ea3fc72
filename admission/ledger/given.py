"""Since when a pod has its devices: since it was given its node."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from admission.review.pod import Pod


def since_of(pod: Pod, now: datetime) -> int:
    """Return since when (unix seconds) a pod with a node holds its devices; never later than now."""
    return instant(given_at(pod), now)


def given_at(pod: Pod) -> str | None:
    """Return when a pod was given its node, as it was written; of a pod that no scheduler saw, when it was created."""
    given = [each for each in pod.status.conditions or () if each.type == "PodScheduled" and each.status == "True"]
    said = given[0].last_transition_time if given else None
    return said or pod.metadata.creation_timestamp


def instant(text: str | None, now: datetime) -> int:
    """Return an RFC 3339 instant in unix seconds; now where there is none, or it is still to come."""
    latest = int(now.timestamp())
    try:
        return min(latest, int(datetime.fromisoformat(text or "").timestamp()))
    except ValueError:
        return latest
