"""The demand of a pod: how many devices, of which classes, where; and what it reaches without asking.

The neutral form that ``decide`` judges: no Kubernetes word in it but the names of resources and fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.catalogue.resources import ResourceRole, role
from admission.demand.access import Access, find_access
from admission.demand.carrier import Carrier, carrier_of
from admission.demand.claims import PodClaim, Wanted, claimed_access, claimed_devices, digest_of, wanted_of
from admission.demand.devices import MOST_DEVICES, Devices
from admission.demand.fraction import FRACTION, FRACTION_RESOURCE, fraction_devices
from admission.demand.reach import reach
from admission.demand.request import DemandError, effective_request, implied_devices
from admission.review.pod import PodSpec, Toleration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.demand.inventory import Inventory
    from admission.demand.request import Requests
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

ANYWHERE = PodSpec(tolerations=(Toleration(operator="Exists"),))
"""A claim by itself says nothing of nodes: a pod that uses it may choose them, and tolerate their taints."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything a pod can obtain, and for how long at most (seconds; None is unbounded)."""

    devices: tuple[Devices, ...] = ()
    access: tuple[Access, ...] = ()
    deadline_seconds: int | None = None
    requests: tuple[tuple[str, int], ...] = ()
    """The effective request as the scheduler has it, for messages: resource name and count."""

    made: tuple[tuple[str, str], ...] = ()
    """The claims that are made for the pod: their name in the pod, and the digest of what they ask for."""
    subject: str = "pod"
    """What asks, in a word."""
    carrier: Carrier | None = None
    """What the pod runs as, by which an exemption covers the access; a claim by itself runs as nothing."""
    missing: tuple[str, ...] = ()
    """Claims and templates that are not there, so that nobody can tell what they give."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing here to decide."""
        return not self.devices and not self.access and not self.missing

    def requested(self) -> Demand:
        """Return what is asked for by resources and annotations, without ways around it and without claims."""
        return Demand(tuple(each for each in self.devices if not each.claim), deadline_seconds=self.deadline_seconds)


def demand_of(pod: Pod, inventory: Inventory, claims: Mapping[str, PodClaim] | None = None) -> Demand:
    """Return what the pod can obtain from the inventory.

    ``claims`` are those that the pod refers to, by their name in the pod; one that is not among them is missing.
    Raises ``DemandError`` where the pod, or a claim, cannot be read.
    """
    requests = effective_request(pod.spec)
    found = tuple(_found(pod.spec, claims or {})) if pod.spec.resource_claims else ()
    devices = (*requested_devices(pod, inventory, requests), *_of_claims(found, pod.spec, inventory))
    _check_counts(devices)
    return Demand(
        devices=devices,
        access=(
            *_every_device(requests),
            *find_access(pod, granted=bool(devices), fractions_counted=True),
            *(access for claim, wanted in found for access in claimed_access(wanted, f"claim {claim.name}")),
        ),
        deadline_seconds=pod.spec.active_deadline_seconds,
        requests=tuple(requests.items()),
        carrier=carrier_of(pod),
        made=tuple((claim.name, digest_of(wanted)) for claim, wanted in found if claim.spec and not claim.shared),
        missing=tuple(claim.missing for claim, _ in found if claim.spec is None),
    )


def demand_of_claim(claim: ResourceClaim, inventory: Inventory) -> Demand:
    """Return what a claim by itself can obtain; raises ``DemandError`` where it cannot be read.

    It ends with the pods that use it, whose own ends are judged: no deadline of its own is asked for.
    """
    wanted = wanted_of(claim.spec)
    devices = tuple(claimed_devices(wanted, ANYWHERE, inventory))
    _check_counts(devices)
    access = tuple(claimed_access(wanted, "spec"))
    return Demand(devices=devices, access=access, deadline_seconds=0, subject="claim")


def requested_devices(pod: Pod, inventory: Inventory, requests: Requests) -> tuple[Devices, ...]:
    """Return the devices that a pod asks for itself, by resources and annotations; raises ``DemandError``."""
    return (*_of_resources(requests, pod.spec, inventory), *_of_annotations(pod, requests, inventory))


def _check_counts(devices: Iterable[Devices]) -> None:
    for each in devices:
        if each.count > MOST_DEVICES:
            raise DemandError(f"it asks for {each.count} of {each.resource}, and at most {MOST_DEVICES} can be counted")


def _every_device(requests: Requests) -> Iterator[Access]:
    for name in requests:
        if role(name).kind is ResourceRole.ALL:
            yield Access("allDevices", f"the resource {name}, which opens every device of the node")


def _found(spec: PodSpec, claims: Mapping[str, PodClaim]) -> Iterator[tuple[PodClaim, tuple[Wanted, ...]]]:
    for reference in spec.resource_claims or ():
        claim = claims.get(reference.name) or PodClaim(reference.name, None, missing=f"claim {reference.name}")
        yield claim, wanted_of(claim.spec, f"claim {claim.name}: spec") if claim.spec else ()


def _of_claims(
    found: Iterable[tuple[PodClaim, tuple[Wanted, ...]]], spec: PodSpec, inventory: Inventory
) -> Iterator[Devices]:
    for claim, wanted in found:
        yield from claimed_devices(wanted, spec, inventory, claim=claim.name, charged=not claim.shared)


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


def _devices(resource: str, units: int, spec: PodSpec, inventory: Inventory) -> Devices:
    """So many units of a resource, as devices of every class that they can be for this pod."""
    found = reach(resource, spec, inventory)
    count = max(role(resource).devices(units, name) for name in found.classes)
    return Devices(resource, count, *found)
