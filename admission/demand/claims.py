"""What claims of dynamic resource allocation obtain: devices of every class that their requests leave open.

A device class is asked for by name, and every device class has an implicit resource name (KEP-5004).  So a request is
read as one for that resource: nodes, pools and the catalogue then answer for it as for any other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, ResourceRole, role
from admission.demand.access import Access
from admission.demand.device import LONGEST_EXPRESSION, MOST_CONDITIONS, conditions_of_all, expressions
from admission.demand.devices import Devices
from admission.demand.reach import UNKNOWN_CLASS, keep, reach
from admission.demand.request import DemandError
from admission.review.pod import PodSpec, Toleration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.demand.device import Condition
    from admission.demand.inventory import Inventory
    from admission.review.claim import AllocatedDevice, ClaimSpec, DeviceRequest, ExactRequest, ResourceClaim

MOST_RESULTS = 32
"""Devices that one claim can be given (resource.k8s.io, AllocationResultsMaxSize)."""

MOST_SELECTIVE = 8
"""Different alternatives whose selectors are looked at."""

ANYWHERE = PodSpec(tolerations=(Toleration(operator="Exists"),))
"""A claim by itself says nothing of nodes: a pod that uses it may choose them, and tolerate their taints."""

EXACT_COUNT, ALL = "ExactCount", "All"

_ENCODER = msgspec.json.Encoder(order="deterministic")


class Alternative(NamedTuple):
    """Devices of one class: so many of them, or (None) all of a node that match."""

    device_class: str
    number: int | None
    selectors: tuple[str, ...]
    admin: bool

    @property
    def resource(self) -> str:
        """The implicit resource name of the class."""
        return DEVICE_CLASS_PREFIX + self.device_class


class Wanted(NamedTuple):
    """One request of a claim: the first of these alternatives that a node can give."""

    name: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class PodClaim:
    """A claim that a pod refers to, as far as it could be found.

    ``shared`` is whether the claim is an object of its own, by its own name or its group's: it is charged as it is
    created, and its consumers are cleared for it and charged nothing.  ``spec`` None: ``missing`` is not there.
    """

    name: str
    spec: ClaimSpec | None
    shared: bool = False
    missing: str = ""


def wanted_of(spec: ClaimSpec, field: str = "spec") -> tuple[Wanted, ...]:
    """Return the requests of a claim; raises ``DemandError`` for shapes and modes that are not known here.

    The API requires that of clients: modes may be added, and whoever does not know one must refuse it.
    """
    if spec.resource_class_name is not None:
        raise DemandError(f"{field}.resourceClassName: this shape is gone since Kubernetes 1.31; use {field}.devices")
    return tuple(_wanted(each, f"{field}.devices.requests[{each.name}]") for each in spec.devices.requests or ())


def _wanted(request: DeviceRequest, field: str) -> Wanted:
    shapes = [request.exactly is not None, bool(request.first_available), bool(request.device_class_name)]
    if shapes.count(True) != 1:
        raise DemandError(f"{field}: write exactly one of exactly and firstAvailable")
    exact: Iterable[ExactRequest] = request.first_available or (request.exactly or request,)
    return Wanted(request.name, tuple(_alternative(each, field) for each in exact))


def _alternative(request: ExactRequest, field: str) -> Alternative:
    mode, count = request.allocation_mode or EXACT_COUNT, request.count if request.count is not None else 1
    if not request.device_class_name:
        raise DemandError(f"{field}.deviceClassName is missing")
    if mode not in {EXACT_COUNT, ALL}:
        raise DemandError(f"{field}.allocationMode: {mode[:40]!r} is not known here; use {EXACT_COUNT} or {ALL}")
    if mode == EXACT_COUNT and count < 1:
        raise DemandError(f"{field}.count: {count} is no number of devices; write 1 or more")
    number = count if mode == EXACT_COUNT else None
    return Alternative(request.device_class_name, number, expressions(request.selectors), bool(request.admin_access))


def digest_of(wanted: tuple[Wanted, ...]) -> str:
    """Return what tells two claims apart that ask for different devices; defaults that are written out do not count.

    80 bits: who looks for another claim with the same digest, to swap a template for it, does not find one.
    """
    return hashlib.sha256(_ENCODER.encode([each.alternatives for each in wanted])).hexdigest()[:20]


def reads_selectors(wanted: Iterable[Wanted]) -> bool:
    """Whether the selectors of these requests are few and short enough to be looked at; else they narrow nothing."""
    alternatives = {one for each in wanted for one in each.alternatives if one.selectors}
    texts = sum(len(text) for one in alternatives for text in one.selectors)
    return len(alternatives) <= MOST_SELECTIVE and texts <= MOST_SELECTIVE * LONGEST_EXPRESSION


def claimed_devices(
    wanted: Iterable[Wanted],
    spec: PodSpec,
    inventory: Inventory,
    *,
    claim: str = "",
    charged: bool = True,
    selective: bool = True,
) -> Iterator[Devices]:
    """Yield the devices of the requests for a pod with these constraints: of alternatives, all and the most.

    They are counted as what the claim alone leaves open, wherever the pod may land: the claim can be used by another.
    """
    for each in wanted:
        parts = [
            _devices(one, spec, inventory, selective=selective) for one in each.alternatives if not _is_harmless(one)
        ]
        if parts:
            admin = any(one.admin for one in each.alternatives)
            yield _merged(parts, claim=claim, charged=charged and not admin)


def claimed_access(wanted: Iterable[Wanted], field: str) -> Iterator[Access]:
    """Yield the requests that reach devices which others hold, past every count."""
    for each in wanted:
        if any(one.admin for one in each.alternatives):
            yield Access("adminAccess", f"{field}.devices.requests[{each.name}].exactly.adminAccess")


def given_devices(claim: ResourceClaim, inventory: Inventory) -> tuple[Devices, ...]:
    """Return the devices that the scheduler gave to a claim, without harmless ones and those of administrators."""
    allocation = claim.status.allocation
    results = allocation.devices.results if allocation else None
    if not results:
        return ()
    harmless = {
        name for each in claim.spec.devices.requests or () for name, one in _named(each) if _is_harmless(_bare(one))
    }
    counting = (each for each in results if not each.admin_access and each.request not in harmless)
    return tuple(_given(each, inventory) for each in counting)


def _named(request: DeviceRequest) -> Iterator[tuple[str, ExactRequest]]:
    """The names by which an allocation refers to a request: of alternatives, ``request/alternative``."""
    if request.first_available:
        yield from ((f"{request.name}/{each.name}", each) for each in request.first_available)
    else:
        yield request.name, request.exactly or request


def _bare(request: ExactRequest) -> Alternative:
    return Alternative(request.device_class_name, 1, (), admin=False)


def _given(result: AllocatedDevice, inventory: Inventory) -> Devices:
    device = inventory.published.get((result.driver, result.pool, result.device))
    target = inventory.nodes.get(device.node) if device else None
    classes = {device.accelerator_class} if device and device.accelerator_class else target.classes if target else set()
    place = target.country if target else ""
    return Devices(result.driver, 1, tuple(sorted(classes or {UNKNOWN_CLASS})), (place,))


def _is_harmless(one: Alternative) -> bool:
    return role(one.resource).kind is ResourceRole.HARMLESS


def _devices(one: Alternative, spec: PodSpec, inventory: Inventory, *, selective: bool) -> Devices:
    conditions = conditions_of_all(one.selectors)[:MOST_CONDITIONS] if selective else ()
    found = reach(one.resource, spec, inventory, conditions)
    anywhere = reach(one.resource, ANYWHERE, inventory, conditions).classes
    number = one.number if one.number is not None else _most(one.resource, inventory, conditions)
    # Counted whole: another pod of the namespace may use the claim, one that sees more than the slice too.
    return Devices(one.resource, number, *found._replace(counted_as=tuple(sorted({*found.classes, *anywhere}))))


def _most(resource: str, inventory: Inventory, conditions: tuple[Condition, ...]) -> int:
    """As many as any node can give."""
    key = _ENCODER.encode(("most", resource, conditions))
    most = inventory.asked.get(key)
    if most is None:
        most = inventory.most_published(resource, conditions) or MOST_RESULTS
        keep(inventory.asked, key, most)
    return int(most)


def _merged(parts: list[Devices], *, claim: str, charged: bool) -> Devices:
    names = "|".join(dict.fromkeys(each.resource.removeprefix(DEVICE_CLASS_PREFIX) for each in parts))
    return Devices(
        resource=DEVICE_CLASS_PREFIX + names,
        count=max(each.count for each in parts),
        classes=tuple(sorted({name for each in parts for name in each.classes})),
        places=tuple(sorted({place for each in parts for place in each.places})),
        targets=tuple(sorted({name for each in parts for name in each.targets})),
        narrowing=parts[0].narrowing if len(parts) == 1 else (),
        claim=claim,
        charged=charged,
        counted_as=tuple(sorted({name for each in parts for name in each.counted_as})),
    )
