"""The most that parties may have of another together, by what is stated: along the chain, where shares multiply.

Of whoever stands between, as much counts as is theirs of it: all of one that may be theirs by half.  So a holding in
between takes nothing away: 40 percent of it, where it has everything, are 40 percent.  What somebody states to have
through others is the same again where these are named, and counts where it is more; else it is added.  What nobody
accounts for is not theirs, and they have no more than what others hold for certain leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.tenants.holdings import NOTHING, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from admission.tenants.holdings import Pool


ROUNDS = 50
"""After so many nothing is made less any more."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What is asked: in billionths of a percent, of parties in ``pools``."""

    pools: Mapping[str, tuple[Pool, ...]]
    held: Mapping[str, AbstractSet[str]]
    """Of whom each holds any."""
    owners: AbstractSet[str]
    whole: AbstractSet[str]
    """The owners, and whom they may own by half."""
    _below: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, party: str) -> int:
        """Return the most that the owners have of a party.

        Everything is where it begins, and each round makes it less, so that it is no less than what is so whichever is
        the last: cross-holdings come nearer for ever.
        """
        reached = self._reached(self.whole)
        part, before = dict.fromkeys(reached, WHOLE), dict[str, int]()
        for _ in range(ROUNDS):
            if part == before:
                break
            before = dict(part)
            for each in reached:
                if each not in self.whole:
                    part[each] = max((self._most_of(pool, part) for pool in self.pools.get(each, ())), default=0)
        return part.get(party, 0)

    def _most_of(self, pool: Pool, part: Mapping[str, int]) -> int:
        itself = sum(pool.direct.get(owner, NOTHING).upper for owner in self.owners)
        others = {holder: bounds for holder, bounds in pool.direct.items() if holder not in self.owners}
        chain = sum(-(-bounds.upper * part.get(holder, 0) // WHOLE) for holder, bounds in others.items())
        kept = sum(bounds.lower * (WHOLE - part.get(holder, 0)) // WHOLE for holder, bounds in others.items())
        by_chain = min(itself + chain, WHOLE - kept) + self._stated(pool, pool.direct.keys())
        by_word = min(itself, WHOLE - sum(bounds.lower for bounds in others.values())) + self._stated(pool, self.owners)
        return min(WHOLE, max(by_chain, by_word))

    def _stated(self, pool: Pool, counted: AbstractSet[str]) -> int:
        """What is stated to be held through others, beyond what those below its owner who are counted have."""
        return sum(
            max(0, most - sum(pool.direct[each].upper for each in self._between(owner, pool) & counted))
            for owner, most in pool.most_through.items()
            if owner in self.whole
        )

    def _between(self, owner: str, pool: Pool) -> AbstractSet[str]:
        """The direct holders of a pool that an owner holds any of, step by step."""
        if owner not in self._below:
            self._below[owner] = self._reached((owner,))
        return pool.direct.keys() & set(self._below[owner]) - {owner}

    def _reached(self, start: Iterable[str]) -> tuple[str, ...]:
        """These parties and all of whom they hold any, nearest first."""
        found = dict.fromkeys(start)
        waiting = list(found)
        for party in waiting:
            new = self.held.get(party, frozenset()) - found.keys()
            found |= dict.fromkeys(sorted(new))
            waiting += sorted(new)
        return tuple(found)
