"""Devices that something can obtain: so many, of these classes, in these places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.catalogue.slices import class_of

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
    counted_as: tuple[str, ...] = ()
    """What they are counted as, where that is not ``classes``: slices of these (``catalogue.slices``); or more classes,
    as a claim outlives the pod that it was made for, and another pod may use it elsewhere."""
    claim: str = ""
    """Name of the pod's claim for them; empty where they are asked for by a resource, or by the object itself."""
    charged: bool = True
    """Whether they are counted on this object; a claim that others share is counted on its own."""

    @property
    def class_key(self) -> str:
        """The classes, or slices of them, as one key of the ledger: alternatives joined by ``|``."""
        return "|".join(self.counted_as or self.classes)

    @property
    def every_class(self) -> frozenset[str]:
        """The classes that they can be, here or wherever else they are counted for."""
        return frozenset({*self.classes, *map(class_of, self.counted_as)})

    @property
    def has_slices(self) -> bool:
        """Whether any of them is counted as a slice of a chip."""
        return any(class_of(each) != each for each in self.counted_as)

    def whole(self) -> Devices:
        """Return the same devices, each counted as a whole chip."""
        whole = tuple(sorted(set(map(class_of, self.counted_as))))
        return msgspec.structs.replace(self, counted_as=() if whole == self.classes else whole)


def largest(counted: Iterable[str]) -> tuple[str, ...]:
    """Return what devices are counted as, sorted, without the slices of classes that may be whole chips as well."""
    found = set(counted)
    return tuple(sorted(each for each in found if class_of(each) == each or class_of(each) not in found))


def classes_in(key: str) -> tuple[str, ...]:
    """Return the classes of a key of the ledger, each once, without their slices."""
    return tuple(dict.fromkeys(map(class_of, key.split("|"))))


def counted(devices: Iterable[Devices]) -> tuple[tuple[str, int], ...]:
    """Return devices by class key, each once and sorted."""
    return added([(each.class_key, each.count) for each in devices])


def added(*parts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Return counts by class key, added up, each once and sorted."""
    total: dict[str, int] = {}
    for part in parts:
        for key, count in part:
            total[key] = total.get(key, 0) + count
    return tuple(sorted(total.items()))
