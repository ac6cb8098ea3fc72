"""Remembers what nodes show of each class of accelerators, in one AcceleratorPresence for each; run by the leader."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from admission.api import API_VERSION
from admission.api.presence import AcceleratorPresence, AcceleratorPresenceSpec
from admission.cluster.client import ClusterError
from admission.demand.presence import sighted

if TYPE_CHECKING:
    from admission.api.presence import SeenNodes
    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.demand.inventory import Inventory

ROUND_SECONDS = 1.0

_PRESENCES = f"/apis/{API_VERSION}/{AcceleratorPresence.crd.plural}"

logger = logging.getLogger(__name__)


class PresenceWriter:
    """Adds what is new; takes nothing away, which is the operator's to do."""

    def __init__(self, client: Client, registry: Registry) -> None:
        self._client, self._registry = client, registry
        self._done: Inventory | None = None

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(ROUND_SECONDS)

    async def round(self) -> None:
        """Write what the nodes show beyond what is remembered; what fails is tried again in the next round."""
        inventory = self._registry.inventory
        if inventory is self._done:
            return
        known = {each.name: each for each in self._registry.every(AcceleratorPresence)}
        try:
            for name, nodes in sighted(inventory, {each: known[each].spec.nodes for each in known}).items():
                await self._write(name, nodes, known.get(name))
        except ClusterError as error:
            logger.warning("what was seen of accelerators is not remembered: %s", error)
        else:
            self._done = inventory

    async def _write(self, name: str, nodes: tuple[SeenNodes, ...], known: AcceleratorPresence | None) -> None:
        spec = AcceleratorPresenceSpec(nodes=list(nodes)).model_dump(mode="json", by_alias=True, exclude_none=True)
        body: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "AcceleratorPresence", "spec": spec}
        if known is None:
            await self._client.create(_PRESENCES, msgspec.json.encode({**body, "metadata": {"name": name}}))
        else:
            body["metadata"] = {"resourceVersion": known.metadata.resource_version}
            await self._client.merge_patch(f"{_PRESENCES}/{name}", msgspec.json.encode(body))
