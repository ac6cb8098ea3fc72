"""A list made ready for search: numbers looked up, names compared with all that are on it.

Every name is compared with every other that has as many letters as one that is alike can have: a shortcut by first
letters or by shared words would lose what differs there.  What was found by the list before is not searched for again,
but among the entries that are new or differ.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from rapidfuzz import fuzz

from admission.screening.bylength import ByLength
from admission.screening.entry import NOT_PARTIES, Entry
from admission.screening.likeness import (
    CONTAINED,
    FEWEST_WORDS,
    LONE_WORD,
    LONG_NAME,
    LONG_NUMBER,
    SHORT_NAME,
    SHORT_NUMBER,
    THRESHOLD,
    TOLD_APART,
)
from admission.screening.names import Form, form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from admission.screening.entry import Number
    from admission.screening.parties import Searched


_Named = tuple[Entry, str]


class Found(NamedTuple):
    """One entry that a party may be."""

    entry: Entry
    name: str
    by: Literal["Identifier", "Number", "Name"]
    score: int


class Index:
    """The entries of one list by number and by name; ``before`` is the one that it takes the place of."""

    def __init__(self, entries: Iterable[Entry], before: Index | None = None) -> None:
        self._entries: dict[str, Entry] = {}
        self._found: dict[tuple[Searched, int], tuple[Found, ...]] = {}
        self._numbers: defaultdict[str, list[tuple[Entry, Number]]] = defaultdict(list)
        named: defaultdict[Form, list[_Named]] = defaultdict(list)
        for entry in entries:
            if entry.type not in NOT_PARTIES:
                self._entries[entry.id] = entry
                for number in entry.numbers:
                    self._numbers[_read(number.number)].append((entry, number))
                for name in entry.names:
                    named[form_of(name)].append((entry, name))
        named.pop(form_of(""), None)
        self._words = _grouped(named, lambda form: form.words)
        self._letters = _grouped(named, lambda form: form.letters)
        self._consonants = _grouped(named, lambda form: form.consonants)
        self._abjad = _grouped(named, lambda form: form.consonants if form.is_abjad else "")
        self._compared = tuple(
            (each, ByLength(each)) for each in (self._words, self._letters, self._consonants, self._abjad)
        )
        self._distinctive = _grouped(named, lambda form: form.distinctive)
        self._core = _grouped(named, lambda form: form.core if len(form.core) >= LONE_WORD else "")
        self._cores, self._sorted_cores = ByLength(self._core), sorted(self._core)
        self._several = ByLength(each for each in self._distinctive if " " in each)
        self._with_word = _by_word(self._words)
        self._with_distinctive = _by_word(self._distinctive)
        self._known: Mapping[tuple[Searched, int], tuple[Found, ...]] = {}
        self._differing: Index | None = None
        if before is not None:
            self._follow(before)

    def _follow(self, before: Index) -> None:
        """Take over what was found by another list; the entries that it has otherwise, or has not, are apart."""
        self._known = before._found
        self._differing = Index(each for each in self._entries.values() if before._entries.get(each.id) != each)

    def __contains__(self, entry: str) -> bool:
        """Whether the list has an entry of this id that somebody can be."""
        return entry in self._entries

    def search(self, party: Searched, threshold: int = THRESHOLD) -> tuple[Found, ...]:
        """Return each entry that the party may be, once, the surest first."""
        asked = party, threshold
        if asked not in self._found:
            best: dict[str, Found] = {}
            for found in self._search(party, threshold):
                known = best.get(found.entry.id)
                if known is None or _rank(found) < _rank(known):
                    best[found.entry.id] = found
            self._found[asked] = tuple(sorted(best.values(), key=_rank))
        return self._found[asked]

    def _search(self, party: Searched, threshold: int) -> Iterator[Found]:
        known = self._known.get((party, threshold))
        if known is None or self._differing is None:
            yield from self._by_number(party)
            yield from self._by_name(party.name, threshold)
        else:
            yield from (found for found in known if self._entries.get(found.entry.id) == found.entry)
            yield from self._differing.search(party, threshold)

    def _by_number(self, party: Searched) -> Iterator[Found]:
        for mine in party.numbers:
            for entry, theirs in self._numbers.get(_read(mine.number), ()):
                if _is_same(mine, theirs):
                    yield Found(entry, entry.names[0], "Identifier", 100)
                elif len(mine.number) >= SHORT_NUMBER:
                    yield Found(entry, entry.names[0], "Number", 100)

    def _by_name(self, name: str, threshold: int) -> Iterator[Found]:
        form = form_of(name)
        if not form.letters:
            return
        words, letters, consonants, abjad = self._compared
        for mine, (every, by_length) in (
            (form.words, words),
            (form.letters, letters),
            (form.consonants, consonants if form.is_abjad else abjad),
        ):
            for theirs, score in by_length.alike(mine, 100 if len(mine) < SHORT_NAME else threshold):
                alike = (named for named in every[theirs] if not _told_apart(form, form_of(named[1])))
                yield from (Found(entry, alias, "Name", score) for entry, alias in alike)
        for theirs, score in _containing(form.words, self._with_word):
            if score >= CONTAINED:
                yield from (Found(entry, alias, "Name", score) for entry, alias in self._words[theirs])
        for theirs, score in self._by_distinctive(form.distinctive, threshold):
            yield from (Found(entry, alias, "Name", score) for entry, alias in self._distinctive[theirs])
        yield from self._joined(form, threshold)

    def _joined(self, form: Form, threshold: int) -> Iterator[Found]:
        """Entries of which one name writes as one word what the other parts."""
        for theirs, score in self._by_core(form.core, threshold):
            for entry, alias in self._core[theirs]:
                if _joins(form, form_of(alias)):
                    yield Found(entry, alias, "Name", score)

    def _by_core(self, mine: str, threshold: int) -> Iterator[tuple[str, int]]:
        """Names whose distinctive words are this one's when all stand as one word, or begin with it."""
        cores = self._core.keys()
        if len(mine) < LONG_NAME:
            yield from [(mine, 100)] if mine in cores else ()
            return
        yield from self._cores.alike(mine, threshold)
        shorter = (mine[:length] for length in range(LONG_NAME, len(mine)) if mine[:length] in cores)
        first = bisect.bisect_left(self._sorted_cores, mine)
        longer = itertools.takewhile(
            lambda theirs: theirs.startswith(mine), itertools.islice(self._sorted_cores, first, None)
        )
        for theirs in (*shorter, *longer):
            share = 100 * min(len(mine), len(theirs)) // max(len(mine), len(theirs))
            if share >= CONTAINED:
                yield theirs, share

    def _by_distinctive(self, mine: str, threshold: int) -> Iterator[tuple[str, int]]:
        """Names whose distinctive words are this one's: the same, alike where there are several, or all among them."""
        if len(mine) >= LONE_WORD and mine in self._distinctive:
            yield mine, 100
        if " " in mine:
            yield from self._several.alike(mine, threshold)
            yield from _containing(mine, self._with_distinctive)


