"""The demand of a pod: how many devices, of which classes, where; and what it reaches without asking.

The neutral form that ``decide`` judges: no Kubernetes word in it but the names of resources and fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.catalogue.resources import ResourceRole, role
from admission.demand.access import Access, find_access
from admission.demand.carrier import Carrier, carrier_of
from admission.demand.fraction import FRACTION, FRACTION_RESOURCE, fraction_devices
from admission.demand.reach import UNKNOWN_CLASS, reach
from admission.demand.request import DemandError, effective_request, implied_devices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.demand.inventory import Inventory
    from admission.demand.request import Requests
    from admission.review.pod import Pod, PodSpec


@dataclass(frozen=True, slots=True)
class Devices:
    """So many devices, each of one of ``classes`` (sorted), in one of ``places`` (countries; "" is unknown)."""

    resource: str
    count: int
    classes: tuple[str, ...]
    places: tuple[str, ...]
    targets: tuple[str, ...] = ()
    narrowing: tuple[tuple[str, str], ...] = ()
    """For each class a ``label=value`` that would narrow the pod to it, where a node shows one."""

    @property
    def class_key(self) -> str:
        """The classes as one key of the ledger: alternatives joined by ``|``."""
        return "|".join(self.classes)


MOST_DEVICES = 2**31 - 1
"""In one pod.  Far above what exists, and low enough that neither a ledger's sums nor a status's outgrow 64 bits."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything a pod can obtain, and for how long at most (seconds; None is unbounded)."""

    devices: tuple[Devices, ...] = ()
    access: tuple[Access, ...] = ()
    deadline_seconds: int | None = None
    carrier: Carrier = field(default_factory=Carrier)
    """What the pod runs as: by it an exemption covers the access."""
    requests: tuple[tuple[str, int], ...] = ()
    """The effective request as the scheduler has it, for messages: resource name and count."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing here to decide."""
        return not self.devices and not self.access


def demand_of(pod: Pod, inventory: Inventory) -> Demand:
    """Return what the pod can obtain from the inventory.

    Raises ``DemandError`` where the pod cannot be read.  Dynamic resource claims are devices of unknown
    class: which ones they stand for is not in the pod.
    """
    requests = effective_request(pod.spec)
    devices = [
        *_of_resources(requests, pod.spec, inventory),
        *_of_annotations(pod, requests, inventory),
        *_of_claims(pod.spec),
    ]
    for each in devices:
        if each.count > MOST_DEVICES:
            raise DemandError(f"it asks for {each.count} of {each.resource}, and at most {MOST_DEVICES} can be counted")
    every_device = tuple(
        Access("allDevices", f"the resource {name}, which opens every device of the node")
        for name in requests
        if role(name).kind is ResourceRole.ALL
    )
    return Demand(
        devices=tuple(devices),
        access=(*every_device, *find_access(pod, granted=bool(devices), fractions_counted=True)),
        deadline_seconds=pod.spec.active_deadline_seconds,
        carrier=carrier_of(pod),
        requests=tuple(requests.items()),
    )


def _of_resources(requests: Requests, spec: PodSpec, inventory: Inventory) -> Iterable[Devices]:
    """Devices by resource: shares of one vendor are of the same devices, and what only qualifies adds none."""
    shared: dict[str, Devices] = {}
    qualifiers: dict[str, str] = {}
    for name, amount in requests.items():
        kind, vendor = role(name).kind, role(name).vendor
        if kind in {ResourceRole.HARMLESS, ResourceRole.ALL, ResourceRole.NATIVE}:
            continue
        if kind is ResourceRole.QUALIFIER:
            qualifiers.setdefault(vendor, name)
        elif kind is ResourceRole.SHARE:
            devices = _devices(name, amount, spec, inventory)
            if vendor not in shared or shared[vendor].count < devices.count:
                shared[vendor] = devices
        else:
            yield _devices(name, amount, spec, inventory)
    yield from shared.values()
    if qualifiers:
        for vendor, count in implied_devices(spec).items():
            yield _devices(qualifiers[vendor], count, spec, inventory)


def _of_annotations(pod: Pod, requests: Requests, inventory: Inventory) -> Iterable[Devices]:
    """Devices of which the pod is given a share without a request: the scheduler holds them by a pod of its own."""
    count = fraction_devices(pod, requests)
    if count:
        yield Devices(FRACTION, count, *reach(FRACTION_RESOURCE, pod.spec, inventory))


def _of_claims(spec: PodSpec) -> Iterable[Devices]:
    for claim in spec.resource_claims or ():
        yield Devices(f"resourceClaims[{claim.name}]", 1, (UNKNOWN_CLASS,), ("",))


def _devices(resource: str, units: int, spec: PodSpec, inventory: Inventory) -> Devices:
    """So many units of a resource, as devices of every class that they can be for this pod."""
    found = reach(resource, spec, inventory)
    count = max(role(resource).devices(units, name) for name in found.classes)
    return Devices(resource, count, *found)
