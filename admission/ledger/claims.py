"""What a census knows of claims besides what they hold: for which pod each was made, and which a pod holds itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

MADE_FOR = "resource.kubernetes.io/pod-claim-name"
"""Annotation of a claim made from a template: the claim's name in its pod."""

REMEMBERED = 100_000
"""So many claims that were made for pods are remembered."""


class Made(NamedTuple):
    """A claim as a part of a pod: the pod's uid, and the claim's name in it.  Anybody can write both."""

    owner: str
    part: str


def made_for(claim: ResourceClaim) -> Made | None:
    """Return for which pod the claim says it was made."""
    part = (claim.metadata.annotations or {}).get(MADE_FOR)
    owners = (each.uid for each in claim.metadata.owner_references or () if each.controller and each.kind == "Pod")
    owner = next(owners, None)
    return Made(owner, part) if owner and part else None


class ClaimBook:
    """Claims by what was made for whom.  What it believes can make a sum too large, never too small."""

    def __init__(self) -> None:
        self._made: OrderedDict[Made, None] = OrderedDict()
        self._names: dict[str, tuple[str, str]] = {}
        self._of_pods: dict[str, tuple[str, str]] = {}

    def note(self, claim: ResourceClaim) -> None:
        """Take note of a claim that exists."""
        made = made_for(claim)
        if made is not None:
            self._made[made] = None
            while len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        self._names[claim.metadata.uid] = (claim.metadata.namespace, claim.metadata.name)

    def note_pod(self, pod: Pod) -> None:
        """Take note of the claim for what the pod's resources were charged; the scheduler writes it into the status."""
        given = pod.status.extended_resource_claim_status
        if given is not None:
            self._of_pods[pod.metadata.uid] = (pod.metadata.namespace, given.resource_claim_name)

    def forget(self, uid: str) -> None:
        """Forget a pod or a claim that is gone."""
        self._names.pop(uid, None)
        self._of_pods.pop(uid, None)

    def was_made(self, owner: str, part: str) -> bool:
        """Whether the claim of this name was seen that was made for the pod."""
        return Made(owner, part) in self._made

    def counted_elsewhere(self) -> frozenset[str]:
        """Return the uids of claims that live pods are charged for by their resources."""
        of_pods = set(self._of_pods.values())
        return frozenset(uid for uid, name in self._names.items() if name in of_pods) if of_pods else frozenset()
