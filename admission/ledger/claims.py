"""Which claims a pod holds itself: those that the scheduler makes for a pod's resources, as both their statuses say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

MADE_FOR = "resource.kubernetes.io/pod-claim-name"
"""Annotation of a claim made from a template: the claim's name in its pod.  Anybody can write it."""


class ClaimBook:
    """For whom claims are reserved, and the claims that pods name as made for their resources."""

    def __init__(self) -> None:
        self._reserved: dict[str, tuple[tuple[str, str], frozenset[str]]] = {}
        self._of_pods: dict[str, tuple[str, str]] = {}

    def note(self, claim: ResourceClaim) -> None:
        """Take note of a claim that exists."""
        consumers = frozenset(each.uid for each in claim.status.reserved_for or ())
        if consumers:
            self._reserved[claim.metadata.uid] = ((claim.metadata.namespace, claim.metadata.name), consumers)
        else:
            self._reserved.pop(claim.metadata.uid, None)

    def note_pod(self, pod: Pod) -> None:
        """Take note of the claim for what the pod's resources were charged; the scheduler writes it into the status."""
        given = pod.status.extended_resource_claim_status
        if given is not None:
            self._of_pods[pod.metadata.uid] = (pod.metadata.namespace, given.resource_claim_name)

    def forget(self, uid: str) -> None:
        """Forget a pod or a claim that is gone."""
        self._of_pods.pop(uid, None)
        self._reserved.pop(uid, None)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the uids of pods, and of the claims that both the pod's status and their own give to it alone."""
        for claim, (name, consumers) in self._reserved.items() if self._of_pods else ():
            if len(consumers) == 1:
                (pod,) = consumers
                if self._of_pods.get(pod) == name:
                    yield pod, claim
