"""The demand of a pod: how many devices, of which classes, where; and what it reaches without asking.

The neutral form that ``decide`` judges: no Kubernetes word in it but the names of resources and fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.catalogue.resources import ResourceRole, role
from admission.demand.access import Access, find_access
from admission.demand.carrier import Carrier, carrier_of
from admission.demand.claims import (
    ANYWHERE,
    PodClaim,
    Wanted,
    claimed_access,
    claimed_devices,
    digest_of,
    reads_selectors,
    wanted_of,
)
from admission.demand.devices import MOST_DEVICES, Devices, largest
from admission.demand.fraction import FRACTION, FRACTION_RESOURCE, fraction_devices
from admission.demand.reach import MOST_NAMED_TARGETS, UNKNOWN_CLASS, keep, reach
from admission.demand.request import DemandError, effective_request, implied_devices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.demand.inventory import Inventory
    from admission.demand.request import Requests
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod, PodSpec

_ENCODER = msgspec.json.Encoder()
_WHOLE = (ResourceRole.COUNT, ResourceRole.UNKNOWN)


MOST_CLAIMS = 32
"""In one pod; each is looked up."""


USUAL_GRACE = 30
"""Seconds of termination grace that come with every deadline: what a pod that says nothing is given."""


def longest_of(spec: PodSpec) -> int | None:
    """Return the seconds after which the node ends the pod, what it grants beyond the usual grace included."""
    grace = spec.termination_grace_period_seconds or 0
    return None if spec.active_deadline_seconds is None else spec.active_deadline_seconds + max(0, grace - USUAL_GRACE)


class Demand(msgspec.Struct, frozen=True, gc=False):
    """Everything a pod can obtain, and for how long at most (seconds; None is unbounded)."""

    devices: tuple[Devices, ...] = ()
    access: tuple[Access, ...] = ()
    deadline_seconds: int | None = None
    requests: tuple[tuple[str, int], ...] = ()
    """The effective request as the scheduler has it, for messages: resource name and count."""

    made: tuple[tuple[str, str], ...] = ()
    """The claims that are made for the pod: their name in the pod, and the digest of what they ask for."""
    refers: bool = False
    """Whether the pod refers to claims: what these give may be another thing when the pod runs."""
    subject: str = "pod"
    """What asks, in a word."""
    carrier: Carrier | None = None
    """What the pod runs as, by which an exemption covers the access; None without any, and for a claim by itself."""
    missing: tuple[str, ...] = ()
    """Claims and templates that are not there, so that nobody can tell what they give."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing here to decide."""
        return not self.devices and not self.access and not self.missing

    def every_class(self) -> frozenset[str]:
        """Return the classes that its devices can be, here or wherever else they are counted for."""
        return frozenset(name for devices in self.devices for name in devices.every_class)

    def presumed(self) -> Demand:
        """Return it with a device of a class that nobody can tell for each claim that is missing: it was given one."""
        lost = (Devices(what, 1, (UNKNOWN_CLASS,), ("",), claim=what, charged=False) for what in self.missing)
        return msgspec.structs.replace(self, devices=(*self.devices, *lost), missing=()) if self.missing else self

    def requested(self) -> Demand:
        """Return what is asked for by resources and annotations, without ways around it and without claims."""
        return Demand(tuple(each for each in self.devices if not each.claim), deadline_seconds=self.deadline_seconds)


def demand_of(pod: Pod, inventory: Inventory, claims: Mapping[str, PodClaim] | None = None) -> Demand:
    """Return what the pod can obtain from the inventory.

    ``claims`` are those that the pod refers to, by their name in the pod; one that is not among them is missing.
    Raises ``DemandError`` where the pod, or a claim, cannot be read.
    """
    spec = pod.spec
    asked = _asked(spec, inventory)
    devices = _with_shares(asked, pod, inventory) if pod.metadata.annotations else asked.devices
    found = _found(spec, claims or {}) if spec.resource_claims else ()
    if found:
        devices += tuple(_of_claims(found, spec, inventory))
    if devices is not asked.devices:
        _check_counts(devices)
    access = asked.access + find_access(pod, granted=bool(devices), fractions_counted=True)
    if access:
        devices = _whole(devices)
    if not found and not access:
        return Demand(devices, access, longest_of(spec), asked.requests)
    access += tuple(each for claim, wanted in found for each in claimed_access(wanted, f"claim {claim.name}"))
    return Demand(
        devices=devices,
        access=access,
        deadline_seconds=longest_of(spec),
        requests=asked.requests,
        carrier=carrier_of(pod) if access else None,
        refers=bool(found),
        made=_made(found),
        missing=tuple(claim.missing for claim, _ in found if claim.spec is None),
    )


