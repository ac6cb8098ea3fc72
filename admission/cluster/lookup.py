"""Reads of single objects that a review refers to: claims, their templates, groups of pods, pods.

They go to the API server each time: a name can stand for another object a moment later.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.cluster.decoding import Decoder
from admission.review.claim import ClaimSpec, PodGroup, ResourceClaim, ResourceClaimTemplate
from admission.review.pod import Pod

if TYPE_CHECKING:
    from admission.cluster.client import Client

SECONDS = 2.0
"""For one read."""

GROUP_VERSIONS = ("v1beta1", "v1alpha3", "v1alpha2")
"""Versions of scheduling.k8s.io in which a cluster may serve groups of pods, the newest first."""

_CLAIMS = "/apis/resource.k8s.io/v1"

T = TypeVar("T")


class LookupFailed(ClusterError):  # noqa: N818 (what happened; a repeat may succeed)
    """Nobody can tell whether the object is there; the message says how."""


class ClusterLookup:
    """Looks objects up in a cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._claim = Decoder(ResourceClaim)
        self._template = Decoder(ResourceClaimTemplate)
        self._group = Decoder(PodGroup)
        self._pod = Decoder(Pod)

    async def template(self, namespace: str, name: str) -> ClaimSpec | None:
        """Return what the claims of a ResourceClaimTemplate ask for."""
        path = f"{_CLAIMS}/namespaces/{namespace}/resourceclaimtemplates/{name}"
        found = await self._read(path, self._template)
        return found.spec.spec if found else None

    async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
        """Return a ResourceClaim as it stands now."""
        return await self._read(f"{_CLAIMS}/namespaces/{namespace}/resourceclaims/{name}", self._claim)

    async def group(self, namespace: str, name: str) -> PodGroup | None:
        """Return a group of pods; None also where the cluster has no such groups."""
        for version in GROUP_VERSIONS:
            path = f"/apis/scheduling.k8s.io/{version}/namespaces/{namespace}/podgroups/{name}"
            found = await self._read(path, self._group)
            if found is not None:
                return found
        return None

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod as it stands now."""
        return await self._read(f"/api/v1/namespaces/{namespace}/pods/{name}", self._pod)

    async def _read(self, path: str, decoder: Decoder[T]) -> T | None:
        what = path.partition("/namespaces/")[2]
        try:
            return decoder.decode(await self._client.request("GET", path, timeout=SECONDS))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise LookupFailed(f"{what}: {error}") from error
        except (ClusterError, msgspec.MsgspecError) as error:
            raise LookupFailed(f"{what}: {error}") from error
