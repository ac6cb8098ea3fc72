"""The catalogue: chips by class name, by resource name and by node label.

The class of a device is a fact of the node it is in, never of the pod that asks for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.catalogue import tables
from admission.catalogue.control import Entry, assumed_entry, control_entry
from admission.catalogue.lines import Sides, lines, sides
from admission.catalogue.recognition import (
    CHIP_LABELS,
    GENERIC_LABELS,
    INSTANCE_LABEL,
    OLD_INSTANCE_LABEL,
    PRODUCT_LABELS,
    SPECIFIC_LABELS,
    LabelTable,
    chip_of_virtual,
    is_begun,
    product_key,
)
from admission.catalogue.slices import profile_in, shares, slice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from admission.catalogue.chip import Chip


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Chips, and how their devices are recognised; the operator's entries stand before the built-in ones."""

    chips: Mapping[str, Chip]
    _resources: Mapping[str, str]
    _products: Mapping[str, str]
    _labels: LabelTable
    _operator_labels: tuple[tuple[str, str, str], ...]
    _operator_table: LabelTable
    _highest_tpp: int

    @classmethod
    def builtin(cls) -> Catalogue:
        """Return the catalogue that comes with the program."""
        return _builtin()

    def adding(
        self, chips: Iterable[Chip], resources: Mapping[str, str], labels: Iterable[tuple[str, str, str]]
    ) -> Catalogue:
        """Return this catalogue with the operator's chips, resource names and node labels.

        A chip replaces the one of its name.  ``resources`` maps a resource name to a class; ``labels`` are triples of
        label, value (a trailing ``*`` matches any ending) and class, and are asked before the built-in ones.
        """
        added = {chip.name: chip for chip in chips}
        operator_labels = (*self._operator_labels, *labels)
        return Catalogue(
            chips={**self.chips, **added},
            _resources={**self._resources, **resources},
            _products={**self._products, **_products(added.values())},
            _labels=self._labels,
            _operator_labels=operator_labels,
            _operator_table=LabelTable(operator_labels),
            _highest_tpp=max([self._highest_tpp, *_tpps(added.values())]),
        )

    def chip(self, name: str) -> Chip | None:
        """Return the chip of this class name."""
        return self.chips.get(name)

    def entry(self, name: str, at: datetime) -> Entry:
        """Return the control entry of the class at ``at``; ``UNKNOWN`` for a name that is not in the catalogue.

        A class is controlled unless its entry is ``NONE``.
        """
        chip = self.chips.get(name)
        return Entry.UNKNOWN if chip is None else control_entry(chip, at)

    def assumed(self, name: str, at: datetime) -> Entry:
        """Return the entry that restrictions take the class for: its own, or the strictest it can have."""
        chip = self.chips.get(name)
        return Entry.A1 if chip is None else assumed_entry(chip, at)

    def sides(self, name: str, at: datetime) -> Sides:
        """Return on which sides of the lines of bandwidth the class is at ``at``."""
        return sides(self.chips.get(name), at)

    def tpp(self, name: str) -> int:
        """Return the class's total processing performance for quotas, rounded.

        The highest of the whole catalogue where it is not known: an unknown chip never costs less than a known one.
        """
        chip = self.chips.get(name)
        tpp = None if chip is None else chip.tpp
        return self._highest_tpp if tpp is None else round(tpp)

    def by_resource(self, resource: str) -> str | None:
        """Return the class, if every device under this resource name is that chip, whatever the node."""
        return self._resources.get(resource)

    def by_product(self, product: str) -> str | None:
        """Return the class of a driver's product name, as in a label or a DRA attribute (``NVIDIA H100 80GB HBM3``)."""
        key = product_key(product)
        return self._products.get(key) or self._products.get(chip_of_virtual(key))

    def by_slice(self, product: str) -> str:
        """Return how a slice with this product name is counted; "" where it is none, or its part is not known."""
        profile = profile_in(product)
        name = self.by_product(product) if profile else None
        found = slice_of(name, profile) if name else ""
        return "" if found == name else found

    def by_node_labels(self, labels: Mapping[str, str]) -> str | None:
        """Return the class of a node's devices; ``None`` if no label is known, or one names a chip that is not known.

        The operator's labels come first, then labels that tell versions of a chip apart, then those that name a
        family.  Where labels of one rank disagree, the chip with the highest throughput is taken; whatever else is
        known, a chip that nobody can name is none of these.
        """
        if OLD_INSTANCE_LABEL in labels and INSTANCE_LABEL not in labels:
            labels = {**labels, INSTANCE_LABEL: labels[OLD_INSTANCE_LABEL]}
        found = self._operator_table.find_all(self._operator_table.keys, labels)
        if not found and self._names_unknown(labels):
            return None
        found = found or self._by_products(labels) | self._labels.find_all(SPECIFIC_LABELS, labels)
        found = found or self._labels.find_all(GENERIC_LABELS, labels)
        return max(found, key=lambda name: (self.tpp(name), name), default=None)

    def _by_products(self, labels: Mapping[str, str]) -> set[str]:
        present = (labels[label] for label in PRODUCT_LABELS if label in labels)
        return {name for product in present if (name := self.by_product(product)) is not None}

    def _names_unknown(self, labels: Mapping[str, str]) -> bool:
        """Whether a label that names a chip names one that is not known.

        Other labels than a driver's own may be of another spelling: they are asked where that one is not there.
        """
        products = [labels[label] for label in PRODUCT_LABELS if label in labels]
        if products:
            return any(self.by_product(product) is None for product in products)
        named = [label for label in CHIP_LABELS if label in labels]
        return bool(named) and not self._labels.find_all(named, labels)

    def named_by(self, label: str, value: str) -> frozenset[str]:
        """Return the chips that a label's value stands for in the tables; one that ends in ``*`` is a beginning."""
        if not value.endswith("*"):
            name = self.by_node_labels({label: value})
            return frozenset({name} if name else ())
        if label in PRODUCT_LABELS:
            keys = (key for key in self._products if is_begun(key, value[:-1]))
            return frozenset(self._products[key] for key in keys)
        return self._labels.begun(INSTANCE_LABEL if label == OLD_INSTANCE_LABEL else label, value[:-1])


def _products(chips: Iterable[Chip]) -> dict[str, str]:
    return {product_key(alias): chip.name for chip in chips for alias in chip.aliases}


def _tpps(chips: Iterable[Chip]) -> list[int]:
    return [round(chip.tpp) for chip in chips if chip.tpp is not None]


@functools.cache
def _builtin() -> Catalogue:
    for table in (shares, lines):
        table()  # read with the rest, and not by the first request
    chips = {chip.name: chip for chip in tables.chips()}
    return Catalogue(
        chips=chips,
        _resources=tables.document("resources.toml")["chips"],
        _products=_products(chips.values()),
        _labels=LabelTable((row["label"], row["value"], row["class"]) for row in tables.rows("labels.tsv")),
        _operator_labels=(),
        _operator_table=LabelTable(()),
        _highest_tpp=max(_tpps(chips.values())),
    )
