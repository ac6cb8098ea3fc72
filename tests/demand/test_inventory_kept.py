"""An inventory after a node came or went looks at that node alone, and is what it would have been without that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from admission.api.accelerator import AcceleratorPool
from admission.catalogue.catalogue import Catalogue
from admission.decide.registry import Registry
from admission.demand.inventory import Node
from tests.e2e.objects import PRODUCTS, pool

if TYPE_CHECKING:
    from collections.abc import Callable

GPU = frozenset({"nvidia.com/gpu"})
CATALOGUE = Catalogue.builtin()


def _node(name: str, chip: str) -> Node:
    return Node(name, {"pool.example.com/name": "rack", "nvidia.com/gpu.product": PRODUCTS[chip]}, resources=GPU)


def _pool(chip: str) -> AcceleratorPool:
    return AcceleratorPool.model_validate(pool("rack", chip))


@pytest.mark.parametrize(
    ("change", "looked_at"),
    [
        (lambda registry: registry.put_node(_node("new", "t4")), False),
        (lambda registry: registry.put_node(_node("other", "t4")), False),
        (lambda registry: registry.drop_node("other"), False),
        (lambda registry: registry.put(_pool("a100-80gb")), True),
    ],
    ids=["a node comes", "a node changes", "a node goes", "a pool changes"],
)
def test_a_node_that_is_the_same_is_not_looked_at_again(change: Callable[[Registry], None], looked_at: bool) -> None:
    registry = Registry(CATALOGUE)
    registry.put(_pool("h100-sxm"))
    for name in ("same", "other"):
        registry.put_node(_node(name, "h100-sxm"))
    before = registry.inventory.nodes["same"]
    change(registry)
    after = registry.inventory
    assert (after.nodes["same"] is not before) == looked_at
    afresh = Registry(CATALOGUE)
    for each in registry.every(AcceleratorPool):
        afresh.put(each)
    for node in registry.nodes.values():
        afresh.put_node(node)
    assert (after.targets, after.nodes) == (afresh.inventory.targets, afresh.inventory.nodes)
