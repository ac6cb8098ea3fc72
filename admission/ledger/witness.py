"""Quorum reads of pods and claims: what the API server answers from its newest state."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError
from admission.cluster.decoding import Decoder
from admission.ledger.homes import TENANTS, ChargedTenant, Homes
from admission.ledger.limits import Kind
from admission.ledger.seen import ENDED
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from admission.cluster.client import Client
    from admission.ledger.pods import PodCensus
    from admission.ledger.state import Entry

PODS, CLAIMS = "pods", "resourceclaims"

_pods = Decoder(Pod)
_claims = Decoder(ResourceClaim)
_charged = Decoder(ChargedTenant)
_page = Decoder(wire.Page)
_identified = Decoder(wire.Identified)

_COLLECTION = {Kind.Pod: ("/api/v1", PODS), Kind.Claim: ("/apis/resource.k8s.io/v1", CLAIMS)}

logger = logging.getLogger(__name__)


class ClusterWitness:
    """See ``admission.ledger.census.Witness``."""

    def __init__(self, client: Client, census: PodCensus, page: int = 100) -> None:
        self._client, self._census, self._page = client, census, page

    async def recount(self) -> PodCensus:
        """Count all pods and claims by paged lists begun now, attributed as the census of the watch has them.

        What cannot be read is told of (``Census.unreadable``), and the rest counted.
        """
        census, every = self._census.heir(), {"limit": str(self._page)}
        async for page in self._pages(Kind.Pod, every):
            for raw in page.items or ():
                _count(census, PODS, raw, lambda raw: census.take(_pods.decode(raw)))
            census.resource_version = int(page.metadata.resource_version)
        async for page in self._pages(Kind.Claim, every):
            for raw in page.items or ():
                _count(census, CLAIMS, raw, lambda raw: census.take_claim(_claims.decode(raw)))
            census.claims_version = int(page.metadata.resource_version)
        census.charging.homes = await self._homes()
        return census

    async def _homes(self) -> Homes:
        """Read where every Tenant's charges stand; what cannot be read stands as the watch last could.

        Where that is not known either there is no count, as a charge would be missing where it stands.
        """
        homes, known = Homes(), self._census.charging.homes
        async for page in self._listed(TENANTS, {"limit": str(self._page)}):
            for raw in page.items or ():
                try:
                    homes.take(_charged.decode(raw))
                except (msgspec.MsgspecError, ValueError):
                    homes.take_over(_identified.decode(raw).metadata.name, known)
            homes.version = int(page.metadata.resource_version)
        return homes

    async def probe(self, entry: Entry) -> bool:
        """Say whether the object of an entry is there.  An ended pod is not: nothing is made for it."""
        query = {"fieldSelector": f"metadata.name={entry.name}", "limit": "1"}
        async for page in self._pages(entry.kind, query, entry.namespace):
            for raw in page.items or ():
                there = _identified.decode(raw).metadata.uid == entry.uid
                return there and not (entry.kind is Kind.Pod and _has_ended(raw))
        return False

    async def revision(self) -> int:
        """Return the newest resourceVersion of pods."""
        page = _page.decode(await self._client.get(_path(Kind.Pod), {"limit": "1"}))
        return int(page.metadata.resource_version)

    async def _pages(self, kind: Kind, query: dict[str, str], namespace: str = "") -> AsyncIterator[wire.Page]:
        """Yield the pages of one list; none where the cluster does not serve the resource."""
        try:
            async for page in self._listed(_path(kind, namespace), query):
                yield page
        except ApiError as error:
            if kind is not Kind.Claim or error.status != HTTPStatus.NOT_FOUND:
                raise

    async def _listed(self, path: str, query: dict[str, str]) -> AsyncIterator[wire.Page]:
        while True:
            page = _page.decode(await self._client.get(path, query))
            yield page
            if not page.metadata.continue_:
                return
            query = {**query, "continue": page.metadata.continue_}


def _count(census: PodCensus, resource: str, raw: bytes, take: Callable[[bytes], None]) -> None:
    try:
        take(raw)
    except Exception:
        # Whatever is wrong with one object, the others are counted.
        identity = _identified.decode(raw).metadata
        logger.exception("%s %s cannot be counted", resource, identity.key)
        census.doubt(resource, identity.key, identity.uid)


def _has_ended(raw: bytes) -> bool:
    """Whether a pod is known to have ended: of one that cannot be read it is not."""
    try:
        return _pods.decode(raw).status.phase in ENDED
    except msgspec.MsgspecError:
        return False


def _path(kind: Kind, namespace: str = "") -> str:
    prefix, resource = _COLLECTION[kind]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{within}/{resource}"
