"""A name in the form in which names are compared: Latin, without legal form, spelt as loosely as romanisations are.

Legal forms, and words that tell no company from another, stand in tables of ours.  Libraries for the former find less
on the same names (docs/screening.md has the figures); cleanco was last released in May 2024, and rigour needs pyicu,
which comes as C++ source alone.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import unicodedata
from typing import NamedTuple

from anyascii import anyascii

LONGEST = 256
"""Characters of a name that are compared."""

_APOSTROPHES = re.compile(r"['’ʼ`´ʹ]")
_OTHER = re.compile(r"[^a-z0-9]+")
_TWICE = re.compile(r"(.)\1+")
_LETTERS_APART = re.compile(r"\b(?:[a-z] )+[a-z]\b")
_SMALL_WORDS = frozenset({"the", "and", "of", "for", "und", "et", "de", "der", "i", "y", "v", "e"})
_SPELT = (
    ("shch", "s"),
    ("sch", "s"),
    ("tch", "c"),
    ("kh", "h"),
    ("zh", "j"),
    ("sh", "s"),
    ("ch", "c"),
    ("ts", "c"),
    ("tz", "c"),
    ("ph", "f"),
    ("th", "t"),
    ("dh", "d"),
    ("gh", "g"),
    ("ck", "k"),
    ("qu", "k"),
    ("ks", "x"),
    ("ou", "u"),
    ("oo", "u"),
    ("ee", "i"),
    ("yu", "u"),
    ("iu", "u"),
    ("ya", "a"),
    ("ia", "a"),
    ("ye", "e"),
    ("ie", "e"),
    ("yo", "e"),
    ("ij", "i"),
    ("iy", "i"),
    ("y", "i"),
    ("q", "k"),
    ("w", "v"),
)
"""Spellings of one sound in usual romanisations, longest first."""


_SHORT = {
    "univ": "university",
    "inst": "institute",
    "tech": "technology",
    "technologies": "technology",
    "intl": "international",
    "mfg": "manufacturing",
    "sci": "science",
    "acad": "academy",
}
"""Usual abbreviations, and what they stand for."""

_ABJAD = re.compile(r"[\u0590-\u08ff\ufb1d-\ufefc]")
"""Scripts that write hardly any vowels: Hebrew, Arabic and those of its family."""

_VOWELS = re.compile(r"[aeiou]")


class Form(NamedTuple):
    """A name to compare: its words in alphabetical order, and all letters in the order in which they stand."""

    words: str
    letters: str
    distinctive: str = ""
    """The words without places and words of the trade (``generic_words.tsv``); empty where it has no others."""
    core: str = ""
    """The letters of these words, in the order in which they stand."""
    is_abjad: bool = False
    """Whether it was written without vowels."""

    @property
    def consonants(self) -> str:
        """The letters without vowels: what a name in an abjad can be compared by."""
        return _VOWELS.sub("", self.letters)


class _Dropped(NamedTuple):
    unspaced: re.Pattern[str]
    """What is dropped of scripts that leave no space before it."""
    words: re.Pattern[str]
    """The others, in Latin letters and loose spelling."""


@functools.lru_cache(maxsize=4096)
def form_of(name: str) -> Form:
    """Return the form of a name; empty where nothing of it can be compared."""
    plain = unicodedata.normalize("NFKC", name[:LONGEST]).casefold()
    bare = _without_forms(plain) or _spelt_words(plain).split()
    kept = [word for word in bare if word not in _SMALL_WORDS] or bare
    distinctive = _generic().words.sub(" ", " ".join(_without_forms(_generic().unspaced.sub(" ", plain)))).split()
    telling = [word for word in distinctive if word not in _SMALL_WORDS]
    return Form(
        words=" ".join(sorted(kept)),
        letters="".join(kept),
        distinctive=" ".join(sorted(telling)),
        core="".join(telling),
        is_abjad=bool(_ABJAD.search(plain)),
    )


def _without_forms(plain: str) -> list[str]:
    """The words of a name without its legal forms; with them where it has no others."""
    every = _spelt_words(_legal_forms().unspaced.sub(" ", plain))
    return _legal_forms().words.sub(" ", every).split() or every.split()


def _spelt_words(plain: str) -> str:
    latin = _OTHER.sub(" ", _APOSTROPHES.sub("", anyascii(plain)).casefold()).strip()
    joined = _LETTERS_APART.sub(lambda found: found[0].replace(" ", ""), latin)
    return " ".join(_spelt(_SHORT.get(word, word)) for word in joined.split())


def _spelt(word: str) -> str:
    for spelling, sound in _SPELT:
        word = word.replace(spelling, sound)
    return _TWICE.sub(r"\1", word)


@functools.cache
def _legal_forms() -> _Dropped:
    return _table("legal_forms.tsv")


@functools.cache
def _generic() -> _Dropped:
    return _table("generic_words.tsv")


def _table(name: str) -> _Dropped:
    text = importlib.resources.files("admission.tenants").joinpath(name).read_text(encoding="utf-8")
    every = [line.partition("\t")[0] for line in text.splitlines() if line and not line.startswith("#")]
    plain = [unicodedata.normalize("NFKC", each).casefold() for each in every]
    unspaced = [each for each in plain if min(each) >= "\u3000"]
    words = {_spelt_words(each) for each in plain if each not in unspaced}
    return _Dropped(_any_of(unspaced, ""), _any_of(words, r"\b"))


def _any_of(texts: list[str] | set[str], edge: str) -> re.Pattern[str]:
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile(f"{edge}(?:{'|'.join(map(re.escape, longest_first))}){edge}")
