"""Counts of pods and devices that an object may leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from admission.review.quantity import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

Count = int | str
"""So many; or one of the words below, where the object does not say."""

UNKNOWN: Final = "?"
"""A placeholder of a template, or a number that another object decides."""

PER_NODE: Final = "per-node"
"""One on each node that matches."""


class CountError(ValueError):
    """The value is no count; the message says what was found."""


def count_of(value: Any) -> Count:
    """Return a field's value as a count; ``UNKNOWN`` for text that is no number, as templates leave it.

    Raises ``CountError``.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.isdigit():
            return min(int(text[:20]), LARGEST)
        if text.removeprefix("-").isdigit():
            raise CountError(f"{value[:40]!r} is no count of pods")
        return UNKNOWN
    if type(value) is int and value >= 0:
        return min(value, LARGEST)
    raise CountError(f"{str(value)[:40]!r} is no count of pods")


def times(*factors: Count) -> Count:
    """Return the product; what is unknown stays so, except that nothing times anything is nothing."""
    if 0 in factors:
        return 0
    if PER_NODE in factors:
        return PER_NODE
    product = 1
    for factor in factors:
        if isinstance(factor, str):
            return UNKNOWN
        product = min(product * factor, LARGEST)
    return product


def total(counts: Iterable[Count]) -> Count:
    """Return the sum; unknown as soon as one part is."""
    parts = list(counts)
    for word in (UNKNOWN, PER_NODE):
        if word in parts:
            return word if len({part for part in parts if part != 0}) == 1 else UNKNOWN
    return min(sum(part for part in parts if isinstance(part, int)), LARGEST)


def least(counts: Iterable[Count]) -> Count:
    """Return the smallest that is known: an unknown one can only be a bound that is tighter."""
    parts = list(counts)
    known = [part for part in parts if isinstance(part, int)]
    return min(known) if known else UNKNOWN


def most(counts: Iterable[Count]) -> Count:
    """Return the largest; unknown as soon as one part is."""
    parts = list(counts)
    known = [part for part in parts if isinstance(part, int)]
    return max(known) if len(known) == len(parts) else UNKNOWN


def less(count: Count, by: int) -> Count:
    """Return the count without ``by``, at least 0."""
    return max(0, count - by) if isinstance(count, int) else count
