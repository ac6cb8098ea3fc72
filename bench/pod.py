"""Measure what one accelerator pod costs the server inside its process: ``make bench-pod``.

Everything but sockets, TLS and HTTP: reviews of different pods go through the real gate, judge and ledger, in crowds as
group commit sees them, over an API server that is a dictionary; each pod then comes by the watch that the leader has.
Told are processor time of the thread, and lines of Python that ran: these no other load on the machine changes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.api import TENANT_LABEL
from admission.api.accelerator import AcceleratorPool
from admission.api.policy import AccessPolicy
from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.cli.claims import FileLookup
from admission.cluster.client import ApiError
from admission.cluster.clock import Clock
from admission.cluster.reflector import Reflector
from admission.decide.registry import Registry
from admission.ledger.ledger import Ledger
from admission.ledger.objects import ObjectStore
from admission.ledger.pods import PodCensus
from admission.ledger.state import State
from admission.review.pod import Pod
from admission.server.config import ENTRIES
from admission.server.gate import Gate
from admission.server.judge import Judge
from admission.server.metrics import Metrics
from bench import bodies
from bench.machine import machine
from bench.result import publish
from tests.e2e.objects import examples, quota, tenant

if TYPE_CHECKING:
    from collections.abc import Coroutine

NAMESPACE, COUNTRY = "team-a", "FR"
KINDS = {kind.__name__: kind for kind in (AccessPolicy, AcceleratorPool, ComputeQuota, Tenant)}


class Memory:
    """An API server that holds one ledger."""

    def __init__(self) -> None:
        self.version, self._held = 1, b""

    async def request(self, method: str, path: str, *, body: bytes | None = None, **_: Any) -> bytes:  # noqa: ARG002 (as the client's own)
        """Store, or return, the ledger."""
        if body is not None:
            self.version += 1
            held: dict[str, Any] = msgspec.json.decode(body)
            held["metadata"]["resourceVersion"] = str(self.version)
            if method == "POST":
                held["status"] = {"format": 1, "initialized": True}
            self._held = msgspec.json.encode(held)
        if not self._held:
            raise ApiError(404, "NotFound", "no ledger yet")
        return self._held


class Server:
    """What of the server a pod meets, put together as in a cluster."""

    def __init__(self) -> None:
        self.registry, self._clock = _registry(), Clock()
        self._store = ObjectStore(Memory())
        self._ledger = Ledger(self._store)
        judge = Judge(self.registry, self._ledger, reference_key=b"k" * 32, contact="a@example.com")
        self.gate = Gate(
            judge,
            self._ledger,
            metrics=Metrics([name for name, _ in ENTRIES]),
            record=lambda _: None,
            contact="a@example.com",
            find_namespace=_found,
            lookup=FileLookup(),
            now=self._clock,
        )
        self.census = PodCensus(self.registry, self._clock)
        self._pods = Reflector[Pod](None, "/api/v1/pods", Pod, on_change=lambda event: self.census.take(event.item))  # type: ignore[arg-type, union-attr]  # no client is asked, and none is deleted
        review = bodies.review(3, NAMESPACE)
        self._body = review.replace(b'"nvidia.com/gpu":"8"', b'"nvidia.com/gpu":"1"')
        pod = msgspec.json.decode(self._body)["request"]["object"]
        pod["metadata"]["resourceVersion"] = "7"
        self._line = msgspec.json.encode({"type": "ADDED", "object": pod})
        self._made = 0

    async def crowd(self, pods: int) -> None:
        """Let so many pods in at once, see them come, and take them out of the ledger as a fold does."""
        uids = [f"{number:08x}-0000-4000-8000-000000000000".encode() for number in range(self._made, self._made + pods)]
        self._made += pods
        marker = bodies.MARKER.encode()
        asked = (self.gate.review("enforced", 10.0, self._body.replace(marker, uid)) for uid in uids)
        answers = await asyncio.gather(*asked)
        if not all(b'"allowed":true' in answer for answer in answers):
            raise SystemExit(f"refused: {answers[0].decode()}")
        for uid in uids:
            self._pods._take_line(self._line.replace(marker, uid).replace(b"train-llm-0", uid))  # noqa: SLF001 (as a watch does)
        stands = await self._store.read(COUNTRY, 1.0)
        await self._store.write(COUNTRY, State(initialized=True), stands.version, 1.0)


async def _found(_: str) -> bool:
    return True


def _registry() -> Registry:
    """The example policy, and a cleared tenant under a limit that is not reached."""
    registry = Registry(Catalogue.builtin(), default_country=COUNTRY)
    for each in [*examples("policy", "pools"), quota("bench", COUNTRY, 10**6), tenant("bench", COUNTRY)]:
        registry.put(KINDS[each["kind"]].model_validate(each))
    registry.put_namespace(NAMESPACE, {TENANT_LABEL: "bench"})
    return registry


async def _measured(options: argparse.Namespace) -> dict[str, Any]:
    server = Server()
    for _ in range(options.warm_up):
        await server.crowd(options.crowd)
    gc.collect()
    gc.freeze()
    times = []
    for _ in range(options.rounds):
        begun = time.thread_time_ns()
        await server.crowd(options.crowd)
        times.append((time.thread_time_ns() - begun) / 1000 / options.crowd)
    lines = await _lines_of(server.crowd(options.crowd))
    quarter = statistics.quantiles(times, n=4)[0]
    figures = {"median_us": statistics.median(times), "calm_us": quarter, "lines": lines / options.crowd}
    return {name: round(each, 1) for name, each in figures.items()}


async def _lines_of(work: Coroutine[Any, Any, None]) -> int:
    """Await, and return how many lines of Python the loop ran meanwhile."""
    count = 0

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        await asyncio.create_task(work)
    finally:
        sys.settrace(None)
    return count


def _table(result: dict[str, Any]) -> str:
    return "\n".join(
        (
            result["machine"],
            "",
            "| µs for each pod, median | calmest quarter | lines of Python |",
            "| ---: | ---: | ---: |",
            f"| {result['median_us']} | {result['calm_us']} | {result['lines']:.0f} |",
        )
    )


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crowd", type=int, default=16, help="pods in one commit")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "pod.json")
    options = parser.parse_args()
    result = {"machine": machine(), **uvloop.run(_measured(options))}
    publish(result, _table(result), options.out)


if __name__ == "__main__":
    main()
