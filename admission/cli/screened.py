"""Tenants to screen, and where what was found of them is written: files, which are only read, or a cluster."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pydantic

from admission.api import API_VERSION
from admission.api.dismissal import ScreeningDismissal
from admission.api.tenant import Tenant
from admission.cli import files
from admission.cluster.client import ApiError
from admission.cluster.lists import pages

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from admission.api.clearance import Screening
    from admission.cluster.client import Client

CLUSTER = "cluster"
TRIES = 3
_TENANTS = f"/apis/{API_VERSION}/tenants"
_DISMISSALS = f"/apis/{API_VERSION}/{ScreeningDismissal.crd.plural}"


class Parties(NamedTuple):
    """Tenants, with the dismissals of their hits; ``problems`` are objects that cannot be read."""

    tenants: tuple[Tenant, ...]
    dismissals: tuple[ScreeningDismissal, ...]
    problems: tuple[str, ...] = ()


def from_files(path: pathlib.Path) -> Parties:
    """Read Tenants and ScreeningDismissals from a file or folder.  Raises ``FileError``."""
    wanted = {"Tenant", ScreeningDismissal.__name__}
    objects = [files.parse(document) for document in files.read([path]) if document.kind in wanted]
    return Parties(
        tuple(each for each in objects if isinstance(each, Tenant)),
        tuple(each for each in objects if isinstance(each, ScreeningDismissal)),
    )


async def from_cluster(client: Client) -> Parties:
    """Read them from a cluster; one that cannot be read is told of, the others still are.  Raises ``ClusterError``."""
    tenants, unread = await _every(client, _TENANTS, Tenant.model_validate_json)
    dismissals, broken = await _every(client, _DISMISSALS, ScreeningDismissal.model_validate_json)
    return Parties(tuple(tenants), tuple(dismissals), (*unread, *broken))


async def _every(client: Client, path: str, decode: Callable[[bytes], object]) -> tuple[list[Any], list[str]]:
    found, problems = [], []
    async for page in pages(client, path):
        for raw in page:
            try:
                found.append(decode(bytes(raw)))
            except pydantic.ValidationError as error:
                problems.append(f"{path.rpartition('/')[2]}: {error.error_count()} fields cannot be read")
        await asyncio.sleep(0)
    return found, problems


async def write(client: Client, tenant: Tenant, screen: Callable[[Tenant], Screening]) -> Screening:
    """Write what ``screen`` says of a tenant into its status; of a newer tenant anew, if it has changed meanwhile.

    Raises ``ClusterError``.
    """
    for _ in range(TRIES - 1):
        try:
            return await _write(client, tenant, screen(tenant))
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        tenant = Tenant.model_validate_json(await client.get(f"{_TENANTS}/{tenant.name}"))
    return await _write(client, tenant, screen(tenant))


async def _write(client: Client, tenant: Tenant, screening: Screening) -> Screening:
    """Compare and swap: what somebody judged of a hit meanwhile is not overwritten."""
    absent = {str(field.alias): None for field in type(screening).model_fields.values()}
    stated = screening.model_dump(mode="json", by_alias=True, exclude_none=True)
    patch = {
        "metadata": {"resourceVersion": tenant.metadata.resource_version},
        "status": {"screening": {**absent, **stated}},
    }
    await client.merge_patch(f"{_TENANTS}/{tenant.name}/status", msgspec.json.encode(patch))
    return screening