def held_by(pod: Pod, inventory: Inventory, claims: Mapping[str, PodClaim]) -> Demand:
    """Return what a pod that runs may have: what of it nobody can tell is a device of a class that nobody can tell.

    Where it cannot be read that stands beside what it asks for by resources, and what it reaches without asking.
    """
    try:
        return demand_of(pod, inventory, claims).presumed()
    except DemandError as error:
        unread = str(error)
    try:
        asked = _asked(pod.spec, inventory)
    except DemandError:
        asked = _Asked((), (), ())
    access = asked.access + find_access(pod, granted=True, fractions_counted=True)
    return Demand(
        devices=_whole(asked.devices) if access else asked.devices,
        access=access,
        deadline_seconds=longest_of(pod.spec),
        requests=asked.requests,
        carrier=carrier_of(pod) if access else None,
        refers=bool(pod.spec.resource_claims),
        missing=(unread,),
    ).presumed()


def _made(found: Iterable[tuple[PodClaim, tuple[Wanted, ...]]]) -> tuple[tuple[str, str], ...]:
    digests: dict[int, str] = {}
    own = [(claim, wanted) for claim, wanted in found if claim.spec is not None and not claim.shared]
    for _, wanted in own:
        if id(wanted) not in digests:
            digests[id(wanted)] = digest_of(wanted)
    return tuple((claim.name, digests[id(wanted)]) for claim, wanted in own)


class _Asked(NamedTuple):
    """What a pod asks for by resources."""

    devices: tuple[Devices, ...]
    access: tuple[Access, ...]
    requests: tuple[tuple[str, int], ...]


def _asked(spec: PodSpec, inventory: Inventory) -> _Asked:
    """Return what the pod asks for; kept, as all pods of a workload ask for the same under the same constraints."""
    containers = [each.resources for each in spec.containers or ()]
    inits = [(each.resources, each.restart_policy) for each in spec.init_containers or ()]
    where = (spec.node_name, spec.node_selector, spec.affinity, spec.tolerations)
    key = _ENCODER.encode((containers, inits, spec.overhead, where))
    asked = inventory.asked.get(key)
    if asked is None:
        requests = effective_request(spec)
        devices = tuple(_of_resources(requests, spec, inventory))
        _check_counts(devices)
        asked = _Asked(devices, _every_device(requests), tuple(requests.items()))
        keep(inventory.asked, key, asked)
    return asked


def requested_devices(pod: Pod, inventory: Inventory) -> tuple[Devices, ...]:
    """Return the devices that a pod asks for itself, by resources and annotations; raises ``DemandError``."""
    asked = _asked(pod.spec, inventory)
    devices = _with_shares(asked, pod, inventory)
    if any(each.has_slices for each in devices) and (
        asked.access or find_access(pod, granted=True, fractions_counted=True)
    ):
        return _whole(devices)
    return devices


def _whole(devices: tuple[Devices, ...]) -> tuple[Devices, ...]:
    """Count slices as whole chips: a pod that reaches devices past its request can use all of a chip."""
    return tuple(each.whole() if each.has_slices else each for each in devices)


def _with_shares(asked: _Asked, pod: Pod, inventory: Inventory) -> tuple[Devices, ...]:
    """Devices, with those of which the pod is given a share without a request: another pod holds them for it."""
    count = fraction_devices(pod, dict(asked.requests))
    if not count:
        return asked.devices
    return (*asked.devices, Devices(FRACTION, count, *reach(FRACTION_RESOURCE, pod.spec, inventory)))


