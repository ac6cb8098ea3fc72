"""Reading workloads, in a thread of its own: an object can be large, and its search must not hold up the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from admission.cluster.lookup import LookupFailed
from admission.demand.request import DemandError
from admission.demand.workloads.change import Change, Draft, Roles, change_of, draft_of
from admission.demand.workloads.fields import at, mapped, text
from admission.demand.workloads.pods import made_claims
from admission.review import messages, wire
from admission.server.asking import LONGEST_UID
from admission.server.claims import claims_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from admission.decide.registry import Registry
    from admission.demand.inventory import Inventory
    from admission.demand.workloads.table import Table
    from admission.review.wire import Request
    from admission.server.claims import Lookup

LARGEST = 1 << 20
"""Bytes of an object that is looked into.  By default etcd takes 1.5 MiB; what people write is a hundredth of that."""

MOST_VALUES = 20_000
"""Maps and lists of an object that is looked into, as counted by their brackets; of 4096 containers it has fewer."""

MOST_REFERENCES = 32
"""Claims and templates that are looked up for one workload, each in the cluster."""

T = TypeVar("T")


class Read(NamedTuple):
    """What stands in the object of a review: its uid, what it asks for, and whether its pods come later.

    ``unknown`` is what it refers to and nobody could tell.
    """

    uid: str
    change: Change
    waits: bool = False
    unknown: str = ""


class Reader:
    """Reads one workload after the other; whoever waits longer than its budget gives up, and is then skipped."""

    def __init__(self, registry: Registry, kinds: Callable[[], Table], lookup: Lookup) -> None:
        self._registry, self._kinds, self._lookup = registry, kinds, lookup
        self._thread = ThreadPoolExecutor(1, "workloads")
        self._inventory: Inventory | None = None
        self._own: Inventory | None = None

    async def read(self, request: Request) -> Read:
        """Return what the object asks for; raises ``CountError``, ``DemandError`` or ``BadReview``."""
        for each in (bytes(request.object), bytes(request.old_object)):
            if len(each) > LARGEST or each.count(b"{") + each.count(b"[") > MOST_VALUES:
                raise DemandError(messages.workload_too_large(LARGEST, MOST_VALUES))
        read, draft = await self._aside(_read, request, self._kinds())
        if draft is None:
            return read
        try:
            draft = await self._completed(draft, request.namespace)
        except LookupFailed as failed:
            read = read._replace(unknown=str(failed))
        return read._replace(change=await self._aside(change_of, draft, self._taken()))

    async def _aside(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _bounded, work, *arguments)

    async def _completed(self, draft: Draft, namespace: str) -> Draft:
        """Return the draft with the claims of its pods; raises ``DemandError`` and ``LookupFailed``."""
        every = (*draft.now.values(), *(draft.was or {}).values())
        if sum(len(each.pod.spec.resource_claims or ()) for each in every) > MOST_REFERENCES:
            raise DemandError(f"its pods refer to more than {MOST_REFERENCES} claims")
        now = await self._with_claims(draft.now, namespace)
        return replace(draft, now=now, was=draft.was and await self._with_claims(draft.was, namespace))

    async def _with_claims(self, roles: Roles, namespace: str) -> Roles:
        found = dict(roles)
        for place, each in roles.items():
            if each.pod.spec.resource_claims:
                claims = await claims_of(each.pod, namespace, self._lookup)
                found[place] = each._replace(claims={**claims, **made_claims(each.role)})
        return found

    def _taken(self) -> Inventory:
        """Return the inventory with memories of its own: the event loop fills the other's at the same time."""
        current = self._registry.inventory
        if self._own is None or current is not self._inventory:
            self._inventory, self._own = current, current.apart()
        return self._own


def _bounded(work: Callable[..., T], *arguments: Any) -> T:
    try:
        return work(*arguments)
    except RecursionError:
        raise DemandError("it is nested too deeply") from None


def _read(request: Request, kinds: Table) -> tuple[Read, Draft | None]:
    """Return what can be read without the cluster, and the pods to be; none where the object is being deleted."""
    document = _document(request, request.object)
    metadata = mapped(document, "metadata")
    read = Read(text(metadata, "uid")[:LONGEST_UID], Change(), _waits(document))
    if metadata.get("deletionTimestamp"):
        return read, None
    before = _document(request, request.old_object) if request.operation == "UPDATE" else None
    return read, draft_of(document, before, kinds, _nobody)


def _document(request: Request, raw: msgspec.Raw) -> dict[str, Any]:
    """Return an object of the review, under the name that the webhook configuration asked for."""
    kind = request.kind
    api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    return {**wire.parse_object(raw), "apiVersion": api_version, "kind": kind.kind}


def _nobody(_kind: str, _name: str) -> None:
    """Nothing that a workload refers to, but the claims of its pods, is looked up: runtimes and models are not."""


def _waits(document: dict[str, Any]) -> bool:
    """Whether the workload is suspended, to be started by a queue, or runs by a schedule: there may be room by then."""
    spec = mapped(document, "spec")
    suspended = True in (at(spec, "suspend"), at(spec, "runPolicy", "suspend"))
    return suspended or bool(at(spec, "schedule"))
