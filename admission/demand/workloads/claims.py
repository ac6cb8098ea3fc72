"""Devices of dynamic resource allocation: what claims, templates of claims and compute domains stand for.

All shapes that were ever served are read: ``exactly`` and ``firstAvailable`` (v1, v1beta2), the fields in the
request itself (v1beta1, v1alpha3), and a class for the whole claim (v1alpha2, gone since Kubernetes 1.31).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from admission.demand.claims import claimed_access, wanted_of
from admission.demand.request import DemandError
from admission.demand.workloads.count import UNKNOWN, Count
from admission.demand.workloads.fields import at, listed, mapped, number, text
from admission.review.claim import ClaimSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.demand.workloads.fields import Others

ALL = "All"
"""Every device of the node that matches."""

GROUP = "resource.k8s.io"
DOMAIN_GROUP = "resource.nvidia.com"
CHANNELS = "compute-domain-default-channel.nvidia.com"
"""The device class of a compute domain's claims: channels between nodes, no devices that compute."""

Devices = dict[str, Count]
"""Device class to count; a count may also be ``ALL``."""


def devices_of_claim(document: dict[str, Any]) -> Devices:
    """Return the devices of a ResourceClaim, a ResourceClaimTemplate or a ComputeDomain."""
    if text(document, "kind") == "ComputeDomain":
        every = at(document, "spec", "channel", "allocationMode") == ALL
        return {CHANNELS: ALL if every else 1}
    spec = mapped(document, "spec")
    return _devices(mapped(spec, "spec") if text(document, "kind") == "ResourceClaimTemplate" else spec)


def refusals(document: dict[str, Any], field: str = "spec") -> tuple[str, ...]:
    """Return why the webhook would refuse a claim, or the claims of a template, whoever asks."""
    spec = mapped(document, "spec")
    spec = mapped(spec, "spec") if text(document, "kind") == "ResourceClaimTemplate" else spec
    try:
        wanted = wanted_of(msgspec.convert(spec, ClaimSpec), field)
    except (DemandError, msgspec.ValidationError) as error:
        return (f"refused where enforced: {error}",)
    return tuple(
        f"denied where enforced: {each.field} reaches devices of others" for each in claimed_access(wanted, field)
    )


def _devices(spec: dict[str, Any]) -> Devices:
    found: Devices = {}
    requests = listed(mapped(spec, "devices").get("requests"))
    for request in requests:
        name, count = _request(request)
        add(found, name, count)
    if not requests and text(spec, "resourceClassName"):
        add(found, text(spec, "resourceClassName"), 1)
    return found


def _request(request: Any) -> tuple[str, Count]:
    """Return the class and the count of one request: of alternatives the largest, of an unknown mode no number."""
    alternatives = listed(at(request, "firstAvailable"))
    if alternatives:
        found = [_exact(each) for each in alternatives]
        names = sorted({name for name, _ in found})
        return f"anyOf({'|'.join(names)})", _largest(count for _, count in found)
    exact = mapped(request, "exactly") if isinstance(at(request, "exactly"), dict) else request
    return _exact(exact)


def _exact(request: Any) -> tuple[str, Count]:
    name = text(request, "deviceClassName")
    mode = at(request, "allocationMode")
    if not name:
        return UNKNOWN, UNKNOWN
    if mode == ALL:
        return name, ALL
    return name, number(request, "count", 1) if mode in (None, "", "ExactCount") else UNKNOWN


def _largest(counts: Iterator[Count]) -> Count:
    parts = list(counts)
    for word in (UNKNOWN, ALL):
        if word in parts:
            return word
    return max((part for part in parts if isinstance(part, int)), default=0)


def add(found: Devices, name: str, count: Count) -> None:
    """Add to the class's count; ``All`` and unknown swallow numbers."""
    before = found.get(name, 0)
    if isinstance(before, int) and isinstance(count, int):
        found[name] = before + count
    else:
        found[name] = _largest(iter((before, count)))


def claims_of_pod(spec: dict[str, Any], others: Others) -> tuple[Devices, dict[str, Devices], list[str]]:
    """Return the devices of the claims made for each pod, those of claims that pods share by name, and remarks."""
    own: Devices = {}
    shared: dict[str, Devices] = {}
    notes: list[str] = []
    for claim in listed(spec.get("resourceClaims")):
        template = text(claim, "resourceClaimTemplateName") or text(
            mapped(claim, "source"), "resourceClaimTemplateName"
        )
        named = text(claim, "resourceClaimName") or text(mapped(claim, "source"), "resourceClaimName")
        if template:
            found = others("ResourceClaimTemplate", template)
            devices: Devices = devices_of_claim(found) if found else {f"?:{template}": 1}
            if _of_group(spec, text(claim, "name"), template, others):
                shared[template] = devices
            else:
                for name, count in devices.items():
                    add(own, name, count)
        elif named:
            found = others("ResourceClaim", named)
            shared[named] = devices_of_claim(found) if found else {f"?:{named}": 1}
        else:
            found, named = None, text(claim, "name")
            own[f"?:{named}"] = 1
        if found is None:
            notes.append(f"the claim {template or named} is not among the files")
        else:
            notes += refusals(found, f"claim {text(claim, 'name')}")
    return own, shared, notes


def _of_group(spec: dict[str, Any], name: str, template: str, others: Others) -> bool:
    """Whether the pods' group has one claim for all of them: of the same name, from the same template (KEP-5729)."""
    group = text(mapped(spec, "schedulingGroup"), "podGroupName")
    found = others("PodGroup", group) if group else None
    claims = listed(mapped(found, "spec").get("resourceClaims"))
    return any((text(each, "name"), text(each, "resourceClaimTemplateName")) == (name, template) for each in claims)
