"""Patches statuses, and creates Allowances, for whoever keeps one current."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from admission.api import API_VERSION
from admission.cluster.client import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pydantic

    from admission.cluster.client import Client

ALLOWANCE = "compute"
"""The one Allowance of a namespace."""

ROUND_SECONDS = 1.0
LEAST_SECONDS = 10.0
"""Between two writes to the Allowance of one namespace by one process, while its tenant stands as it did."""

_PATH = f"/apis/{API_VERSION}"

logger = logging.getLogger(__name__)


class Patcher:
    """Merge-patches statuses; says once what keeps failing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.failures = 0

    async def patch(self, path: str, status: Mapping[str, Any]) -> bool:
        """Patch a status; False when it was refused or not answered."""
        try:
            await self._client.merge_patch(f"{_PATH}/{path}/status", msgspec.json.encode({"status": status}))
        except ClusterError as error:
            self._failed(path, error)
            return False
        return True

    async def create(self, path: str, body: Mapping[str, Any]) -> bool:
        """Create an object; False when it was refused or not answered."""
        try:
            await self._client.create(f"{_PATH}/{path}", msgspec.json.encode(body))
        except ClusterError as error:
            self._failed(path, error)
            return False
        return True

    def _failed(self, path: str, error: ClusterError) -> None:
        self.failures += 1
        logger.log(logging.WARNING if self.failures == 1 else logging.DEBUG, "status of %s: %s", path, error)


async def create_allowance(patcher: Patcher, namespace: str) -> bool:
    """Create the Allowance of a namespace."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "Allowance",
        "metadata": {"name": ALLOWANCE, "namespace": namespace},
    }
    return await patcher.create(f"namespaces/{namespace}/allowances", body)


def dumped(model: pydantic.BaseModel) -> dict[str, Any]:
    """Return a model as it is written."""
    dumped: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return dumped
