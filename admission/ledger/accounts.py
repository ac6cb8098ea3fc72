"""Counts by account, and their sums, so that what a decision costs does not grow with the accounts.  Pure.

Most accounts stay as they are from one state of a ledger to the next, so sums are made once and carried along: a state
that keeps what was counted keeps the sums with it, and one that was counted anew has them by what differs.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from admission.decide.limits import Account, Limit, Parties


class Sums:
    """Counts by account that are added to, with what limits ask: sums by class key, and the accounts of each name.

    They stand on ``bases``, which are not added to here.
    """

    def __init__(self, accounts: Iterable[tuple[Account, int]] = (), bases: Iterable[Sums] = ()) -> None:
        self._bases = tuple(bases)
        self._counts: dict[Account, int] = {}
        self._by_class: Counter[str] = Counter()
        self._named: dict[Callable[[str], Collection[str]], dict[str, frozenset[Account]]] = {}
        self.add(accounts)

    def add(self, accounts: Iterable[tuple[Account, int]]) -> None:
        """Count something in; out, where it is negative."""
        for account, count in accounts:
            before = self._counts.pop(account, 0)
            self._by_class[account[1]] += count
            if before + count:
                self._counts[account] = before + count
            if bool(before) != bool(before + count):
                for parts, named in self._named.items():
                    for name in parts(account[0]):
                        named[name] = named.get(name, frozenset()) ^ {account}
                        if not named[name]:
                            del named[name]

    def after(self, changes: Iterable[tuple[Account, int]]) -> Sums:
        """Return these with changes; these stay as they are."""
        sums = Sums(bases=self._bases)
        sums._counts, sums._by_class = self._counts.copy(), self._by_class.copy()
        sums._named = {parts: named.copy() for parts, named in self._named.items()}
        sums.add(changes)
        return sums

    def all(self, limit: Limit) -> int:
        """Return what stands under a limit."""
        if limit.parties or limit.varying:
            return self.held(limit, limit.parties)
        return limit.measure(self._by_class.items()) + sum(base.all(limit) for base in self._bases)

    def own(self, limit: Limit) -> int:
        """Return what of it is the asking tenant's own."""
        return self.held(limit, limit.own)

    def held(self, limit: Limit, parties: Parties | None) -> int:
        """Return what of it stands on the accounts of some parties."""
        accounts = self._accounts(parties) if parties else self._counts
        mine = ((party, key) for party, key in accounts if limit.counts(party))
        counted = sum(limit.measure_of(party, ((key, self._counts[party, key]),)) for party, key in mine)
        return counted + sum(base.held(limit, parties) for base in self._bases)

    def _accounts(self, parties: Parties) -> Collection[Account]:
        """Return the accounts of parties told by name, which are noted by such names when they are first asked for."""
        named = self._named.get(parties.parts)
        if named is None:
            lists: defaultdict[str, list[Account]] = defaultdict(list)
            for account in self._counts:
                for name in parties.parts(account[0]):
                    lists[name].append(account)
            named = self._named[parties.parts] = {name: frozenset(accounts) for name, accounts in lists.items()}
        return {account for name in parties.names for account in named.get(name, ())}


class Kept(dict[Any, int]):
    """Counts by account, or by account and hour; never changed, so that what they sum up to is kept with them."""

    def __init__(self, counts: Mapping[Any, int], before: Mapping[Any, int] | None = None) -> None:
        """Take counts over; where those of accounts ``before`` are given, their sums too, by what differs."""
        super().__init__(counts)
        if isinstance(before, Kept) and "sums" in vars(before):
            changed = {key: n - before.get(key, 0) for key, n in self.items() if before.get(key) != n}
            gone = {key: -n for key, n in before.items() if key not in self}
            self.sums = before.sums.after({**changed, **gone}.items())

    @functools.cached_property
    def sums(self) -> Sums:
        """What they sum up to by account, whatever the hour."""
        return Sums(((party, key), count) for (party, key, *_), count in self.items())


def kept(counts: Mapping[Any, int]) -> Kept:
    """Return counts as they are kept: the same where they are already."""
    return counts if isinstance(counts, Kept) else Kept(counts)
