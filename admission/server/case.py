"""From what is asked to a case: the demand of a pod, an update, a binding or a claim, and what the ledger is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.demand.access import Access, find_access
from admission.demand.carrier import carrier_of, container_of
from admission.demand.claims import PodClaim, digest_of, wanted_of
from admission.demand.fraction import fraction_devices
from admission.demand.pod import Demand, demand_of, demand_of_claim, held_by
from admission.demand.request import effective_request
from admission.ledger.claims import MADE_FOR
from admission.ledger.limits import Kind, Origin
from admission.ledger.limits import Request as LedgerRequest
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod
from admission.server.claims import fits_requests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.policy import Mode
    from admission.decide.limits import Charge, Scope
    from admission.decide.registry import Registry


class Ask(msgspec.Struct, frozen=True):
    """One object that wants devices: a pod, or a claim where there is one.  ``before`` is the pod before an update."""

    uid: str
    namespace: str
    name: str
    pod: Pod
    before: Pod | None = None
    claims: Mapping[str, PodClaim] = msgspec.field(default_factory=dict)
    """The claims that the pod refers to, as found, by their name in the pod."""
    claim: ResourceClaim | None = None
    made_for: bool = False
    """Whether ``claim`` is made for ``pod``, by one of the cluster's own: then it was charged with the pod."""
    node: str = ""
    """The node that a scheduler chose for the pod: it is judged for what that node has, and charged nothing more."""
    dry_run: bool = False
    enforced: bool = False
    """Whether it came through the entry of enforced namespaces, whatever our own watch says of the mode."""
    unknown: str = ""
    """What nobody could tell and the verdict needs: the labels of the namespace, or a claim that is referred to."""
    demand: Demand | None = None
    """What the pod obtains, where that was read already."""
    early: bool = False
    """Whether it is about pods of a workload that are not there yet: nothing is reserved for them."""
    role: str = ""
    """Of a workload: the role whose pods these are."""
    running: bool = False
    """Whether the pod is there already: it stands in the ledger, so that no amount is asked for."""


class Case(NamedTuple):
    """One request as it goes through: what was asked, when, in which mode, its demand, and whether that is counted."""

    ask: Ask
    now: datetime
    mode: Mode
    demand: Demand
    charged: bool = True


def case_of(ask: Ask, now: datetime, mode: Mode, registry: Registry) -> Case:
    """Find what is asked for: by a pod, a binding, or a claim.

    A claim that is made for a pod obtains what the pod can land on.  One for the pod's resources was charged with them.
    """
    inventory = registry.inventory
    if ask.node:
        return Case(ask, now, mode, demand_of(ask.pod, inventory).requested(), charged=False)
    if ask.claim is None:
        return Case(ask, now, mode, _demand(ask, registry), charged=not ask.running)
    if ask.made_for and not _part(ask.claim) and fits_requests(ask.claim, ask.pod, inventory):
        return Case(ask, now, mode, demand_of(ask.pod, inventory).requested(), charged=False)
    return Case(ask, now, mode, demand_of_claim(ask.claim, inventory, ask.pod.spec if ask.made_for else None))


def _part(claim: ResourceClaim) -> str:
    """What the pod calls the claim that is made for it."""
    return (claim.metadata.annotations or {}).get(MADE_FOR, "")


def _demand(ask: Ask, registry: Registry) -> Demand:
    """What the object obtains; of an update, only what it adds: devices are asked for at creation."""
    if ask.demand is not None:
        return ask.demand
    if ask.running:
        return held_by(ask.pod, registry.inventory, ask.claims)
    if ask.before is None:
        return demand_of(ask.pod, registry.inventory, ask.claims)
    had = effective_request(ask.before.spec)
    raised = [name for name, count in effective_request(ask.pod.spec).items() if count > had.get(name, 0)]
    granted = bool(had or ask.before.spec.resource_claims or fraction_devices(ask.before, had))
    before, carrier = carrier_of(ask.before), carrier_of(ask.pod)
    known = set(find_access(ask.before, granted=granted, fractions_counted=True))
    if carrier.images.keys() > before.images.keys():
        # A container more shares the pod's volumes and runtime, which an exemption may have let pass for another image.
        known = {access for access in known if container_of(access) in before.images}
    reached = find_access(ask.pod, granted=granted, fractions_counted=True)
    added = [access for access in reached if access not in known]
    resized = (Access("resize", f"the raised request for {name}") for name in raised)
    return Demand(access=(*resized, *added), carrier=carrier)


def request_of(ask: Ask, charge: Charge, scopes: Iterable[Scope], shards: int = 0) -> LedgerRequest:
    """Return what the ledger is asked: of a claim that is made for a pod, for the pod's part first."""
    limits = tuple((scope.name, scope.limits) for scope in scopes)
    if ask.claim is None:
        return LedgerRequest(ask.uid, ask.namespace, ask.name, charge, limits, shards=shards)
    origin = None
    if ask.made_for and _part(ask.claim):
        origin = Origin(ask.pod.metadata.uid, _part(ask.claim), digest_of(wanted_of(ask.claim.spec)))
    return LedgerRequest(ask.uid, ask.namespace, ask.name, charge, limits, Kind.Claim, origin, shards)
