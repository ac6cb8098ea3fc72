"""Quorum reads of pods and claims: what the API server answers from its newest state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.cluster import wire
from admission.cluster.client import ApiError
from admission.ledger.homes import TENANTS, ChargedTenant, Homes
from admission.ledger.limits import Kind
from admission.ledger.pods import ENDED
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from admission.cluster.client import Client
    from admission.ledger.pods import PodCensus
    from admission.ledger.state import Entry

PODS, CLAIMS = "pods", "resourceclaims"

_pods = msgspec.json.Decoder(Pod)
_claims = msgspec.json.Decoder(ResourceClaim)
_charged = msgspec.json.Decoder(ChargedTenant)
_page = msgspec.json.Decoder(wire.Page)
_identified = msgspec.json.Decoder(wire.Identified)

_COLLECTION = {Kind.Pod: ("/api/v1", PODS), Kind.Claim: ("/apis/resource.k8s.io/v1", CLAIMS)}
_NOT_FOUND = 404


class ClusterWitness:
    """See ``admission.ledger.census.Witness``."""

    def __init__(self, client: Client, census: PodCensus, page: int = 100) -> None:
        self._client, self._census, self._page = client, census, page

    async def recount(self) -> PodCensus:
        """Count all pods and claims by paged lists begun now, attributed as the census of the watch has them."""
        census, every = self._census.heir(), {"limit": str(self._page)}
        async for page in self._pages(Kind.Pod, every):
            for raw in page.items or ():
                census.take(_pods.decode(raw))
            census.resource_version = int(page.metadata.resource_version)
        async for page in self._pages(Kind.Claim, every):
            for raw in page.items or ():
                census.take_claim(_claims.decode(raw))
            census.claims_version = int(page.metadata.resource_version)
        census.charging.homes = await self._homes()
        return census

    async def _homes(self) -> Homes:
        """Read where every Tenant's charges stand."""
        homes = Homes()
        async for page in self._listed(TENANTS, {"limit": str(self._page)}):
            for raw in page.items or ():
                homes.take(_charged.decode(raw))
            homes.version = int(page.metadata.resource_version)
        return homes

    async def probe(self, entry: Entry) -> bool:
        """Say whether the object of an entry is there.  An ended pod is not: nothing is made for it."""
        query = {"fieldSelector": f"metadata.name={entry.name}", "limit": "1"}
        async for page in self._pages(entry.kind, query, entry.namespace):
            for raw in page.items or ():
                found = _pods.decode(raw) if entry.kind is Kind.Pod else None
                uid = found.metadata.uid if found else _identified.decode(raw).metadata.uid
                return uid == entry.uid and not (found and found.status.phase in ENDED)
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
            if kind is not Kind.Claim or error.status != _NOT_FOUND:
                raise

    async def _listed(self, path: str, query: dict[str, str]) -> AsyncIterator[wire.Page]:
        while True:
            page = _page.decode(await self._client.get(path, query))
            yield page
            if not page.metadata.continue_:
                return
            query = {**query, "continue": page.metadata.continue_}


def _path(kind: Kind, namespace: str = "") -> str:
    prefix, resource = _COLLECTION[kind]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{within}/{resource}"
