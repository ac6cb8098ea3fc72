"""Resource claims that have devices and no record of an admission: from before there was anybody to ask.

A pod that was created since may use one that was allocated before; the pod was judged, the claim never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.given import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod


class Unadmitted:
    """Follows the claims of a cluster; ``since`` is when use was first recorded, in seconds since 1970."""

    def __init__(self, excluded: Collection[str], since: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._excluded, self._since, self._now = frozenset(excluded), since, now
        self._created: dict[str, float] = {}

    def take(self, key: str, claim: ResourceClaim) -> None:
        """Take in a claim, ``namespace/name``; one without devices holds nothing."""
        allocated = claim.status.allocation is not None
        if not allocated or claim.metadata.namespace in self._excluded:
            self.lose(key)
        elif key not in self._created:
            self._created[key] = instant(claim.metadata.creation_timestamp, self._now())

    def lose(self, key: str) -> None:
        """Take out a claim that is gone."""
        self._created.pop(key, None)

    def names(self) -> list[str]:
        """Return the claims that have devices and are older than the usage record, ``namespace/name``."""
        since = self._since()
        return sorted(key for key, created in tuple(self._created.items()) if created < since)

    def used_by(self, pod: Pod) -> bool:
        """Say whether a pod uses one of them; claims that are made for a pod are younger than it."""
        since, namespace = self._since(), pod.metadata.namespace
        names = (each.resource_claim_name for each in pod.spec.resource_claims or ())
        return any(self._created.get(f"{namespace}/{name}", since) < since for name in names if name)
