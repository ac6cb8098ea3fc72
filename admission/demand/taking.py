"""Takes the inventory: what each node and pool offers, and what was seen of nodes that are away."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, ResourceRole, role
from admission.demand.device import Condition, Device, conditions_of_all, devices_of, expressions
from admission.demand.inventory import Inventory, Node, Taint, Target, may_be_of
from admission.demand.partition import of_labels, of_pool
from admission.demand.presence import seen_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.api.accelerator import AcceleratorPool
    from admission.api.presence import AcceleratorPresence
    from admission.catalogue.catalogue import Catalogue
    from admission.demand.presence import Seen
    from admission.review.claim import DeviceClass, ResourceSlice

_NO_DEVICES = frozenset({ResourceRole.NATIVE, ResourceRole.HARMLESS})


def take_inventory(
    nodes: Iterable[Node],
    pools: Iterable[AcceleratorPool],
    catalogue: Catalogue,
    default_country: str = "",
    *,
    device_classes: Iterable[DeviceClass] = (),
    slices: Iterable[ResourceSlice] = (),
    presences: Iterable[AcceleratorPresence] = (),
    known: dict[str, tuple[Node, Target]] | None = None,
) -> Inventory:
    """Return the inventory of the nodes and pools.

    A node that belongs to a pool has the pool's class and place; where its own labels say another class, it
    has both, so that neither a wrong label nor a wrong pool hides a chip.  A published device that several nodes
    can have is taken to be at each of them.  Nodes that were seen of a class are there as they were.  ``known`` is
    what was found of nodes while nothing but nodes has changed, and is kept current: the same is not looked at again.
    """
    declared, classes = tuple(pools), tuple(device_classes)
    makers = frozenset(chip.vendor.lower() for chip in catalogue.chips.values() if chip.vendor)
    published = [device for each in slices for device in devices_of(each, catalogue)]
    local: defaultdict[str, list[Device]] = defaultdict(list)
    for device in published:
        local[device.node].append(device)

    def target(node: Node) -> Target:
        found = _of_node(node, declared, catalogue, makers, default_country)
        return _with_devices(found, (*local.get(node.name, ()), *local.get("", ())))

    before = {} if known is None else dict(known)
    looked = {node.name: (node, _known(before, node) or target(node)) for node in nodes}
    if known is not None:
        known.clear()
        known.update(looked)
    at_hand = {name: each for name, (_, each) in looked.items()}
    found = (
        *(each for each in at_hand.values() if each.resources or each.devices or each.awaited is not None),
        *(_of_pool(p, catalogue, default_country) for p in declared),
        *_remembered_of(presences, declared, catalogue, frozenset(at_hand), default_country),
    )
    return Inventory(
        found,
        at_hand,
        catalogue,
        makers,
        backing=_backing(classes),
        names={each.metadata.name: frozenset(_names(each)) for each in classes},
        published={(device.driver, device.pool, device.name): device for device in published},
    )


def _known(before: Mapping[str, tuple[Node, Target]], node: Node) -> Target | None:
    same, target = before.get(node.name, (None, None))
    return target if same is node else None


def _backing(device_classes: Iterable[DeviceClass]) -> dict[str, tuple[tuple[Condition, ...], ...]]:
    """Every name by which a device class can be asked for; of classes that share one, each may be meant."""
    found: defaultdict[str, list[tuple[Condition, ...]]] = defaultdict(list)
    for each in device_classes:
        for name in _names(each):
            found[name].append(conditions_of_all(expressions(each.spec.selectors)))
    return {resource: tuple(each) for resource, each in found.items()}


def _names(device_class: DeviceClass) -> Iterator[str]:
    """The resource names that stand for a device class: the implicit one, and one that the class may give itself."""
    yield DEVICE_CLASS_PREFIX + device_class.metadata.name
    if device_class.spec.extended_resource_name:
        yield device_class.spec.extended_resource_name


def _of_node(
    node: Node, pools: tuple[AcceleratorPool, ...], catalogue: Catalogue, makers: frozenset[str], default_country: str
) -> Target:
    mine = [pool for pool in pools if pool.spec.node_labels.items() <= node.labels.items()]
    own = catalogue.by_node_labels(node.labels)
    countries = {pool.spec.place.country for pool in mine if pool.spec.place}
    return Target(
        name=node.name,
        is_node=True,
        labels=node.labels,
        taints=node.taints,
        resources=frozenset(name for name in node.resources if role(name).kind not in _NO_DEVICES),
        classes=frozenset({pool.spec.accelerator_class for pool in mine} | ({own} if own else set())),
        country=countries.pop() if len(countries) == 1 else "" if countries else default_country,
        awaited=_awaited(own, node, catalogue, makers) if own else None,
        slices=of_labels(node.labels, node.resources, catalogue),
    )


def _with_devices(target: Target, devices: tuple[Device, ...]) -> Target:
    """Return the target with what drivers publish for it; a chip that is among these is awaited no more."""
    arrived = any(device.accelerator_class in {*target.classes, ""} for device in devices)
    return replace(target, devices=devices, awaited=None if arrived else target.awaited) if devices else target


def _awaited(name: str, node: Node, catalogue: Catalogue, makers: frozenset[str]) -> str | None:
    """The vendor of the chip that the node's labels name, unless a resource that can be the chip's is there."""
    chip = catalogue.chip(name)
    vendor = chip.vendor.lower() if chip else ""
    for resource in node.resources:
        kind = role(resource).kind
        listed = kind not in _NO_DEVICES and kind is not ResourceRole.UNKNOWN
        if catalogue.by_resource(resource) == name or (listed and may_be_of(vendor, resource, makers)):
            return None
    return vendor


def _of_pool(pool: AcceleratorPool, catalogue: Catalogue, default_country: str) -> Target:
    spec = pool.spec
    return Target(
        name=pool.name,
        is_node=False,
        labels=spec.node_labels,
        taints=tuple(Taint(taint.key, taint.value, taint.effect) for taint in spec.taints),
        resources=frozenset(spec.resources),
        classes=frozenset({spec.accelerator_class}),
        country=spec.place.country if spec.place else default_country,
        slices=of_pool(spec, catalogue),
    )


def _remembered_of(
    presences: Iterable[AcceleratorPresence],
    pools: tuple[AcceleratorPool, ...],
    catalogue: Catalogue,
    live: frozenset[str],
    default_country: str,
) -> Iterator[Target]:
    """What was seen of each class that the catalogue still has: whoever takes a class out of it is done with it."""
    for presence in presences:
        if presence.name in catalogue.chips:
            yield from _remembered(presence, pools, live, default_country)


def _remembered(
    presence: AcceleratorPresence, pools: tuple[AcceleratorPool, ...], live: frozenset[str], default_country: str
) -> Iterator[Target]:
    """What was seen of a class, in each place that the pools say of such nodes."""
    for nodes in presence.spec.nodes:
        seen = seen_of(nodes, live)
        mine = [pool for pool in pools if _may_have(seen, pool.spec.node_labels)]
        countries = {pool.spec.place.country for pool in mine if pool.spec.place} or {"" if mine else default_country}
        slices = {each.resource: frozenset(each.counted_as) for each in nodes.slices}
        for country in sorted(countries):
            yield Target(
                name=f"seen/{presence.name}",
                is_node=False,
                labels={
                    label.key: label.values[0] for label in nodes.labels if len(label.values) == 1 and not label.absent
                },
                taints=tuple(Taint(taint.key, taint.value, taint.effect) for taint in nodes.taints),
                resources=frozenset(nodes.resources),
                classes=frozenset({presence.name}),
                country=country,
                awaited=nodes.awaited,
                seen=seen,
                slices=slices,
            )


def _may_have(seen: Seen, labels: Mapping[str, str]) -> bool:
    """Whether some of the remembered nodes may have had all these labels."""
    values = ((seen.values(key), value) for key, value in labels.items())
    return all(known is None or value in known for known, value in values)