def _told_apart(one: Form, other: Form) -> bool:
    """Whether distinctive words are another company's: in a long name the other words alone make it alike."""
    if one.is_abjad or other.is_abjad or not (one.core and other.core):
        return False
    return fuzz.ratio(one.core, other.core) < TOLD_APART


def _joins(one: Form, other: Form) -> bool:
    """Whether one of two names may write as one word what the other parts: they have not as many words."""
    return one.distinctive.count(" ") != other.distinctive.count(" ")


def _read(number: str) -> str:
    """A number as it may have been read off paper: no register tells O from 0 and I from 1 by these alone."""
    return number.replace("O", "0").replace("I", "1")


def _grouped(named: Mapping[Form, list[_Named]], part: Callable[[Form], str]) -> dict[str, list[_Named]]:
    grouped: defaultdict[str, list[_Named]] = defaultdict(list)
    for form, entries in named.items():
        if part(form):
            grouped[part(form)] += entries
    return dict(grouped)


def _by_word(names: Iterable[str]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for words in names:
        for word in set(words.split()):
            found[word].append(words)
    return found


def _containing(mine: str, by_word: Mapping[str, list[str]]) -> Iterator[tuple[str, int]]:
    """Names all of whose words are in this one, or that have all of its words, with how much they share."""
    words = set(mine.split())
    shared = Counter(itertools.chain.from_iterable(by_word.get(word, ()) for word in words))
    for theirs, count in shared.items():
        if count >= FEWEST_WORDS and count in {len(words), len(set(theirs.split()))}:
            yield theirs, 100 * min(len(mine), len(theirs)) // max(len(mine), len(theirs))


def _is_same(mine: Number, theirs: Number) -> bool:
    """Whether the number is of one register: long enough to be nobody else's, or called alike."""
    if len(mine.number) >= LONG_NUMBER:
        return True
    ours, listed = form_of(mine.scheme).letters, form_of(theirs.scheme).letters
    return bool(ours and listed) and (ours in listed or listed in ours)


def _rank(found: Found) -> tuple[int, int, str, str]:
    return (("Identifier", "Number", "Name").index(found.by), -found.score, found.entry.id, found.name)
