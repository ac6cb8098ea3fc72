"""A list made ready for search: numbers looked up, names compared with all that are on it.

Every name is compared with every other: of 80,000 names that takes a few milliseconds each, and a shortcut by
first letters or by shared words would lose what differs there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from rapidfuzz import fuzz, process

from admission.screening.entry import NOT_PARTIES
from admission.screening.likeness import LONG_NUMBER, SHORT_NAME, SHORT_NUMBER, THRESHOLD
from admission.screening.names import form_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.screening.entry import Entry, Number
    from admission.screening.parties import Searched


class Found(NamedTuple):
    """One entry that a party may be."""

    entry: Entry
    name: str
    by: Literal["Identifier", "Number", "Name"]
    score: int


class Index:
    """The entries of one list by number and by name."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._numbers: defaultdict[str, list[tuple[Entry, Number]]] = defaultdict(list)
        self._named: defaultdict[tuple[str, str], list[tuple[Entry, str]]] = defaultdict(list)
        for entry in entries:
            if entry.type not in NOT_PARTIES:
                self._add(entry)
        self._words = sorted({words for words, _ in self._named})
        self._letters = sorted({letters for _, letters in self._named})
        self._by_words, self._by_letters = self._grouped(0), self._grouped(1)

    def _add(self, entry: Entry) -> None:
        for number in entry.numbers:
            self._numbers[number.number].append((entry, number))
        for name in entry.names:
            form = form_of(name)
            if form.letters:
                self._named[form].append((entry, name))

    def _grouped(self, part: int) -> dict[str, list[tuple[Entry, str]]]:
        grouped: defaultdict[str, list[tuple[Entry, str]]] = defaultdict(list)
        for form, named in self._named.items():
            grouped[form[part]] += named
        return dict(grouped)

    def search(self, party: Searched, threshold: int = THRESHOLD) -> tuple[Found, ...]:
        """Return each entry that the party may be, once, the surest first."""
        best: dict[str, Found] = {}
        for found in (*self._by_number(party), *self._by_name(party.name, threshold)):
            known = best.get(found.entry.id)
            if known is None or _rank(found) < _rank(known):
                best[found.entry.id] = found
        return tuple(sorted(best.values(), key=_rank))

    def _by_number(self, party: Searched) -> Iterator[Found]:
        for mine in party.numbers:
            for entry, theirs in self._numbers.get(mine.number, ()):
                if _is_same(mine, theirs):
                    yield Found(entry, entry.names[0], "Identifier", 100)
                elif len(mine.number) >= SHORT_NUMBER:
                    yield Found(entry, entry.names[0], "Number", 100)

    def _by_name(self, name: str, threshold: int) -> Iterator[Found]:
        form = form_of(name)
        if not form.letters:
            return
        least = 100 if len(form.letters) < SHORT_NAME else threshold
        for mine, every, named in (
            (form.words, self._words, self._by_words),
            (form.letters, self._letters, self._by_letters),
        ):
            for theirs, score, _ in process.extract_iter(mine, every, scorer=fuzz.ratio, score_cutoff=least):
                yield from (Found(entry, alias, "Name", int(score)) for entry, alias in named[theirs])


def _is_same(mine: Number, theirs: Number) -> bool:
    """Whether the number is of one register: long enough to be nobody else's, or called alike."""
    if len(mine.number) >= LONG_NUMBER:
        return True
    ours, listed = form_of(mine.scheme).letters, form_of(theirs.scheme).letters
    return bool(ours and listed) and (ours in listed or listed in ours)


def _rank(found: Found) -> tuple[int, int, str]:
    return (("Identifier", "Number", "Name").index(found.by), -found.score, found.entry.id)
