"""Which resources of a target are slices of a chip, by what its node says of each; what is not said is a whole chip.

GPU feature discovery writes, for each resource name that the device plugin announces, a label ``NAME.product``: the
product, and the profile of its slices (``nvidia.com/mig-1g.10gb.product``; with the strategy ``single``
``nvidia.com/gpu.product``).  A name alone tells nothing: an administrator can give any to any device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from admission.catalogue.slices import class_of, profile_of, slice_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.accelerator import AcceleratorPoolSpec
    from admission.catalogue.catalogue import Catalogue

Slices = Mapping[str, frozenset[str]]
"""By resource name, what its devices can be: slices of classes, and classes where some are whole chips."""

_NAMED = "nvidia.com/mig-"
"""Beginning of the resource names that the device plugin gives to slices of one profile (strategy ``mixed``)."""

_SHARED = ".shared"
"""Ending of the name where devices are shared out in time: each of those who share can use all of the slice."""


def counted_as(classes: Iterable[str], slices: Iterable[str]) -> set[str]:
    """Return what devices of the classes are counted as: as whole chips where no slice of their class is known."""
    known = list(slices)
    return {each for name in classes for each in [each for each in known if class_of(each) == name] or [name]}


def of_labels(labels: Mapping[str, str], resources: Iterable[str], catalogue: Catalogue) -> Slices:
    """Return the slices that these labels of a node tell of."""
    told = ((name, catalogue.by_slice(labels.get(_label(name), ""))) for name in resources)
    return {name: frozenset({found}) for name, found in told if found}


def of_pool(spec: AcceleratorPoolSpec, catalogue: Catalogue) -> Slices:
    """Return the slices that an operator declares of a pool: by product labels of its nodes, or a slice's name."""
    named = {
        name: slice_of(spec.accelerator_class, profile_of(name.removeprefix(_NAMED).removesuffix(_SHARED)))
        for name in spec.resources
        if name.startswith(_NAMED)
    }
    declared = {name: frozenset({found}) for name, found in named.items()}
    return {**declared, **of_labels(spec.node_labels, spec.resources, catalogue)}


def _label(resource: str) -> str:
    return f"{resource.removesuffix(_SHARED)}.product"
