"""Reading workloads, in a thread of its own: an object can be large, and its search must not hold up the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import LRUCache

from admission.demand.request import DemandError
from admission.demand.workloads.change import Change, change_of
from admission.demand.workloads.fields import at, mapped, text
from admission.review import messages, wire
from admission.server.gate import LONGEST_UID

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from admission.decide.registry import Registry
    from admission.demand.inventory import Inventory
    from admission.demand.workloads.table import Table
    from admission.review.wire import Request

LARGEST = 1 << 20
"""Bytes of an object that is looked into.  By default etcd takes 1.5 MiB; what people write is a hundredth of that."""

MOST_VALUES = 20_000
"""Maps and lists of an object that is looked into, as counted by their brackets; of 4096 containers it has fewer."""


class Read(NamedTuple):
    """What stands in the object of a review: its uid, what it asks for, and whether its pods come later."""

    uid: str
    change: Change
    waits: bool = False


class Reader:
    """Reads one workload after the other; whoever waits longer than its budget gives up, and is then skipped."""

    def __init__(self, registry: Registry, kinds: Callable[[], Table]) -> None:
        self._registry, self._kinds = registry, kinds
        self._thread = ThreadPoolExecutor(1, "workloads")
        self._inventory: Inventory | None = None
        self._own: Inventory | None = None

    async def read(self, request: Request) -> Read:
        """Return what the object asks for; raises ``CountError``, ``DemandError`` or ``BadReview``."""
        for each in (bytes(request.object), bytes(request.old_object)):
            if len(each) > LARGEST or each.count(b"{") + each.count(b"[") > MOST_VALUES:
                raise DemandError(messages.workload_too_large(LARGEST, MOST_VALUES))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _read, request, self._kinds(), self._taken())

    def _taken(self) -> Inventory:
        """Return the inventory with memories of its own: the event loop fills the other's at the same time."""
        current = self._registry.inventory
        if self._own is None or current is not self._inventory:
            self._inventory, self._own = current, replace(current, reached=LRUCache(current.reached.maxsize))
        return self._own


def _read(request: Request, kinds: Table, inventory: Inventory) -> Read:
    try:
        document = _document(request, request.object)
        metadata = mapped(document, "metadata")
        uid = text(metadata, "uid")[:LONGEST_UID]
        if metadata.get("deletionTimestamp"):
            return Read(uid, Change())
        before = _document(request, request.old_object) if request.operation == "UPDATE" else None
        return Read(uid, change_of(document, before, kinds, _nobody, inventory), _waits(document))
    except RecursionError:
        raise DemandError("it is nested too deeply") from None


def _document(request: Request, raw: msgspec.Raw) -> dict[str, Any]:
    """Return an object of the review, under the name that the webhook configuration asked for."""
    kind = request.kind
    api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    return {**wire.parse_object(raw), "apiVersion": api_version, "kind": kind.kind}


def _nobody(_kind: str, _name: str) -> None:
    """Nothing that a workload refers to is at hand: neither runtimes nor claims are watched."""


def _waits(document: dict[str, Any]) -> bool:
    """Whether the workload is suspended, to be started by a queue, or runs by a schedule: there may be room by then."""
    spec = mapped(document, "spec")
    suspended = True in (at(spec, "suspend"), at(spec, "runPolicy", "suspend"))
    return suspended or bool(at(spec, "schedule"))
