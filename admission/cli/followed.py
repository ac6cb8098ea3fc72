"""Claims that are followed anyway, so that nobody is asked for those of each pod that runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cachetools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.review.claim import ClaimSpec, PodGroup, ResourceClaim
    from admission.review.pod import Pod
    from admission.server.claims import Lookup

MOST_GROUPS = 10_000
"""Groups of pods that are kept."""


class Followed:
    """Looks up among ``claims``, by ``namespace/name``; a group of pods is asked for, and kept for ``keep`` seconds.

    It has nothing else: who misses something asks another.
    """

    def __init__(
        self,
        claims: Mapping[str, ResourceClaim],
        lookup: Lookup,
        *,
        keep: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._claims, self._lookup = claims, lookup
        self._groups: cachetools.TTLCache[tuple[str, str], PodGroup] = cachetools.TTLCache(MOST_GROUPS, keep, clock)

    async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
        """Return a ResourceClaim as it was seen last."""
        return self._claims.get(f"{namespace}/{name}")

    async def group(self, namespace: str, name: str) -> PodGroup | None:
        """Return a group of pods as it was kept, or as it is; raises ``LookupFailed``."""
        kept = self._groups.get((namespace, name))
        if kept is not None:
            return kept
        found = await self._lookup.group(namespace, name)
        if found is not None:
            self._groups[namespace, name] = found
        return found

    async def template(self, _namespace: str, _name: str) -> ClaimSpec | None:
        """Nothing."""
        return None

    async def pod(self, _namespace: str, _name: str) -> Pod | None:
        """Nothing."""
        return None
