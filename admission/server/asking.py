"""From a review to what it asks: the object, its uid, and what the object refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.cluster.lookup import LookupFailed
from admission.ledger.seen import ENDED
from admission.review import wire
from admission.review.pod import Pod
from admission.server.case import Ask
from admission.server.claims import claims_of, given_claims, owner_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from admission.review.claim import ResourceClaim
    from admission.review.pod import Meta
    from admission.review.wire import Request
    from admission.server.claims import Lookup

JUDGED = {
    "pods": frozenset({"CREATE", "UPDATE"}),
    "bindings": frozenset({"CREATE"}),
    "resourceclaims": frozenset({"CREATE"}),
}
"""Operations that are judged, by resource; of a pod's subresources a binding is created, the others are updates."""

LONGEST_UID = 64
LONGEST_NAME = 253
"""Characters; the API server's uids have 36, and no name of it is longer."""


def ask_of(request: Request, *, enforced: bool, unknown: str = "") -> Ask:
    """Return what a review asks, with what it refers to still to be looked up; raises ``BadReview``."""
    if request.resource.resource == "resourceclaims":
        claim = wire.parse_claim(request.object)
        return _named(request, claim.metadata, Pod(), claim=claim, enforced=enforced, unknown=unknown)
    if request.kind.kind == "Binding":
        binding = wire.parse_binding(request.object)
        return _named(request, binding.metadata, Pod(), node=binding.target.name, enforced=enforced, unknown=unknown)
    pod = wire.parse_pod(request.object)
    before = wire.parse_pod(request.old_object) if request.operation == "UPDATE" else None
    return _named(request, pod.metadata, pod, before=before, enforced=enforced, unknown=unknown)


def _named(
    request: Request,
    metadata: Meta,
    pod: Pod,
    *,
    before: Pod | None = None,
    claim: ResourceClaim | None = None,
    node: str = "",
    enforced: bool,
    unknown: str,
) -> Ask:
    uid, name = metadata.uid, request.name or metadata.name or metadata.generate_name
    if not (uid or node or request.dry_run):
        # By its uid an object is counted once: two without one would be one.
        raise wire.BadReview("request.object.metadata.uid is missing; the API server gives every object one")
    if len(uid) > LONGEST_UID:
        raise wire.BadReview(f"request.object.metadata.uid has {len(uid)} characters; the API server gives it 36")
    if max(len(name), len(request.namespace)) > LONGEST_NAME:
        raise wire.BadReview(f"the name or the namespace is longer than {LONGEST_NAME} characters")
    return Ask(
        uid=uid,
        namespace=request.namespace,
        name=name,
        pod=pod,
        before=before,
        claim=claim,
        node=node,
        dry_run=bool(request.dry_run),
        enforced=enforced,
        unknown=unknown,
    )


async def completed(ask: Ask, caller: str, lookup: Lookup, makers: Collection[str]) -> Ask:
    """Return the ask with what it refers to: a pod's claims, or the pod that a claim is made for."""
    try:
        if ask.claim is not None:
            return await _with_owner(ask, ask.claim, lookup) if caller in makers else ask
        if ask.node:
            return await _bound(ask, lookup)
        if ask.pod.spec.resource_claims and ask.before is None:
            read = given_claims if ask.running else claims_of
            return msgspec.structs.replace(ask, claims=await read(ask.pod, ask.namespace, lookup))
    except LookupFailed as failed:
        return msgspec.structs.replace(ask, unknown=ask.unknown or str(failed))
    return ask


async def _bound(ask: Ask, lookup: Lookup) -> Ask:
    """Return the ask with the pod as it would be on the node; a pod that is gone asks for nothing."""
    pod = await lookup.pod(ask.namespace, ask.name)
    if pod is None or ask.uid not in {"", pod.metadata.uid}:
        return ask
    spec = msgspec.structs.replace(pod.spec, node_name=ask.node)
    return msgspec.structs.replace(ask, pod=msgspec.structs.replace(pod, spec=spec))


async def _with_owner(ask: Ask, claim: ResourceClaim, lookup: Lookup) -> Ask:
    """A pod that is gone or has ended, or another of the same name, is not who the claim is made for."""
    owner = owner_of(claim)
    pod = await lookup.pod(ask.namespace, owner.name) if owner else None
    if owner is None or pod is None or pod.metadata.uid != owner.uid or pod.status.phase in ENDED:
        return ask
    return msgspec.structs.replace(ask, pod=pod, made_for=True)
