"""What devices there are and where: nodes that exist, and pools that may be scaled to zero.

A ``Target`` is a place where a pod can land.  It offers devices by what its device plugins announce, by what its
drivers publish (dynamic resource allocation), and by what the operator declares.  A node's labels are complete, so a
selector on an absent label excludes it; a pool declares only some labels, so a selector on another one leaves it
possible.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, ResourceRole, role
from admission.demand.device import Condition, Device, conditions_of_all, devices_of, expressions
from admission.demand.partition import counted_as, of_labels, of_pool
from admission.demand.presence import seen_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.api.accelerator import AcceleratorPool
    from admission.api.presence import AcceleratorPresence
    from admission.catalogue.catalogue import Catalogue
    from admission.demand.partition import Slices
    from admission.demand.presence import Seen
    from admission.review.claim import DeviceClass, ResourceSlice

_PASSING = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "startup-taint.cluster-autoscaler.kubernetes.io/",
    "status-taint.cluster-autoscaler.kubernetes.io/",
)
_STARTING = ("-not-ready", "/not-ready", "/unregistered", "uninitialized", "startup")
"""Endings of the taints that network, storage and provisioning put on a node until they have started there."""


_NO_DEVICES = frozenset({ResourceRole.NATIVE, ResourceRole.HARMLESS})


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that keeps pods away unless they tolerate it."""

    key: str
    value: str
    effect: str

    @property
    def is_transient(self) -> bool:
        """Whether it comes and goes with a node's health or start: it may be gone before the pod is bound."""
        return self.key.startswith(_PASSING) or self.key.endswith(_STARTING)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the cluster has it: names of its extended resources, not their amounts."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    resources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """A node or a pool on which a pod can land.

    ``classes`` empty means that the class of its devices is not known; ``country`` empty, that its place is not.
    """

    name: str
    is_node: bool
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    resources: frozenset[str]
    classes: frozenset[str]
    country: str
    awaited: str | None = None
    """Vendor of the chip that the labels name while the node offers no device of it yet; "" is any vendor."""
    devices: tuple[Device, ...] = ()
    """What drivers publish for the node."""
    seen: Seen | None = None
    """Set for nodes that are remembered: what their labels were; ``labels`` has those that all of them shared."""
    slices: Slices = field(default_factory=dict)
    """By resource name, what its devices are counted as where they are slices of a chip."""


class Reach(NamedTuple):
    """Classes and places (sorted; "" is an unknown place), and the nodes and pools that have them."""

    classes: tuple[str, ...]
    places: tuple[str, ...]
    targets: tuple[str, ...]
    narrowing: tuple[tuple[str, str], ...]
    """For each of several classes, a ``label=value`` that would narrow the pod to it, where a target shows one."""
    counted_as: tuple[str, ...] = ()
    """What the devices are counted as, where some are slices of these classes."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every target with devices, the nodes by name, and the catalogue that named the classes."""

    targets: tuple[Target, ...]
    nodes: Mapping[str, Target]
    catalogue: Catalogue
    makers: frozenset[str]
    """Vendors of the catalogue's chips, in lower case."""
    backing: Mapping[str, tuple[tuple[Condition, ...], ...]] = field(default_factory=dict)
    """By resource name, the conditions of each device class that stands behind it."""
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By device class, every resource name that stands for it."""
    published: Mapping[tuple[str, str, str], Device] = field(default_factory=dict)
    """Every device of every driver, by driver, pool and name."""
    reached: dict[bytes, Reach] = field(default_factory=dict, compare=False, repr=False)
    """What ``reach`` found, by constraints."""
    asked: dict[bytes, Any] = field(default_factory=dict, compare=False, repr=False)
    """What pods ask for, by their resources and constraints: the part of ``demand_of`` that they have in common."""

    def apart(self) -> Inventory:
        """Return the same inventory that remembers nothing yet: the memories are filled by one thread alone."""
        return replace(self, reached={}, asked={})

    def offers(self, target: Target, resource: str, conditions: tuple[Condition, ...] = ()) -> frozenset[str] | None:
        """Return the classes of the target's devices of this resource ("" where one is not known); None if it has none.

        Its device plugin may still have to announce them.  ``conditions`` narrow what drivers publish.  What a plugin
        announces as slices of a class is returned as these (``catalogue.slices``).
        """
        classes: set[str] = set()
        if resource in target.resources:
            classes |= counted_as(target.classes, target.slices.get(resource, frozenset())) or {""}
        elif target.awaited is not None and _may_be_of(target.awaited, resource, self.makers):
            classes |= target.classes or {""}
        for device in self._matching(target.devices, resource, conditions):
            classes |= {device.accelerator_class} if device.accelerator_class else target.classes or {""}
        return frozenset(classes) or None

    def most_published(self, resource: str, conditions: tuple[Condition, ...]) -> int:
        """Return the most devices of this resource that are published for one node; 0 where nobody can tell.

        A pool may bring nodes with more than those that exist.
        """
        if any(resource in each.resources for each in self.targets if not each.is_node and each.seen is None):
            return 0
        return max((len(self._matching(each.devices, resource, conditions)) for each in self.targets), default=0)

    def _matching(self, devices: tuple[Device, ...], resource: str, conditions: tuple[Condition, ...]) -> list[Device]:
        backing = self.backing.get(resource, ())
        return [one for one in devices if any(one.meets((*each, *conditions)) for each in backing)] if backing else []


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
        if catalogue.by_resource(resource) == name or (listed and _may_be_of(vendor, resource, makers)):
            return None
    return vendor


def _may_be_of(vendor: str, resource: str, makers: frozenset[str]) -> bool:
    """Whether devices of the vendor can have this resource name; schedulers and clouds rename those of any vendor."""
    named = role(resource).vendor.lower()
    return not vendor or named == vendor or named not in makers


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
