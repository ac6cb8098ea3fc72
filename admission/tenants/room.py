"""Whether a share that somebody holds through others finds room among those who hold it directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.tenants.holdings import Pool


def finds_room(owner: str, least: int, pool: Pool, graph: Mapping[str, tuple[Pool, ...]], unnamed: str) -> bool:
    """Whether direct holders whom ``owner`` may stand behind can have ``least`` of a pool, and there are any.

    Those are the unnamed, and whoever may be owned, by whatever share, by the owner or by somebody unnamed.  For an
    owner that holds some itself nobody needs to stand between, where nothing is said of how much it has through others.
    """
    behind = {owner, unnamed}
    room = [
        bounds.upper
        for holder, bounds in pool.direct.items()
        if bounds.upper > 0 and (holder == unnamed or (holder != owner and _above(holder, graph) & behind))
    ]
    said_again = least == 0 and owner in pool.direct
    return said_again or (bool(room) and sum(room) >= least)


def _above(party: str, graph: Mapping[str, tuple[Pool, ...]]) -> set[str]:
    """All who may own part of a party, directly or through others."""
    found: set[str] = set()
    waiting = [party]
    while waiting:
        for pool in graph.get(waiting.pop(), ()):
            new = {holder for holder, bounds in pool.direct.items() if bounds.upper > 0} - found
            found |= new
            waiting += new
    return found
