"""The letter to a tenant before it is enforced: what would be denied, how often, and what to change."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from admission.review import letters
from admission.review.fitting import printable
from admission.review.reasons import PublicCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.cli.cases import Case

MOST_TOLD = 20
"""Cases of one letter, those with the most requests; JSON has all."""

_WIDTH = 78


class Basis(NamedTuple):
    """What a letter rests on: the first and the last line of the records, and when pods were judged; "" for none."""

    first: str
    last: str
    judged: str


def letter(tenant: str, cases: list[Case], contact: str, basis: Basis) -> Iterator[str]:
    """Yield the lines of the letter about what would be denied to a tenant."""
    first, last = min(case.first for case in cases), max(case.last for case in cases)
    yield f"Subject: {letters.subject(tenant)}"
    yield ""
    requests = sum(case.requests for case in cases)
    yield textwrap.fill(letters.opening(tenant, requests, _shown(first), _shown(last)), _WIDTH)
    yield ""
    yield textwrap.fill(letters.basis(*(at and _shown(at) for at in basis)), _WIDTH)
    ordered = sorted(cases, key=lambda case: -case.requests)
    for number, case in enumerate(ordered[:MOST_TOLD], start=1):
        yield ""
        yield from _told(number, case)
    if len(ordered) > MOST_TOLD:
        yield f"\n{letters.more(len(ordered) - MOST_TOLD)}"
    yield ""
    yield textwrap.fill(letters.closing(contact), _WIDTH)


def _told(number: int, case: Case) -> Iterator[str]:
    what = letters.case(
        case.namespace,
        case.requests,
        case.devices,
        such_as=case.such_as,
        first=_shown(case.first),
        last=_shown(case.last),
    )
    yield textwrap.fill(f"{number}. {printable(what)}", _WIDTH, subsequent_indent="   ")
    advice = (letters.advice(code) for code in PublicCode if str(code) in case.codes)
    for line in (printable(case.line), *advice):
        yield textwrap.fill(line, _WIDTH, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False)
    if case.reference:
        yield f"   reference {case.reference}"


def _shown(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"
