"""Devices that something can obtain: so many, of these classes, in these places."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DEVICES = 2**31 - 1
"""In one object.  Far above what exists, and low enough that neither a ledger's sums nor a status's outgrow 64 bits."""


class Devices(msgspec.Struct, frozen=True, gc=False):
    """So many devices, each of one of ``classes`` (sorted), in one of ``places`` (countries; "" is unknown)."""

    resource: str
    count: int
    classes: tuple[str, ...]
    places: tuple[str, ...]
    targets: tuple[str, ...] = ()
    narrowing: tuple[tuple[str, str], ...] = ()
    """For each class a ``label=value`` that would narrow the pod to it, where a node shows one."""
    claim: str = ""
    """Name of the pod's claim for them; empty where they are asked for by a resource, or by the object itself."""
    charged: bool = True
    """Whether they are counted on this object; a claim that others share is counted on its own."""

    @property
    def class_key(self) -> str:
        """The classes as one key of the ledger: alternatives joined by ``|``."""
        return "|".join(self.classes)


def counted(devices: Iterable[Devices]) -> tuple[tuple[str, int], ...]:
    """Return devices by class key, each once and sorted."""
    counts: Counter[str] = Counter()
    for each in devices:
        counts[each.class_key] += each.count
    return tuple(sorted(counts.items()))
