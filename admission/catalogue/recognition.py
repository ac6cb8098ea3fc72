"""Which chip a node's labels, or a driver's product name, stand for.

A partition or a share of a chip has the class of the whole chip: the export rules know no slices.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PRODUCT_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name")
"""Labels whose value is a driver's product name (GPU feature discovery, the ROCm node labeller)."""

INSTANCE_LABEL = "node.kubernetes.io/instance-type"
OLD_INSTANCE_LABEL = "beta.kubernetes.io/instance-type"

CHIP_LABELS = (
    "gpu.nvidia.com/class",
    "gpu.nvidia.com/model",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
    "amd.com/gpu.device-id",
    "gpu.intel.com/product",
)
"""Labels of clouds and drivers whose value names a chip: one that means nothing names a chip that is not known."""

SPECIFIC_LABELS = (*CHIP_LABELS, INSTANCE_LABEL)
"""Labels that tell the versions of a chip apart."""

GENERIC_LABELS = (
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-accelerator-name",
    "karpenter.azure.com/sku-gpu-name",
)
"""Labels that name a family only (a100 for 40 and 80 GB): asked when the specific ones say nothing."""

_LONGEST = 256
_DROPPED = re.compile(r"[^a-z0-9._ -]")
_VENDOR = re.compile(r"^(?:(?:nvidia|amd|intel|tesla|grid)-)+")
_MAKERS = ("nvidia-", "amd-", "intel-", "tesla-", "nvidia-tesla-", "grid-", "nvidia-grid-")
# A virtual GPU is named after its chip, the memory in GB and a letter for the licence: GRID A100-20C, NVIDIA L40S-48Q.
_VIRTUAL = re.compile(r"-\d+(?:-\d+)?[abcq](?:me)?$")


def product_key(product: str) -> str:
    """Return the form of a driver's product name under which chips are looked up.

    GPU feature discovery drops characters that a label cannot hold, writes spaces as dashes and appends
    ``-MIG-<profile>`` and ``-SHARED``; ROCm writes underscores; old drivers leave the vendor out.
    """
    plain = _DROPPED.sub("", product[:_LONGEST].lower().replace("_", "-"))
    name = "-".join(plain.split())
    name = name.removesuffix("-shared").partition("-mig-")[0]
    return re.sub(r"-{2,}", "-", _VENDOR.sub("", name))


def chip_of_virtual(key: str) -> str:
    """Return a product key without the profile of a virtual GPU."""
    return _VIRTUAL.sub("", key)


def is_begun(key: str, beginning: str) -> bool:
    """Whether some spelling of a product key begins so, or goes on where it ends (a slice, a share)."""
    plain = "-".join(_DROPPED.sub("", beginning.lower().replace("_", "-")).split())
    spelled = [f"{maker}{key}" for maker in ("", *_MAKERS)]
    return any(each.startswith(plain) or plain.startswith(f"{each}-") for each in spelled)


class LabelTable:
    """Label values by key; a value that ends in ``*`` matches any ending, and the longest such value wins."""

    def __init__(self, labels: Iterable[tuple[str, str, str]]) -> None:
        self._exact: dict[tuple[str, str], str] = {}
        self._prefixes: dict[str, list[tuple[str, str]]] = {}
        for key, value, name in labels:
            if value.endswith("*"):
                self._prefixes.setdefault(key, []).append((value[:-1], name))
            else:
                self._exact[key, value] = name
        for prefixes in self._prefixes.values():
            prefixes.sort(key=lambda pair: len(pair[0]), reverse=True)
        self.keys = frozenset({key for key, _ in self._exact} | set(self._prefixes))

    def find(self, key: str, value: str) -> str | None:
        """Return the chip that this value of this label stands for."""
        exact = self._exact.get((key, value))
        if exact is not None:
            return exact
        return next((name for prefix, name in self._prefixes.get(key, ()) if value.startswith(prefix)), None)

    def begun(self, key: str, beginning: str) -> frozenset[str]:
        """Return every chip that a value of this label which begins so can stand for."""
        exact = {name for (label, value), name in self._exact.items() if label == key and value.startswith(beginning)}
        prefixes = self._prefixes.get(key, ())
        return frozenset(
            exact | {name for each, name in prefixes if each.startswith(beginning) or beginning.startswith(each)}
        )

    def find_all(self, keys: Iterable[str], labels: Mapping[str, str]) -> set[str]:
        """Return every chip that one of these labels stands for."""
        present = ((key, labels[key]) for key in keys if key in labels)
        return {name for key, value in present if (name := self.find(key, value)) is not None}
