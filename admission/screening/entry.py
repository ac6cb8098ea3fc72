"""One entry of a list of restricted parties, in the few fields that decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.tenants.identity import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.screening.parties import Searched

NOT_PARTIES = frozenset({"Vessel", "Aircraft"})
"""Types of entries that nobody can be."""


class ListError(ValueError):
    """A list cannot be used; the message names the file, the line or entry, and the field."""


class Number(NamedTuple):
    """A registered identifier: its register as the list calls it, and its letters and digits."""

    scheme: str
    number: str


class Entry(NamedTuple):
    """One listed party.  ``names`` begins with the first name; aliases follow."""

    id: str
    source: str
    type: str
    names: tuple[str, ...]
    numbers: tuple[Number, ...]


class Size(NamedTuple):
    """What of a list can be found: the entries that somebody can be, with their names and numbers."""

    entries: int
    names: int
    numbers: int


def size_of(entries: Iterable[Entry]) -> Size:
    """Return how much of a list can be found."""
    parties = [each for each in entries if each.type not in NOT_PARTIES]
    return Size(len(parties), sum(len(each.names) for each in parties), sum(len(each.numbers) for each in parties))


def bound(party: Searched, entry: Entry) -> str:
    """Return the digest of a hit: of the party's names and numbers and of the entry's, in any order."""
    mine = [party.party, party.name, sorted(map(list, party.numbers))]
    theirs = [entry.id, entry.source, sorted(entry.names), sorted(map(list, entry.numbers))]
    return digest_of([mine, theirs])
