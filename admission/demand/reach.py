"""Which classes and places a pod's devices can have: those of every target on which it can land.

Pods of one workload have the same constraints, so what was found is kept for as long as the inventory stays the
same: walking a thousand nodes takes milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from admission.catalogue.slices import class_of
from admission.demand.devices import largest
from admission.demand.inventory import Reach
from admission.demand.scheduling import can_land

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.catalogue.catalogue import Catalogue
    from admission.demand.device import Condition
    from admission.demand.inventory import Inventory, Target
    from admission.review.pod import PodSpec

UNKNOWN_CLASS = "unknown"
"""The class of a device that nobody can name; cleared for no one."""

MOST_NAMED_TARGETS = 16
"""So many reachable nodes and pools are named in the record; the rest are not."""

_MOST_KEYS = _LONGEST_KEY = 4096
"""Constraints that are kept, and bytes of each.  Longer ones are walked each time: a tenant could fill the memory."""

MOST_CONSTRAINTS = 16 << 10
"""Bytes.  Longer ones are not walked at all, as they would keep every other request waiting: they narrow nothing."""

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder(order="deterministic")


def reach(resource: str, spec: PodSpec, inventory: Inventory, conditions: tuple[Condition, ...] = ()) -> Reach:
    """Return what a device of this resource can be for a pod with these constraints.

    ``conditions`` are those of a claim's request, on what drivers publish.
    """
    # Everything of a pod that ``can_land`` reads, and of a claim that narrows its devices.
    key = _ENCODER.encode((resource, spec.node_name, spec.node_selector, spec.affinity, spec.tolerations, conditions))
    found = inventory.reached.get(key)
    if found is None:
        found = _found(resource, spec, inventory, conditions, narrows=len(key) <= MOST_CONSTRAINTS)
        keep(inventory.reached, key, found)
    return found


def keep(kept: dict[bytes, T], key: bytes, found: T) -> None:
    """Keep what was found; the oldest make room, as to know what is used most would cost more than the look-up."""
    if len(key) > _LONGEST_KEY:
        return
    if len(kept) >= _MOST_KEYS:
        del kept[next(iter(kept))]
    kept[key] = found


def _found(
    resource: str, spec: PodSpec, inventory: Inventory, conditions: tuple[Condition, ...], *, narrows: bool
) -> Reach:
    offered = tuple(_offered(resource, spec, inventory, conditions, narrows=narrows))
    targets = tuple(target for target, _ in offered)
    pinned = inventory.catalogue.by_resource(resource)
    counted = {name or pinned or UNKNOWN_CLASS for _, names in offered for name in names}
    if pinned or all(target.seen and resource not in target.resources for target in targets):
        # Not in place of what the nodes say: any device can be given any name.  That a node which is gone had not
        # announced its devices yet names nothing; it only adds to what else the name can stand for.
        counted.add(pinned or UNKNOWN_CLASS)
    classes, slices = set(map(class_of, counted)), largest(counted)
    return Reach(
        classes=tuple(sorted(classes)),
        places=tuple(sorted({target.country for target in targets} or {""})),
        targets=tuple(sorted({target.name for target in targets})[:MOST_NAMED_TARGETS]),
        narrowing=_narrowing(targets, classes, inventory.catalogue) if len(classes) > 1 else (),
        counted_as=slices if not classes.issuperset(slices) else (),
    )


def _offered(
    resource: str, spec: PodSpec, inventory: Inventory, conditions: tuple[Condition, ...], *, narrows: bool
) -> Iterator[tuple[Target, frozenset[str]]]:
    """Yield each target on which the pod can land, with the classes, or slices, of its devices of the resource."""
    if spec.node_name:
        node = inventory.nodes.get(spec.node_name)
        if node:
            # Whoever names the node goes past the scheduler: whatever the node has may be meant.
            yield node, inventory.offers(node, resource, conditions) or node.classes or frozenset({""})
        return
    for target in inventory.targets:
        names = inventory.offers(target, resource, conditions)
        if names is not None and (not narrows or can_land(spec, target, inventory.catalogue)):
            yield target, names


def _narrowing(targets: tuple[Target, ...], classes: set[str], catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """For each class, a label of a reachable target that by itself names the class."""
    found: dict[str, str] = {}
    for target in targets:
        for key, value in sorted(target.labels.items()):
            name = catalogue.by_node_labels({key: value})
            if name in classes and target.classes == {name}:
                found.setdefault(name, f"{key}={value}")
    return tuple(sorted(found.items()))
