"""Whether a share that somebody holds through others finds room among those who hold it directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.tenants.holdings import Pool


class Room:
    """What a graph has for shares through others; ``unnamed`` stands for whoever no statement names.

    Who may own part of a party is found once, however many shares are asked for.
    """

    def __init__(self, graph: Mapping[str, tuple[Pool, ...]], unnamed: str) -> None:
        self._graph, self._unnamed = graph, unnamed
        self._above: dict[str, set[str]] = {}

    def has(self, owner: str, least: int, pool: Pool) -> bool:
        """Whether direct holders whom ``owner`` may stand behind can have ``least`` of a pool, and there are any.

        Those are the unnamed, and whoever may be owned, by whatever share, by the owner or by somebody unnamed.  For an
        owner that holds some itself nobody needs to stand between, where nothing is said of how much it has through
        others.
        """
        room = [
            bounds.upper
            for holder, bounds in pool.direct.items()
            if bounds.upper > 0 and (holder == self._unnamed or (holder != owner and self._may_own(owner, holder)))
        ]
        said_again = least == 0 and owner in pool.direct
        return said_again or (bool(room) and sum(room) >= least)

    def _may_own(self, owner: str, party: str) -> bool:
        above = self._owners(party)
        return owner in above or self._unnamed in above

    def _owners(self, party: str) -> set[str]:
        """All who may own part of a party, directly or through others."""
        if party in self._above:
            return self._above[party]
        found: set[str] = set()
        waiting = [party]
        while waiting:
            for pool in self._graph.get(waiting.pop(), ()):
                new = {holder for holder, bounds in pool.direct.items() if bounds.upper > 0} - found
                found |= new
                waiting += new
        self._above[party] = found
        return found
