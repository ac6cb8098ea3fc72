"""What a reflector tells of one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Added(Generic[T]):
    """An object that was not held before."""

    key: str
    item: T


@dataclass(frozen=True, slots=True)
class Modified(Generic[T]):
    """A newer version of a held object."""

    key: str
    item: T
    old: T


@dataclass(frozen=True, slots=True)
class Deleted(Generic[T]):
    """An object that is gone; ``old`` is None where it could not be decoded before either.

    ``version`` is the resourceVersion at which it was gone: that of the deletion, or of the list that lacks it.
    """

    key: str
    old: T | None
    version: int


@dataclass(frozen=True, slots=True)
class Malformed(Generic[T]):
    """An object that exists and cannot be decoded.  It is no longer held; a version that can be will be Added."""

    key: str
    error: str
    old: T | None


Event: TypeAlias = Added[T] | Modified[T] | Deleted[T] | Malformed[T]
