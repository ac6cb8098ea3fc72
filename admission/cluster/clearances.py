"""``status.kyc`` of Tenants: read, and written by compare-and-swap, with nothing else of the object touched."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pydantic

from admission.api.tenant import Tenant
from admission.cluster.client import ApiError, ClusterError
from admission.cluster.lists import pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from admission.api.clearance import KYC
    from admission.api.object import Model
    from admission.cluster.client import Client
    from admission.tenants.verification import Step

TENANTS = "/apis/computegate.io/v1alpha1/tenants"

_TURNS = 5


class NoTenant(LookupError):  # noqa: N818 (what is wrong)
    """There is no Tenant of this name."""


class Clearances:
    """The clearances of a cluster's Tenants."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, name: str) -> Tenant:
        """Return a Tenant.  Raises ``NoTenant`` and ``ClusterError``."""
        try:
            return _tenant(await self._client.get(f"{TENANTS}/{quote(name, safe='')}"))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise NoTenant(f"there is no Tenant {name}") from None
            raise

    async def every(self) -> AsyncIterator[dict[str, Any]]:
        """Yield all Tenants as they are stored.  Raises ``ClusterError``."""
        async for page in pages(self._client, TENANTS):
            for each in page:
                yield msgspec.json.decode(each)

    async def create(self, tenant: dict[str, Any], *, dry_run: bool = False) -> Tenant:
        """Create a Tenant, without its status.  Raises ``ClusterError``."""
        query = {"dryRun": "All"} if dry_run else None
        return _tenant(await self._client.request("POST", TENANTS, query=query, body=msgspec.json.encode(tenant)))

    async def write(self, tenant: Tenant, status: Mapping[str, Model], *, dry_run: bool = False) -> None:
        """Write these parts of the status, by field, of the Tenant as it was read.

        Raises ``ClusterError``, also when the Tenant has changed since.
        """
        patch = {
            "metadata": {"resourceVersion": tenant.metadata.resource_version},
            "status": {name: _whole(part) for name, part in status.items()},
        }
        await self._client.request(
            "PATCH",
            f"{TENANTS}/{tenant.name}/status",
            query={"dryRun": "All"} if dry_run else None,
            body=msgspec.json.encode(patch),
            content_type="application/merge-patch+json",
        )

    async def advance(self, name: str, step: Callable[[KYC | None], Step]) -> Step:
        """Read, take a step and write it; again while others write the same Tenant.

        Raises what ``step`` raises, ``NoTenant`` and ``ClusterError``.
        """
        for turn in range(_TURNS):
            tenant = await self.read(name)
            taken = step(tenant.status.kyc)
            if taken.kyc is None:
                return taken
            try:
                await self.write(tenant, {"kyc": taken.kyc})
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT or turn == _TURNS - 1:
                    raise
            else:
                return taken
        raise AssertionError


def _tenant(stored: bytes) -> Tenant:
    try:
        return Tenant.model_validate(msgspec.json.decode(stored))
    except (pydantic.ValidationError, msgspec.MsgspecError) as error:
        raise ClusterError(f"a Tenant cannot be read: {' '.join(str(error).split())[:500]}") from error


def _whole(part: Model) -> dict[str, Any]:
    """Return every field, null where it says no more than its absence: a merge patch keeps what it does not name."""
    said = part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**dict.fromkeys(part.model_dump(by_alias=True)), **said}
