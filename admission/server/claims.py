"""Claims of dynamic resource allocation: what a pod refers to, and for which pod a claim is made.

A claim that is made for a pod was charged with the pod.  Who says that it is made for a pod is not believed: the
annotation and the owner can be written by anybody, so the creator must be one of the cluster's own (a list of the
operator's), and the pod must be there with that uid (kubernetes/kubernetes#135404 is what happens otherwise).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from admission.demand.claims import PodClaim, wanted_of
from admission.demand.request import MOST_RESOURCES, effective_request

if TYPE_CHECKING:
    from admission.demand.inventory import Inventory
    from admission.review.claim import ClaimSpec, PodGroup, ResourceClaim
    from admission.review.pod import OwnerReference, Pod, PodResourceClaim

MAKERS = (
    "system:serviceaccount:kube-system:resource-claim-controller",
    "system:kube-controller-manager",
    "system:kube-scheduler",
)
"""Who makes claims for pods: the claim controller (with and without an account of its own), and the scheduler."""


class Lookup(Protocol):
    """Reads of single objects, None where there is none; raises ``LookupFailed`` where nobody can tell."""

    async def template(self, namespace: str, name: str) -> ClaimSpec | None:
        """Return what the claims of a ResourceClaimTemplate ask for; may be a few seconds old."""

    async def claim(self, namespace: str, name: str) -> ClaimSpec | None:
        """Return what a ResourceClaim asks for."""

    async def group(self, namespace: str, name: str) -> PodGroup | None:
        """Return a group of pods; None also where the cluster has no such groups."""

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod as it stands now."""


async def claims_of(pod: Pod, namespace: str, lookup: Lookup) -> dict[str, PodClaim]:
    """Return the claims that a pod refers to, by their name in the pod; raises ``LookupFailed``."""
    references = pod.spec.resource_claims or ()
    if len(references) > MOST_RESOURCES:
        return {}  # such a pod is refused as a whole: nobody is asked for each of its claims
    group = pod.spec.scheduling_group and pod.spec.scheduling_group.pod_group_name
    found = await lookup.group(namespace, group) if group and references else None
    grouped = {(one.name, one.resource_claim_template_name) for one in (found and found.spec.resource_claims) or ()}
    return {
        each.name: await _claim(each, namespace, lookup, (each.name, each.resource_claim_template_name) in grouped)
        for each in references
    }


async def _claim(reference: PodResourceClaim, namespace: str, lookup: Lookup, shared: bool) -> PodClaim:
    """A template that the pod's group names too gives one claim to the whole group (KEP-5729)."""
    name, template = reference.resource_claim_name, reference.resource_claim_template_name
    if template:
        spec = await lookup.template(namespace, template)
        return PodClaim(reference.name, spec, shared=shared, missing=f"resource claim template {template}")
    if name:
        spec = await lookup.claim(namespace, name)
        return PodClaim(reference.name, spec, shared=True, missing=f"resource claim {name}")
    return PodClaim(reference.name, None, missing=f"claim {reference.name}")


def owner_of(claim: ResourceClaim) -> OwnerReference | None:
    """Return the pod that controls a claim, as the claim says."""
    owners = (each for each in claim.metadata.owner_references or () if each.controller and each.kind == "Pod")
    return next(owners, None)


def fits_requests(claim: ResourceClaim, pod: Pod, inventory: Inventory) -> bool:
    """Whether the pod's extended resources ask for all that a claim asks for, class by class.

    The scheduler makes such a claim when it finds the devices of a pod's resources in device classes; the pod was
    charged for them under the resource's name.
    """
    asked = effective_request(pod.spec)
    wanted: Counter[str] = Counter()
    for request in wanted_of(claim.spec):
        (one, *others) = request.alternatives
        if others or one.number is None or one.admin:
            return False
        wanted[one.device_class] += one.number
    room = {name: sum(asked.get(resource, 0) for resource in inventory.names.get(name, ())) for name in wanted}
    return wanted.total() <= sum(asked.values()) and all(number <= room[name] for name, number in wanted.items())
