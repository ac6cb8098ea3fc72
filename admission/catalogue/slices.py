"""Slices of a chip: which of them a driver's product name says, and how much of the chip one can compute with.

The class stays that of the whole chip, as the export rules know no slices; only amounts of TPP can be weighed.  A slice
is written after its class, ``h100-sxm/1g.10gb``, wherever devices are counted by class.
"""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from admission.catalogue import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

SEPARATOR = "/"
"""Between a class and its slice; no class has it in its name."""

_LONGEST = 256
_PROFILE = re.compile(r"(\d+g\.\d+gb)(?:[.+-](?:me|me\.all|gfx))?", re.ASCII)
_IN_PRODUCT = re.compile(r"-mig-(.+?)(?:-shared)?$")


def profile_of(name: str) -> str:
    """Return the size of a MIG profile, such as ``1g.10gb`` of ``1g.10gb+me``; "" for what is none.

    A compute instance that shares its memory with others (``1c.3g.40gb``) is none.
    """
    found = _PROFILE.fullmatch(name[:_LONGEST].lower())
    return found[1] if found else ""


def profile_in(product: str) -> str:
    """Return the size of the profile in a product name, such as ``NVIDIA-H100-80GB-HBM3-MIG-1g.10gb``; "" without one.

    GPU feature discovery writes it there, and ``-SHARED`` behind where the slice is shared out in time.
    """
    found = _IN_PRODUCT.search(product[:_LONGEST].lower())
    return profile_of(found[1]) if found else ""


def slice_of(class_name: str, profile: str) -> str:
    """Return how a slice of a class is counted; as the class itself where its share is not known."""
    return f"{class_name}{SEPARATOR}{profile}" if profile in shares().get(class_name, {}) else class_name


def class_of(counted: str) -> str:
    """Return the class of what is counted: a class, or a slice of one."""
    return counted.partition(SEPARATOR)[0]


def with_slices(weights: Mapping[str, int], *, weighed: bool = False) -> Mapping[str, int]:
    """Return what a device of each class weighs, and what each slice of it does: as much, or its part, rounded up."""
    found = dict(weights)
    for name in shares().keys() & weights.keys():
        for profile, share in shares()[name].items():
            found[f"{name}{SEPARATOR}{profile}"] = math.ceil(weights[name] * share) if weighed else weights[name]
    return found


@functools.cache
def shares() -> Mapping[str, Mapping[str, Fraction]]:
    """Return the share of the chip that each known slice has at most, by class and profile.

    The larger of both fractions, as neither alone bounds what a slice can do: of the 132 multiprocessors of an H100
    a 1g.20gb has 26 and a 3g.40gb 60, more than one and three sevenths of them (``nvidia-smi mig -lgip``).
    """
    found: dict[str, dict[str, Fraction]] = {}
    for row in tables.rows("slices.tsv"):
        for name in row["classes"].split("; "):
            share = max(Fraction(row["memory"]), Fraction(row["multiprocessors"]))
            found.setdefault(name, {})[row["profile"]] = share
    return found
