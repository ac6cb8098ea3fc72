"""Chaos on a real etcd and API server: ``make chaos MINUTES=10``, or ``python -m tests.chaos.run --help``.

Three replicas, two ledgers that share pods, a crowd at the limit, faults of every kind at seeded times, and every
revision of etcd held against what must be true.  Then the faults and the crowd end; within 90 s the ledgers must
say exactly what exists, and what is left of the limits must be there for the taking.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from admission.api.quota import ComputeQuota
from admission.decide.compute import scope_of
from tests.chaos.crowd import Crowd, fill
from tests.chaos.faults import Faults, Supervisor
from tests.chaos.following import Following
from tests.chaos.replay import Bound, Replay
from tests.e2e.history import clients
from tests.e2e.objects import examples, namespace, quota, tenant
from tests.e2e.world import World
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Sequence

    from tests.e2e.history import Tally
    from tests.e2e.objects import Object

REPLICAS, LIMIT, EACH, WIDE = 3, 64, 48, 80
EXACT_SECONDS = 90.0
"""After the last fault, for the ledgers to be exact."""
HOMES = {"alfa": "AT", "bravo": "AT", "coda": "BE"}
"""Jurisdictions of the tenants; each has a namespace of its name."""
JSON = "--storage-media-type=application/json"
"""So that the checker can read pods as they are stored."""


class Pace(NamedTuple):
    """How fast things go: bounds in seconds.

    The wait before an absence may be proved is the API server's bound on a request and ten seconds more, for a
    proposal that etcd has already: with 34 s and 44 s as in production, or with a smaller bound, which
    --request-timeout sets, and a wait that is smaller by as much.
    """

    flags: tuple[str, ...]
    wait: float
    gap: tuple[float, float]
    """Between two faults of one hand."""
    clumsy: float
    """Between two promises that a clumsy client leaves behind: together these may not fill the limit."""


PRODUCTION = Pace((JSON,), 44, (5, 25), 8)
SHORT = Pace((JSON, "--request-timeout=5s"), 15, (2, 8), 5)


@dataclass(slots=True)
class Report:
    """What a run came to."""

    seed: int
    minutes: float
    faults: Counter[str]
    crowd: Crowd
    replay: Replay
    exact_after: float
    leftover: list[str]
    filled: dict[str, int]

    @property
    def faultless(self) -> bool:
        """Whether nothing was wrong at any revision, nothing leaked, and each limit could be reached."""
        exact = not self.leftover and self.exact_after <= EXACT_SECONDS
        full = self.filled == {"AT": LIMIT, "AT and BE": WIDE}
        return exact and full and not self.replay.violated

    def __str__(self) -> str:
        lines = {
            "run": f"seed {self.seed}, {self.minutes:g} minutes, {REPLICAS} replicas, limits {LIMIT} and {WIDE}",
            "faults": f"{self.faults.total()}: " + ", ".join(f"{kind} {n}" for kind, n in sorted(self.faults.items())),
            "creates": _told(self.crowd.tally) + f"; dry runs: {_told(self.crowd.rehearsed)}",
            "deletes": f"{self.crowd.deleted:,}",
            "revisions": f"{self.replay.checked:,} of etcd, every one checked",
            "peak live": ", ".join(f"{self.replay.peaks[each.name]} of {each.limit} ({each.name})" for each in BOUNDS),
            "violations": "\n            ".join([f"{self.replay.violated}", *self.replay.violations]),
            "exact": f"{self.exact_after:.0f} s after the last fault" if not self.leftover else str(self.leftover),
            "then filled": ", ".join(f"{live} ({name})" for name, live in self.filled.items()),
        }
        return "\n".join(f"{name:<12}{text}" for name, text in lines.items())


def _told(tally: Tally) -> str:
    after = sum("already exists" in line or "exceeded quota: refuses" in line for line in tally.failed)
    counts = {
        "admitted": len(tally.admitted),
        "denied": len(tally.denied),
        "told to try again": len(tally.postponed),
        "refused after admission": after,
        "failed": len(tally.failed) - after,
    }
    return ", ".join(f"{what} {count:,}" for what, count in counts.items())


def _quotas() -> list[Object]:
    return [
        quota("austria", "AT", LIMIT, perTenant={"devices": EACH}),
        quota("both", ["AT", "BE"], WIDE),
    ]


def _bounds() -> Sequence[Bound]:
    ours = {name: name for name, country in HOMES.items() if country == "AT"}
    wide = scope_of(ComputeQuota.model_validate(_quotas()[1]))
    return (
        Bound("AT", LIMIT, ours, "AT"),
        *(Bound(f"{name} in AT", EACH, {name: name}, "AT") for name in ours),
        Bound("AT and BE", WIDE, {name: name for name in HOMES}, wide),
    )


BOUNDS = _bounds()


def _objects() -> list[Object]:
    """Return the rules, the quotas, the tenants with a namespace each, and what refuses pods after the webhook."""
    tenants = [tenant(name, country) for name, country in HOMES.items()]
    places = [namespace(name, name) for name in HOMES]
    return [*examples("policy", "pools"), *_quotas(), *tenants, *places, *map(_refusing, HOMES)]


def _refusing(where: str) -> Object:
    metadata = {"name": "refuses", "namespace": where}
    hard = {"requests.ephemeral-storage": "1Gi"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def run(directory: Path, minutes: float, seed: int, pace: Pace) -> Report:
    """Set everything up, let it storm, and judge."""
    ledger = {"rebuildSeconds": pace.wait, "expireSeconds": pace.wait}
    with (
        ControlPlane(directory / "plane", controllers=["kube-controller-manager"], flags=pace.flags) as plane,
        Installation(plane, directory / "gate", replicas=REPLICAS, ledger=ledger, wired=True) as gate,
    ):
        World(gate, patience=120).apply(*_objects())
        return asyncio.run(_storm(gate, minutes, seed, pace))


async def _storm(gate: Installation, minutes: float, seed: int, pace: Pace) -> Report:
    replay = Replay(BOUNDS)
    async with Following(gate.plane.etcd, replay) as following, clients(gate.plane.kubeconfig, 8) as those:
        supervisor = asyncio.create_task(Supervisor(gate).run())
        crowd = Crowd(those, tuple(HOMES), Random(seed), pace.clumsy)  # noqa: S311  chance, no secret
        faults = Faults(gate, those[0], Random(seed), pace.gap)  # noqa: S311  likewise
        working = asyncio.create_task(crowd.run())
        await _while(working, faults.run(minutes * 60))
        crowd.over.set()
        await working
        exact_after = await _exact(following, replay, faults.last)
        leftover = replay.leftover()
        for name in HOMES:
            await fill(those[0], name)
        await following.caught_up()
        supervisor.cancel()
        filled = {bound.name: replay.live(bound) for bound in BOUNDS if " in " not in bound.name}
    return Report(seed, minutes, faults.done, crowd, replay, exact_after, leftover, filled)


async def _while(working: asyncio.Task[None], storm: Awaitable[None]) -> None:
    """Wait for the storm to pass; a crowd that ends before has failed."""
    task = asyncio.ensure_future(storm)
    await asyncio.wait((working, task), return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        task.cancel()
        await working
    await task


async def _exact(following: Following, replay: Replay, since: float) -> float:
    """Wait until the ledgers say what exists; return how long after an instant that was, or gave up."""
    now = asyncio.get_running_loop().time
    while now() - since <= EXACT_SECONDS:
        await following.caught_up()
        if not replay.leftover():
            break
        await asyncio.sleep(0.25)
    return now() - since


def main() -> int:
    """Run, print what it came to, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the faults and the crowd")
    parser.add_argument("--short", action="store_true", help="a bound of 5 s on requests, and waits to suit")
    parser.add_argument("--directory", type=Path, help="keep logs, decision records and etcd's data here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        report = run(directory, options.minutes, options.seed, SHORT if options.short else PRODUCTION)
    print(report)
    return 0 if report.faultless else 1


if __name__ == "__main__":
    sys.exit(main())
