"""What is searched for: the tenant and each of its parties, by name and by registered identifiers."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from admission.api.identity import TENANT_ITSELF
from admission.screening.entry import Number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.identity import Identifier, TenantSpec


_LATIN = re.compile(r"[A-Z]")
_LOOK_ALIKE = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "ABEKMHOPCTYXABEZHIKMNOPTYX",
)
"""Capitals of Cyrillic and Greek that are written like Latin ones."""


class Searched(NamedTuple):
    """One party of a tenant."""

    party: str
    """Party id, or ``tenant``."""
    name: str
    numbers: tuple[Number, ...]


def parties_of(spec: TenantSpec) -> tuple[Searched, ...]:
    """Return the tenant itself and everyone above it."""
    itself = Searched(TENANT_ITSELF, spec.legal_name, _numbers(spec.identifiers))
    return (itself, *(Searched(each.id, each.name, _numbers(each.identifiers)) for each in spec.parties))


def plain_number(text: str) -> str:
    """Return the letters and digits of an identifier, in upper case; digits of any width and script are the same.

    So are letters of another script that look like Latin ones, in a word that has Latin letters too.
    """
    folded = unicodedata.normalize("NFKC", text).upper()
    words = (_latin(word) if _LATIN.search(word) else word for word in folded.split())
    plain = (str(unicodedata.decimal(char, char)) for word in words for char in word)
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def _latin(word: str) -> str:
    return word.translate(_LOOK_ALIKE)


def _numbers(identifiers: Iterable[Identifier]) -> tuple[Number, ...]:
    return tuple(Number(each.scheme, number) for each in identifiers if (number := plain_number(each.id)))
