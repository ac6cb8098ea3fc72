"""Claims of dynamic resource allocation: what a pod refers to, and for which pod a claim is made.

A claim that is made for a pod was charged with the pod.  Who says that it is made for a pod is not believed: the
annotation and the owner can be written by anybody, so the creator must be one of the cluster's own (a list of the
operator's), and the pod must be there with that uid (kubernetes/kubernetes#135404 is what happens otherwise).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import msgspec

from admission.catalogue.resources import ResourceRole, role
from admission.demand.claims import PodClaim, wanted_of
from admission.demand.pod import MOST_CLAIMS
from admission.demand.request import effective_request
from admission.review.claim import ClaimSpec

if TYPE_CHECKING:
    from admission.demand.inventory import Inventory
    from admission.review.claim import PodGroup, ResourceClaim
    from admission.review.pod import OwnerReference, Pod, PodResourceClaim

STARTED = "Running"
"""Phase of a pod whose claims were reserved for it."""

_CHARGED = frozenset({ResourceRole.COUNT, ResourceRole.UNKNOWN})

MAKERS = (
    "system:serviceaccount:kube-system:resource-claim-controller",
    "system:kube-controller-manager",
    "system:kube-scheduler",
)
"""Who makes claims for pods: the claim controller (with and without an account of its own), and the scheduler."""


class Lookup(Protocol):
    """Reads of single objects, None where there is none; raises ``LookupFailed`` where nobody can tell."""

    async def template(self, namespace: str, name: str) -> ClaimSpec | None:
        """Return what the claims of a ResourceClaimTemplate ask for."""

    async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
        """Return a ResourceClaim as it stands now."""

    async def group(self, namespace: str, name: str) -> PodGroup | None:
        """Return a group of pods; None also where the cluster has no such groups."""

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod as it stands now."""


async def given_claims(pod: Pod, namespace: str, lookup: Lookup) -> dict[str, PodClaim]:
    """Return the claims that a pod was given, by their name in the pod; raises ``LookupFailed``.

    Their templates may be others by now, or gone: what a claim asks for never changes, and the pod's status names the
    claim.  One that was not made yet is what its template says.  Of a pod that has started, a claim that is not
    reserved for it is another of the same name.
    """
    references = pod.spec.resource_claims or ()
    if len(references) > MOST_CLAIMS:
        return {}
    names: dict[str, str | None] = {
        each.name: each.resource_claim_name for each in references if each.resource_claim_name
    }
    names |= {each.name: each.resource_claim_name for each in pod.status.resource_claim_statuses or ()}
    waiting = tuple(each for each in references if each.name not in names)
    claims = await claims_of(_referring(pod, waiting), namespace, lookup)
    for called in (each.name for each in references if each.name in names):
        name = names[called]
        if name:
            claims[called] = await _given(called, name, pod, namespace, lookup)
        else:
            claims[called] = PodClaim(called, ClaimSpec(), shared=True)  # none was needed
    return claims


def _referring(pod: Pod, references: tuple[PodResourceClaim, ...]) -> Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, resource_claims=references))


async def _given(called: str, name: str, pod: Pod, namespace: str, lookup: Lookup) -> PodClaim:
    claim = await lookup.claim(namespace, name)
    if claim is not None and pod.status.phase == STARTED and not await _is_reserved(claim, pod, namespace, lookup):
        claim = None
    return PodClaim(called, claim.spec if claim else None, shared=True, missing=f"resource claim {name}")


async def _is_reserved(claim: ResourceClaim, pod: Pod, namespace: str, lookup: Lookup) -> bool:
    """Say whether a claim is reserved for a pod, or for its group; no role of a tenant's writes that."""
    holders = {(each.resource, each.uid) for each in claim.status.reserved_for or ()}
    if ("pods", pod.metadata.uid) in holders:
        return True
    name = pod.spec.scheduling_group and pod.spec.scheduling_group.pod_group_name
    group = await lookup.group(namespace, name) if name else None
    return group is not None and ("podgroups", group.metadata.uid) in holders


async def claims_of(pod: Pod, namespace: str, lookup: Lookup) -> dict[str, PodClaim]:
    """Return the claims that a pod refers to, by their name in the pod; raises ``LookupFailed``.

    A template that the pod's group names too gives one claim to the whole group (KEP-5729).
    """
    references = pod.spec.resource_claims or ()
    if len(references) > MOST_CLAIMS:
        return {}  # such a pod is refused as a whole: nobody is asked for each of its claims
    group = pod.spec.scheduling_group and pod.spec.scheduling_group.pod_group_name
    found = await lookup.group(namespace, group) if group and references else None
    grouped = {(one.name, one.resource_claim_template_name) for one in (found and found.spec.resource_claims) or ()}
    templates = {each.resource_claim_template_name for each in references} - {None}
    specs = {name: await lookup.template(namespace, name) for name in sorted(filter(None, templates))}
    return {
        each.name: PodClaim(
            each.name,
            specs[each.resource_claim_template_name],
            shared=(each.name, each.resource_claim_template_name) in grouped,
            missing=f"resource claim template {each.resource_claim_template_name}",
        )
        if each.resource_claim_template_name
        else await _by_name(each, namespace, lookup)
        for each in references
    }


async def _by_name(reference: PodResourceClaim, namespace: str, lookup: Lookup) -> PodClaim:
    name = reference.resource_claim_name
    if not name:
        return PodClaim(reference.name, None, missing=f"claim {reference.name}")
    claim = await lookup.claim(namespace, name)
    return PodClaim(reference.name, claim.spec if claim else None, shared=True, missing=f"resource claim {name}")


def owner_of(claim: ResourceClaim) -> OwnerReference | None:
    """Return the pod that controls a claim, as the claim says."""
    owners = (each for each in claim.metadata.owner_references or () if each.controller and each.kind == "Pod")
    return next(owners, None)


def fits_requests(claim: ResourceClaim, pod: Pod, inventory: Inventory) -> bool:
    """Whether the pod's extended resources ask for all that a claim asks for, class by class.

    The scheduler makes such a claim when it finds the devices of a pod's resources in device classes; the pod was
    charged for them under the resource's name.
    """
    asked = {name: number for name, number in effective_request(pod.spec).items() if role(name).kind in _CHARGED}
    wanted: Counter[str] = Counter()
    for request in wanted_of(claim.spec):
        (one, *others) = request.alternatives
        if others or one.number is None or one.admin:
            return False
        wanted[one.device_class] += one.number
    room = {name: sum(asked.get(resource, 0) for resource in inventory.names.get(name, ())) for name in wanted}
    return wanted.total() <= sum(asked.values()) and all(number <= room[name] for name, number in wanted.items())
