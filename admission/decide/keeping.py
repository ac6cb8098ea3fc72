"""Answers that are kept as long as what they rest on, and no more of them than were meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


def keep(kept: dict[K, T], key: K, found: T, most: int) -> T:
    """Keep an answer, and return it; past so many the oldest goes."""
    if len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = found
    return found
