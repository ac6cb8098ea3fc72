"""Whether a tenant or party can be what it is declared to be: what is a company by its name or formation is no person.

By their kind nobody stands above an Individual, and nobody holds shares of it or of a Government; so it is with parties
that are a natural person or a state.  That is much to take from one word, so it is not taken from who has a legal form,
or, as a person, was formed somewhere.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import re
import unicodedata
from typing import TYPE_CHECKING, Literal, NamedTuple

from admission.api.identity import TenantKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.api.identity import Party, TenantSpec

_ANYWHERE = 4
"""Letters of a legal form that is in nobody's name, wherever it stands."""
_AT_AN_END = 3
"""Letters of a legal form that is no usual first or last part of a person's name; a shorter one ends it in capitals."""
_UNSPACED = "\u3000"
"""From here on scripts leave no space before a legal form."""
_WORDS = re.compile(r"\w+")
_BRACKETED = re.compile(r"\s*\([^()]*\)\s*$")
_MARKS = re.compile(r"[.'’]")
_THAI = ("\u0e00", "\u0e7f")
"""The block of another script that leaves none."""
_WRITTEN_OUT = {
    "(株)": "株式会社",
    "(有)": "有限会社",
    "(주)": "주식회사",
    "(유)": "유한회사",
    "A/S": "aktieselskab",
    "e.V.": "eingetragener Verein",
    "e. V.": "eingetragener Verein",
}
"""Forms in brackets, to which one sign (㈱) is resolved, and those that would be initials if written otherwise."""
_NAMES_TOO = frozenset({"sas", "pao", "too", "tov", "ead", "doo"})
"""Forms that are names of persons as well: at an end they count in capitals."""
_ENDED = frozenset({"il", "ig", "in liquidation", "in liq", "in administration"})
"""What stands behind the form of a company that is being founded or wound up."""


class _Forms(NamedTuple):
    spaced: frozenset[str]
    unspaced: tuple[str, ...]
    longest: int
    """Words of the longest form."""


class _Words(NamedTuple):
    behind: frozenset[str]
    """Places, and words for a branch: what may stand behind a legal form."""
    of_trades: tuple[str, ...]
    """Words of organisations in scripts without spaces, which no person's name contains."""


def kind_belied(spec: TenantSpec) -> str:
    """Return the field that belies that a tenant is a person or a government, and what to do; "" for none."""
    if spec.kind is TenantKind.Individual and spec.incorporation is not None:
        return "spec.incorporation: an Individual is formed nowhere; declare the kind of the company, or leave it out"
    if spec.kind not in {TenantKind.Individual, TenantKind.Government}:
        return ""
    found = _company_word(spec.legal_name, is_person=spec.kind is TenantKind.Individual)
    said = f"spec.legalName: {found}, and the kind is {spec.kind}; declare the kind of the company"
    return said if found else ""


def types_belied(spec: TenantSpec) -> Iterator[str]:
    """Yield each party that its name or formation belies to be a person or a state, and what to do."""
    for party in spec.parties:
        if believed_type(party) != party.type:
            why = _company_word(party.name, is_person=party.type == "NaturalPerson") or "a person is formed nowhere"
            yield f"spec.parties[{party.id}]: {why}, and the type is {party.type}; declare an Entity"


def believed_type(party: Party) -> Literal["Entity", "NaturalPerson", "State"]:
    """Return what a party is taken for: an Entity where it is a company by its name, or a person who was formed."""
    is_person = party.type == "NaturalPerson"
    if party.type == "Entity" or (is_person and party.incorporation is not None):
        return "Entity"
    return "Entity" if _company_word(party.name, is_person=is_person) else party.type


def _company_word(name: str, *, is_person: bool) -> str:
    form = legal_form(name)
    if form:
        return f"{form} is a legal form"
    trade = next((word for word in _words().of_trades if word in name), "") if is_person else ""
    return f"{trade} is in the name of no person" if trade else ""


@functools.lru_cache(maxsize=4096)
def legal_form(name: str) -> str:
    """Return the legal form of a name; "" for none.

    Long ones count anywhere, those of three letters where it begins or ends, shorter ones, and those that are names of
    persons too, in capitals at its end.  It ends before brackets, places, and words for a branch.
    """
    written = unicodedata.normalize("NFKC", name)
    for short, long in _WRITTEN_OUT.items():
        written = written.replace(short, long)
    words, before_bracket = (_WORDS.findall(_MARKS.sub("", each)) for each in (written, _BRACKETED.sub("", written)))
    in_scripts = (form for form in _forms().unspaced if form in written.casefold())
    ends = itertools.chain(_without_places(words), _without_places(before_bracket))
    at_end = itertools.chain.from_iterable(map(_at_end, ends))
    return next(itertools.chain(in_scripts, at_end, _at_start(words), _within(words)), "")


def _at_end(words: list[str]) -> Iterator[str]:
    for count in range(min(len(words) - 1, _forms().longest), 0, -1):
        form = " ".join(words[-count:]).casefold()
        if form in _forms().spaced and (_tells_at_an_end(form) or words[-1].isupper()):
            yield form


def _at_start(words: list[str]) -> Iterator[str]:
    for count in range(min(len(words) - 1, _forms().longest), 0, -1):
        form = " ".join(words[:count]).casefold()
        is_sign = words[0].isupper() and (form in _NAMES_TOO or not form.isascii())  # initials are Latin letters
        if form in _forms().spaced and (_tells_at_an_end(form) or is_sign):
            yield form


def _tells_at_an_end(form: str) -> bool:
    return len(form) >= _AT_AN_END and form not in _NAMES_TOO


def _within(words: list[str]) -> Iterator[str]:
    for first in range(len(words)):
        for count in range(1, _forms().longest + 1):
            form = " ".join(words[first : first + count]).casefold()
            if form in _forms().spaced and len(form) >= _ANYWHERE and form != " ".join(words).casefold():
                yield form


def _without_places(words: list[str]) -> Iterator[list[str]]:
    """The words of a name, and what is left when places and words for a branch are taken off its end one by one."""
    yield words
    while words:
        ends = (count for count in (3, 2, 1) if " ".join(words[-count:]).casefold() in _words().behind)
        count = next(ends, 0)
        if not count:
            return
        words = words[:-count]
        yield words


@functools.cache
def _forms() -> _Forms:
    plain = [form for form, _ in _rows("legal_forms.tsv")]
    unspaced = tuple(form for form in plain if min(form) >= _UNSPACED or _THAI[0] <= min(form) <= _THAI[1])
    spaced = frozenset(plain) - frozenset(unspaced)
    return _Forms(spaced, unspaced, max(form.count(" ") + 1 for form in spaced))


@functools.cache
def _words() -> _Words:
    rows = _rows("generic_words.tsv")
    behind = frozenset(word for word, said in rows if said in {"place", "organisation"}) | _ENDED
    trades = (word for word, said in rows if min(word) >= _UNSPACED and said in {"organisation", "trade", "field"})
    return _Words(behind, tuple(trades))


def _rows(table: str) -> list[tuple[str, str]]:
    text = importlib.resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [(unicodedata.normalize("NFKC", word).casefold(), said) for word, said in rows]
