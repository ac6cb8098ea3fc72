"""The statuses of Enforcements: written by compare-and-swap, so that of two leaders one learns what the other did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from admission.api import API_VERSION
from admission.api.enforcement import Enforcement
from admission.cluster.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.cluster.client import Client
    from admission.decide.registry import Registry

_OVERTAKEN = {404, 409}
"""It is gone, or somebody else wrote since."""


class Statuses:
    """The newest that is known of each Enforcement, of the watch or of our own last write."""

    def __init__(self, client: Client, registry: Registry) -> None:
        self._client, self._registry = client, registry
        self._written: dict[str, Enforcement] = {}
        self.writes = 0

    def every(self) -> tuple[Enforcement, ...]:
        """Return all Enforcements."""
        watched = {each.name: each for each in self._registry.every(Enforcement)}
        self._written = {name: each for name, each in self._written.items() if name in watched}
        return tuple(self._newest(each) for each in watched.values())

    def _newest(self, watched: Enforcement) -> Enforcement:
        written = self._written.get(watched.name)
        if written is None or written.metadata.uid != watched.metadata.uid:
            return watched
        return max(watched, written, key=_version)

    async def write(self, enforcement: Enforcement, **fields: Any) -> Enforcement | None:
        """Write fields of a status; None where somebody else wrote since.  Raises ``ClusterError``."""
        after = enforcement.status.model_copy(update=fields)
        status = after.model_dump(mode="json", by_alias=True)
        names = {type(after).model_fields[name].alias or name for name in fields}
        body: Mapping[str, Any] = {
            "metadata": {"resourceVersion": enforcement.metadata.resource_version},
            "status": {name: value for name, value in status.items() if name in names},
        }
        try:
            path = f"/apis/{API_VERSION}/enforcements/{enforcement.name}/status"
            raw = await self._client.merge_patch(path, msgspec.json.encode(body))
        except ApiError as error:
            if error.status not in _OVERTAKEN:
                raise
            return None
        self.writes += 1
        self._written[enforcement.name] = written = Enforcement.model_validate_json(raw)
        return written


def _version(each: Enforcement) -> int:
    text = each.metadata.resource_version
    return int(text) if text.isdecimal() else 0
