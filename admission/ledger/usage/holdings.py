"""What each object holds now: a bound pod its own devices and those of its claims; a claim of a group, its own.

Devices by resource are those that the census charges the pod for.  A claim's are those that the scheduler gave to it.
They stand with the first live pod that the claim is reserved for, so that each device is counted once; who it is
reserved for, no tenant can write.  A claim that is reserved for a group of pods is metered by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from admission.api.accelerator import AcceleratorPool
from admission.catalogue.resources import ResourceRole, role
from admission.demand.claims import given_devices
from admission.demand.devices import added, counted
from admission.demand.pod import requested_devices
from admission.demand.request import DemandError
from admission.ledger.given import given_at
from admission.ledger.seen import ENDED
from admission.ledger.usage.interval import Holding, millis_of
from admission.ledger.usage.meter import MOST_DEVICES_NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from admission.decide.registry import Registry
    from admission.ledger.pods import PodCensus
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

_LONGEST_ID = 253
_NO_DEVICES = frozenset({ResourceRole.NATIVE, ResourceRole.HARMLESS})


Counts: TypeAlias = tuple[tuple[str, int], ...]
"""Devices by class key."""


def charged(census: PodCensus) -> Callable[[Pod], Counts]:
    """Return what tells of a pod what the census charges it for by its resources."""

    def counts(pod: Pod) -> Counts:
        held = census.of(pod.metadata.uid)
        return held.counts if held is not None else ()

    return counts


def asked(registry: Registry) -> Callable[[Pod], Counts]:
    """Return what tells the same of a pod that no census has seen, by today's nodes."""

    def counts(pod: Pod) -> Counts:
        try:
            return counted(requested_devices(pod, registry.inventory))
        except DemandError:
            return ()

    return counts


