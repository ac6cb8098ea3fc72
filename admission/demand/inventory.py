"""What devices there are and where: nodes that exist, and pools that may be scaled to zero.

A ``Target`` is a place where a pod can land.  It offers devices by what its device plugins announce, by what its
drivers publish (dynamic resource allocation), and by what the operator declares.  A node's labels are complete, so a
selector on an absent label excludes it; a pool declares only some labels, so a selector on another one leaves it
possible.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from admission.catalogue.resources import role
from admission.demand.partition import counted_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.catalogue.catalogue import Catalogue
    from admission.demand.device import Condition, Device
    from admission.demand.partition import Slices
    from admission.demand.presence import Seen

_PASSING = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "startup-taint.cluster-autoscaler.kubernetes.io/",
    "status-taint.cluster-autoscaler.kubernetes.io/",
)
_STARTING = ("-not-ready", "/not-ready", "/unregistered", "uninitialized", "startup")
"""Endings of the taints that network, storage and provisioning put on a node until they have started there."""


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
        elif target.awaited is not None and may_be_of(target.awaited, resource, self.makers):
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


def may_be_of(vendor: str, resource: str, makers: frozenset[str]) -> bool:
    """Whether devices of the vendor can have this resource name; schedulers and clouds rename those of any vendor."""
    named = role(resource).vendor.lower()
    return not vendor or named == vendor or named not in makers
