"""Which claims a pod holds itself: those that the scheduler makes for a pod's resources, as the pod's status says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

MADE_FOR = "resource.kubernetes.io/pod-claim-name"
"""Annotation of a claim made from a template: the claim's name in its pod.  Anybody can write it."""


class ClaimBook:
    """Claims by name, and the claims that pods name as made for their resources."""

    def __init__(self) -> None:
        self._uids: dict[tuple[str, str], str] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._of_pods: dict[str, tuple[str, str]] = {}

    def note(self, claim: ResourceClaim) -> None:
        """Take note of a claim that exists."""
        name = (claim.metadata.namespace, claim.metadata.name)
        self._uids[name], self._names[claim.metadata.uid] = claim.metadata.uid, name

    def note_pod(self, pod: Pod) -> None:
        """Take note of the claim for what the pod's resources were charged; the scheduler writes it into the status."""
        given = pod.status.extended_resource_claim_status
        if given is not None:
            self._of_pods[pod.metadata.uid] = (pod.metadata.namespace, given.resource_claim_name)

    def forget(self, uid: str) -> None:
        """Forget a pod or a claim that is gone."""
        self._of_pods.pop(uid, None)
        name = self._names.pop(uid, None)
        if name is not None and self._uids.get(name) == uid:
            del self._uids[name]

    def pairs(self) -> list[tuple[str, str]]:
        """Return the uids of pods, and of the claims that exist under the names that their status has."""
        named = ((pod, self._uids.get(name)) for pod, name in self._of_pods.items())
        return [(pod, claim) for pod, claim in named if claim is not None]