class Holdings:
    """Bound pods that hold devices, or may by claims, and claims that were given any.

    ``account`` returns of an object, by uid and namespace, the party that is charged for it, and its ownership group.
    """

    def __init__(
        self, registry: Registry, account: Callable[[str, str], tuple[str, str]], own: Callable[[Pod], Counts]
    ) -> None:
        self._registry, self._account, self._own = registry, account, own
        self._pods: dict[str, Pod] = {}
        self._claims: dict[str, ResourceClaim] = {}
        self._given_to: dict[str, dict[str, None]] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods or (uid in self._claims and _is_of_group(self._claims[uid]))

    def uids(self) -> list[str]:
        """Return the pods and the claims that are metered by themselves."""
        return [*self._pods, *(uid for uid, claim in self._claims.items() if _is_of_group(claim))]

    def take(self, pod: Pod) -> bool:
        """Take in a pod that exists; say whether it may hold anything."""
        uid = pod.metadata.uid
        if not pod.spec.node_name or pod.status.phase in ENDED:
            return False
        if uid not in self._pods and uid not in self._given_to and not _refers(pod) and not self._own(pod):
            return False
        self._pods[uid] = pod
        return True

    def take_claim(self, claim: ResourceClaim) -> tuple[str, ...]:
        """Take in a claim that exists; return the objects that may hold more, or less, by it."""
        uid = claim.metadata.uid
        before = self.lose_claim(uid)
        if claim.status.allocation is None:
            return before
        self._claims[uid] = claim
        after = tuple(each.uid for each in claim.status.reserved_for or ())
        for consumer in after:
            self._given_to.setdefault(consumer, {})[uid] = None
        return tuple(dict.fromkeys((*before, *after, uid)))

    def lose(self, uid: str) -> tuple[str, ...]:
        """Take out a pod that is gone or has ended; return who may hold more from now on."""
        self._pods.pop(uid, None)
        claims = (self._claims[each] for each in self._given_to.get(uid, ()))
        return tuple(dict.fromkeys(other.uid for claim in claims for other in claim.status.reserved_for or ()))

    def lose_claim(self, uid: str) -> tuple[str, ...]:
        """Take out a claim that is gone or was given back; return who may hold less."""
        claim = self._claims.pop(uid, None)
        if claim is None:
            return ()
        consumers = tuple(each.uid for each in claim.status.reserved_for or ())
        for consumer in consumers:
            claims = self._given_to.get(consumer, {})
            claims.pop(uid, None)
            if not claims:
                self._given_to.pop(consumer, None)
        return (*consumers, uid)

    def of(self, uid: str) -> Holding | None:
        """Return what an object holds; no devices is that it could hold some; None, that it is not there."""
        pod = self._pods.get(uid)
        if pod is not None:
            return self._of_pod(uid, pod)
        return self._of_claim(self._claims[uid]) if uid in self else None

    def _of_pod(self, uid: str, pod: Pod) -> Holding:
        own, node = self._own(pod), pod.spec.node_name or ""
        claims = [claim for claim in self._claims_of(uid) if self._holder(claim) == uid]
        party, group = self._account(uid, pod.metadata.namespace)
        country, site = self._place(node)
        return Holding(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            party=party,
            group=group,
            node=node,
            country=country,
            site=site,
            counts=added(own, *(self._beside(claim, pod, own) for claim in claims)),
            devices=_named((*_plugged(pod), *(name for claim in claims for name in _allocated(claim)))),
            bound=millis_of(given_at(pod)),
        )

    def _of_claim(self, claim: ResourceClaim) -> Holding:
        party, group = self._account(claim.metadata.uid, claim.metadata.namespace)
        node = self._node_of(claim)
        country, site = self._place(node)
        allocation = claim.status.allocation
        return Holding(
            resource="resourceclaims",
            namespace=claim.metadata.namespace,
            name=claim.metadata.name,
            party=party,
            group=group,
            node=node,
            country=country,
            site=site,
            counts=self._given(claim),
            devices=_named(_allocated(claim)),
            bound=millis_of(allocation.allocation_timestamp) if allocation else None,
        )

    def _claims_of(self, uid: str) -> Iterator[ResourceClaim]:
        return (self._claims[each] for each in self._given_to.get(uid, ()))

    def _holder(self, claim: ResourceClaim) -> str | None:
        return next((each.uid for each in claim.status.reserved_for or () if each.uid in self._pods), None)

    def _given(self, claim: ResourceClaim) -> Counts:
        return counted(given_devices(claim, self._registry.inventory))

    def _beside(self, claim: ResourceClaim, pod: Pod, own: Counts) -> Counts:
        """What a claim adds to a pod: nothing where the scheduler made it for the pod's resources, and no more."""
        made, given = pod.status.extended_resource_claim_status, self._given(claim)
        is_own = made is not None and made.resource_claim_name == claim.metadata.name
        return () if is_own and _total(given) <= _total(own) else given

    def _node_of(self, claim: ResourceClaim) -> str:
        allocation = claim.status.allocation
        published = self._registry.inventory.published
        for each in (allocation.devices.results or ()) if allocation else ():
            device = published.get((each.driver, each.pool, each.device))
            if device is not None and device.node:
                return device.node
        return ""

    def _place(self, name: str) -> tuple[str, str]:
        """Country and site of a node; a site only where its pools name one and no other."""
        node = self._registry.inventory.nodes.get(name)
        if node is None:
            return "", ""
        sites = {
            pool.spec.place.site
            for pool in self._registry.every(AcceleratorPool)
            if pool.spec.place is not None and pool.spec.node_labels.items() <= node.labels.items()
        }
        return node.country, sites.pop() if len(sites) == 1 else ""


def finished_at(pod: Pod) -> str:
    """Return when the last container ended, by the node's clock; empty where the node does not say."""
    ends = [each.state.terminated.finished_at for each in pod.status.container_statuses or () if each.state.terminated]
    known = {instant: end for end in ends if end and (instant := millis_of(end)) is not None}
    return known[max(known)] if known else ""


def _is_of_group(claim: ResourceClaim) -> bool:
    return any(each.resource not in {"", "pods"} for each in claim.status.reserved_for or ())


def _refers(pod: Pod) -> bool:
    return bool(pod.spec.resource_claims) or pod.status.extended_resource_claim_status is not None


def _total(counts: Iterable[tuple[str, int]]) -> int:
    return sum(count for _, count in counts)


def _plugged(pod: Pod) -> Iterator[str]:
    """The devices of device plugins, as the kubelet tells them; those of claims are known from the claims."""
    for container in (*(pod.status.container_statuses or ()), *(pod.status.init_container_statuses or ())):
        for resource in container.allocated_resources_status or ():
            if not resource.name.startswith("claim:") and role(resource.name).kind not in _NO_DEVICES:
                yield from (f"{resource.name}/{each.resource_id}" for each in resource.resources or ())


def _allocated(claim: ResourceClaim) -> Iterator[str]:
    allocation = claim.status.allocation
    for each in (allocation.devices.results or ()) if allocation else ():
        if not each.admin_access:
            yield f"{each.driver}/{each.pool}/{each.device}"


def _named(devices: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({each[:_LONGEST_ID] for each in devices})[:MOST_DEVICES_NAMED])
