"""Pods, nodes and pools in one line each."""

from __future__ import annotations

from typing import Any

import msgspec

from admission.api.accelerator import AcceleratorPool
from admission.catalogue.catalogue import Catalogue
from admission.demand.inventory import Inventory, Node, Taint
from admission.demand.taking import take_inventory
from admission.review.pod import Pod

GPU = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product"
H100, A100, T4 = "NVIDIA-H100-80GB-HBM3", "NVIDIA-A100-SXM4-80GB", "Tesla-T4"
CLASSES = {H100: "h100-sxm", A100: "a100-80gb", T4: "t4"}


def pod(*containers: Any, **spec: Any) -> Pod:
    """Return a pod of these containers; a number stands for a container that asks for so many GPUs."""
    return msgspec.convert(
        {
            "metadata": spec.pop("metadata", {}),
            "spec": {"containers": [container(each) for each in containers], **spec},
        },
        Pod,
    )


def container(what: Any, **fields: Any) -> dict[str, Any]:
    """Return a container: a number of GPUs, its limits, or itself."""
    if isinstance(what, int):
        what = {GPU: what}
    if any("/" in key or key in {"cpu", "memory"} for key in what):
        what = {"resources": {"limits": what}}
    return {"name": "main", **what, **fields}


def sidecar(what: Any) -> dict[str, Any]:
    return container(what, restartPolicy="Always")


def node(name: str, product: str = "", *taints: str, resources: tuple[str, ...] = (GPU,), **labels: str) -> Node:
    """Return a node; ``labels`` write ``_`` for ``-``, and taints are ``key`` or ``key=value:effect``."""
    named = {key.replace("_", "-"): value for key, value in labels.items()}
    return Node(
        name=name,
        labels={"kubernetes.io/hostname": name, **named, **({PRODUCT: product} if product else {})},
        taints=tuple(map(_taint, taints)),
        resources=frozenset({"cpu", *resources}),
    )


def _taint(text: str) -> Taint:
    pair, _, effect = text.partition(":")
    key, _, value = pair.partition("=")
    return Taint(key, value, effect or "NoSchedule")


def pool(name: str, chip: str, country: str = "", **spec: Any) -> AcceleratorPool:
    return AcceleratorPool.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "nodeLabels": {"pool": name},
                "acceleratorClass": chip,
                "resources": [GPU],
                **({"place": {"country": country}} if country else {}),
                **spec,
            },
        }
    )


def inventory(*parts: Node | AcceleratorPool, default_country: str = "") -> Inventory:
    nodes = [part for part in parts if isinstance(part, Node)]
    pools = [part for part in parts if isinstance(part, AcceleratorPool)]
    return take_inventory(nodes, pools, Catalogue.builtin(), default_country)