def demand_of_claim(claim: ResourceClaim, inventory: Inventory, spec: PodSpec | None = None) -> Demand:
    """Return what a claim can obtain, for the pod that it is made for; raises ``DemandError`` where it cannot be read.

    It ends with the pods that use it, whose own ends are judged: none of its own is asked for.
    """
    wanted = wanted_of(claim.spec)
    devices = tuple(claimed_devices(wanted, spec or ANYWHERE, inventory, selective=reads_selectors(wanted)))
    _check_counts(devices)
    access = tuple(claimed_access(wanted, "spec"))
    deadline = longest_of(spec) if spec else 0
    return Demand(devices=devices, access=access, deadline_seconds=deadline, subject="claim")


def _check_counts(devices: Iterable[Devices]) -> None:
    for each in devices:
        if each.count > MOST_DEVICES:
            raise DemandError(f"it asks for {each.count} of {each.resource}, and at most {MOST_DEVICES} can be counted")


def _every_device(requests: Requests) -> tuple[Access, ...]:
    names = [name for name in requests if role(name).kind is ResourceRole.ALL]
    if not names:
        return ()
    return tuple(Access("allDevices", f"the resource {name}, which opens every device of the node") for name in names)


def _found(spec: PodSpec, claims: Mapping[str, PodClaim]) -> tuple[tuple[PodClaim, tuple[Wanted, ...]], ...]:
    references = spec.resource_claims or ()
    if len(references) > MOST_CLAIMS:
        raise DemandError(f"spec.resourceClaims: more than {MOST_CLAIMS}; split the pod")
    missing = (PodClaim(each.name, None, missing=f"claim {each.name}") for each in references)
    found = [claims.get(claim.name) or claim for claim in missing]
    read: dict[int, tuple[Wanted, ...]] = {}  # several claims of one template are read once
    for each in found:
        if each.spec is not None and id(each.spec) not in read:
            read[id(each.spec)] = wanted_of(each.spec, f"claim {each.name}: spec")
    return tuple((each, read.get(id(each.spec), ())) for each in found)


def _of_claims(
    found: Iterable[tuple[PodClaim, tuple[Wanted, ...]]], spec: PodSpec, inventory: Inventory
) -> Iterator[Devices]:
    parts = list(found)
    selective = reads_selectors(request for _, wanted in parts for request in wanted)
    for claim, wanted in parts:
        yield from claimed_devices(
            wanted, spec, inventory, claim=claim.name, charged=not claim.shared, selective=selective
        )


def _of_resources(requests: Requests, spec: PodSpec, inventory: Inventory) -> list[Devices]:
    """Devices by resource: shares of one vendor are of the same devices, and what only qualifies adds none."""
    found: list[Devices] = []
    shared: dict[str, list[Devices]] = {}
    qualifiers: dict[str, list[str]] = {}
    for name, amount in requests.items():
        meaning = role(name)
        if meaning.kind in _WHOLE:
            found.append(_devices(name, amount, spec, inventory))
        elif meaning.kind is ResourceRole.SHARE:
            shared.setdefault(meaning.vendor, []).append(_devices(name, amount, spec, inventory))
        elif meaning.kind is ResourceRole.QUALIFIER:
            qualifiers.setdefault(meaning.vendor, []).append(name)
    found += map(_same, shared.values())
    if qualifiers:
        for vendor, count in implied_devices(spec).items():
            found.append(_same([_devices(name, count, spec, inventory) for name in qualifiers[vendor]]))
    return found


def _same(named: list[Devices]) -> Devices:
    """The same devices under several names: as many as the largest says, of every class that one of them can be."""
    largest = max(named, key=lambda devices: devices.count)
    if len(named) == 1:
        return largest
    return Devices(
        largest.resource,
        largest.count,
        classes=_united(each.classes for each in named),
        places=_united(each.places for each in named),
        targets=_united(each.targets for each in named)[:MOST_NAMED_TARGETS],
        narrowing=tuple(sorted(dict(pair for each in named for pair in each.narrowing).items())),
        counted_as=_same_counted(named),
    )


def _same_counted(named: list[Devices]) -> tuple[str, ...]:
    if not any(each.has_slices for each in named):
        return ()
    return largest(name for each in named for name in each.counted_as or each.classes)


def _united(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({each for part in parts for each in part}))


def _devices(resource: str, units: int, spec: PodSpec, inventory: Inventory) -> Devices:
    """So many units of a resource, as devices of every class that they can be for this pod."""
    found = reach(resource, spec, inventory)
    return Devices(resource, role(resource).most_devices(units, found.classes), *found)
