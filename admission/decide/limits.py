"""What a request would be charged, and the limits it must fit: the neutral form that any ledger decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Unit = Literal["devices", "tpp"]


@dataclass(frozen=True, slots=True)
class Charge:
    """Devices that one party would hold, by class key.

    A class key is one class name, or alternatives joined by ``|`` in sorted order for a pod that may still
    land on any of them.
    """

    party: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on what some parties hold of some classes at once."""

    key: str
    """The quota or authorization by name, for messages and metrics."""
    unit: Unit
    amount: int
    weights: Mapping[str, int]
    """Class name to weight of one device; a class that is missing weighs nothing."""
    parties: Callable[[str], bool] | None = None
    """Which parties count; None is all of them."""
    own: Callable[[str], bool] | None = None
    """Which parties are the asking tenant itself, for its own figures."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The limits that stand in one ledger."""

    name: str
    limits: tuple[Limit, ...]
