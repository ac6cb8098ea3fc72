"""A gate over a small world, an embedded ledger behind it, and the reviews that are put to it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from admission.api.policy import Mode
from admission.cli.claims import FileLookup
from admission.cli.embedded import embedded_ledger
from admission.demand.workloads.table import builtin
from admission.server.gate import Gate
from admission.server.judge import Judge
from admission.server.metrics import Metrics
from admission.server.workloads import WORKLOADS, WorkloadGate
from tests.decide.questions import World, quota, world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from admission.demand.workloads.table import Table
    from admission.ledger.ledger import Ledger
    from admission.server.record import Record

KEY, CONTACT = b"k" * 32, "ops@example.com"
ENTRIES = ("enforced", "observed", "workloads")
GPU = {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/h100": "1"}}}]}
CPU = {"containers": [{"name": "main", "resources": {"limits": {"cpu": "1"}}}]}


class Door:
    """A gate with everything it leaves behind: records, metrics, the ledger."""

    def __init__(
        self,
        of: World | None = None,
        *,
        mode: Mode = Mode.Enforce,
        unready: Callable[[], str] = lambda: "",
        ledger: Ledger | None = None,
        found: bool = True,
        deny: bool = False,
        deadline_seconds: int | None = None,
        table: Table | None = None,
        record: Callable[[Record], Awaitable[None] | None] | None = None,
        unrecorded: Callable[[], str] = lambda: "",
        **fields: Any,
    ) -> None:
        self.registry = (of or world(quota())).registry()
        self.registry.default_mode = mode
        self.ledger = ledger or embedded_ledger()
        self.records: list[Record] = []
        self.metrics = Metrics(ENTRIES)
        self.asked_for: list[str] = []
        self.lookup = FileLookup()
        judge = Judge(
            self.registry, self.ledger, reference_key=KEY, contact=CONTACT, unready=unready, unrecorded=unrecorded
        )

        async def find(name: str) -> bool:
            self.asked_for.append(name)
            return found

        self.counted: list[tuple[str, str, str, int]] = []
        self.gate = Gate(
            judge,
            self.ledger,
            metrics=self.metrics,
            record=record or self.records.append,
            count=lambda line: self.counted.append((line.origin, line.decision, line.reason, line.answers)),
            contact=CONTACT,
            find_namespace=find,
            lookup=self.lookup,
            **fields,
        )
        self.table = table or builtin()
        self.workloads = WorkloadGate(
            judge,
            lambda: self.table,
            metrics=self.metrics,
            record=record or self.records.append,
            contact=CONTACT,
            excluded=fields.get("excluded", ()),
            find_namespace=find,
            lookup=self.lookup,
            deny=deny,
            deadline_seconds=deadline_seconds,
        )

    async def ask(self, body: bytes, entry: str = "observed", budget: float = 5) -> dict[str, Any]:
        """Return the ``response`` of the answer."""
        gate = self.workloads if entry == WORKLOADS else self.gate
        answer: dict[str, Any] = json.loads(await gate.review(entry, budget, body))
        response: dict[str, Any] = answer["response"]
        return response

    def busy(self, entry: str, body: bytes) -> dict[str, Any]:
        """Return the ``response`` where there is no room, and have it recorded."""

        async def ask() -> bytes:
            return self.gate.busy(entry, body)

        response: dict[str, Any] = json.loads(asyncio.run(ask()))["response"]
        self.gate.close()
        return response

    def held(self, scope: str = "DE") -> int:
        """Return the devices that stand in the ledger of a scope."""
        view = self.ledger.view(scope)
        return sum([*view.used.values(), *view.reserved.values()]) if view else 0

    def sample(self, name: str, **labels: str) -> float:
        """Return one figure of the metrics; 0 where it was never counted."""
        return self.metrics.registry.get_sample_value(name, labels) or 0


def review(spec: dict[str, Any] | None = None, uid: str = "pod-1", **fields: Any) -> bytes:
    """Return the review of a pod's creation, with fields of ``request`` replaced."""
    old = fields.pop("old", None)
    request = {
        "uid": f"review-of-{uid}",
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "lab",
        "name": uid,
        "userInfo": {"username": "alice"},
        "object": _pod(uid, GPU if spec is None else spec),
        "oldObject": None if old is None else _pod(uid, old),
        **fields,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def _pod(uid: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": uid, "namespace": "lab", "uid": uid}, "spec": spec}


def gpus(count: int | str) -> dict[str, Any]:
    return {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/h100": str(count)}}}]}


def run(*bodies: bytes, door: Door, entry: str = "observed") -> list[dict[str, Any]]:
    """Put reviews one after the other; return the responses."""

    async def asked() -> list[dict[str, Any]]:
        return [await door.ask(body, entry) for body in bodies]

    return asyncio.run(asked())


def deadline() -> float:
    return time.monotonic() + 5
