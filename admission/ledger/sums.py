"""What live objects hold, each by its uid, and summed by what decides where it is charged.

A ledger is folded several times a second, and most of what lives stays as it was: sums are kept as objects come, change
and go, so that counting costs by namespaces and parties, not by pods.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Held(NamedTuple):
    """What a live object holds, and where it is charged without a record: by its promise and its jurisdiction.

    Since when (unix seconds; 0 for a pod without a node), and for how many seconds at most (0 where nobody can tell).
    ``owner`` is the uid of the pod that a claim belongs to: it ends with it.
    """

    uid: str
    namespace: str
    governing: str
    party: str
    counts: tuple[tuple[str, int], ...]
    bound: bool
    scopes: frozenset[str] = frozenset()
    group: str = ""
    since: int = 0
    seconds: int = 0
    owner: str = ""

    @property
    def home(self) -> Home:
        """What decides where it is charged."""
        return Home(self.namespace, self.governing, self.party, self.scopes)


class Home(NamedTuple):
    """What decides where objects are charged: those with the same are charged alike."""

    namespace: str
    governing: str
    party: str
    scopes: frozenset[str]


class Holdings:
    """The live objects."""

    def __init__(self) -> None:
        self._each: dict[str, Held] = {}
        self._sums: dict[Home, Counter[str]] = {}

    def __contains__(self, uid: object) -> bool:
        """Say whether an object is there."""
        return uid in self._each

    def __getitem__(self, uid: str) -> Held:
        """Return what an object holds."""
        return self._each[uid]

    def get(self, uid: str) -> Held | None:
        """Return what an object holds; None where it is not there."""
        return self._each.get(uid)

    def put(self, held: Held) -> None:
        """Take an object in, in place of what it held before."""
        self.pop(held.uid)
        self._each[held.uid] = held
        for key, count in held.counts:
            self._sums.setdefault(held.home, Counter())[key] += count

    def pop(self, uid: str) -> Held | None:
        """Take an object out."""
        held = self._each.pop(uid, None)
        if held is not None and held.counts:
            sums = self._sums[held.home]
            sums.subtract(dict(held.counts))
            if not any(sums.values()):
                del self._sums[held.home]
        return held

    def all(self) -> Iterable[Held]:
        """Return every object."""
        return self._each.values()

    def sums(self, without: Iterable[str] = ()) -> Iterator[tuple[Home, Mapping[str, int]]]:
        """Yield what is held by home, and, negative, what the objects ``without`` hold of that; each uid once."""
        yield from self._sums.items()
        for uid in without:
            held = self._each.get(uid)
            if held is not None:
                yield held.home, {key: -count for key, count in held.counts}

    def snapshot(self) -> tuple[tuple[Home, Mapping[str, int]], ...]:
        """Return the sums by home; safe in any thread."""
        return tuple(self._sums.items())
