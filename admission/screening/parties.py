"""What is searched for: the tenant and each of its parties, by name and by registered identifiers."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from admission.api.identity import TENANT_ITSELF
from admission.screening.entry import Number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.identity import Identifier, TenantSpec


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
    """Return the letters and digits of an identifier, in upper case; digits of any width and script are the same."""
    plain = (str(unicodedata.decimal(char, char)) for char in unicodedata.normalize("NFKC", text).upper())
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def _numbers(identifiers: Iterable[Identifier]) -> tuple[Number, ...]:
    return tuple(Number(each.scheme, number) for each in identifiers if (number := plain_number(each.id)))
