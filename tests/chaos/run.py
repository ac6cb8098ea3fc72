"""Chaos on a real etcd and API server: ``make chaos MINUTES=10``, or ``python -m tests.chaos.run --help``.

Three replicas, two ledgers that share pods, a crowd at the limit, faults of every kind at seeded times, and every
revision of etcd held against what must be true.  After each storm the crowd rests too: within 90 s of the last fault
the ledgers must say exactly what exists.  In the end what is left of the limits must be there for the taking.
Between storms, as promises whose pods were lost hold devices until calm has lasted: in one long storm nothing moves.
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
from admission.decide.duration import HOUR
from admission.decide.shards import Shard
from tests.chaos import claimants, rack
from tests.chaos.claimants import Claimants
from tests.chaos.claimed import Claimed
from tests.chaos.crowd import Crowd, fill
from tests.chaos.faults import Faults, Supervisor
from tests.chaos.following import Following
from tests.chaos.loads import clear
from tests.chaos.overtime import Timed
from tests.chaos.rack import Rack
from tests.chaos.replay import Bound, Replay
from tests.e2e.history import clients
from tests.e2e.objects import examples, namespace, quota, tenant
from tests.e2e.world import World
from tools.controlplane import ControlPlane
from tools.installation import Installation

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from admission.cluster.client import Client
    from tests.e2e.history import Tally
    from tests.e2e.objects import Object

REPLICAS, LIMIT, EACH, WIDE = 3, 64, 48, 80
STORM_SECONDS = 40.0
EXACT_SECONDS = 90.0
"""After the last fault, for the ledgers to be exact."""
TIMED = Timed("dora", "LU", budget=16 * HOUR, window=24 * HOUR, hold=HOUR)
"""The pods of this tenant are bound and end, under limits over time."""
ROOM = 32
CLAIMED = Claimed("elan", "NL", 24)
"""The devices of this tenant are had by resource claims."""
TOTALS = {"AT": LIMIT, "AT and BE": WIDE, CLAIMED.scope: CLAIMED.limit}
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


PRODUCTION = Pace((JSON,), 44)
SHORT = Pace((JSON, "--request-timeout=5s"), 15)


@dataclass(slots=True)
class Report:
    """What a run came to."""

    seed: int
    minutes: float
    faults: Counter[str]
    crowd: Crowd
    replay: Replay
    exact_after: list[float]
    """Seconds from the last fault of each storm."""
    leftover: list[str]
    filled: dict[str, int]
    rack: Rack
    claimants: Claimants
    shards: int

    @property
    def faultless(self) -> bool:
        """Whether nothing was wrong at any revision, nothing leaked, and each limit could be reached."""
        exact = not self.leftover and max(self.exact_after) <= EXACT_SECONDS
        full = self.filled == TOTALS
        return exact and full and not self.replay.violated

    def __str__(self) -> str:
        peaks = (f"{self.replay.peaks[each.name]} of {each.limit} ({each.name})" for each in self.replay.bounds)
        limits = f"limits {LIMIT} and {WIDE}"
        lines = {
            "run": f"seed {self.seed}, {self.minutes:g} minutes, {REPLICAS} replicas, {self.shards} shards, {limits}",
            "faults": f"{self.faults.total()}: " + ", ".join(f"{kind} {n}" for kind, n in sorted(self.faults.items())),
            "creates": _told(self.crowd.tally) + f"; dry runs: {_told(self.crowd.rehearsed)}",
            "deletes": f"{self.crowd.deleted:,}",
            "revisions": f"{self.replay.checked:,} of etcd, every one checked",
            "peak live": ", ".join(peaks),
            "over time": self._over_time(),
            "claims": self._claims(),
            "violations": "\n            ".join([f"{self.replay.violated}", *self.replay.violations]),
            "exact": self._exact(),
            "then filled": ", ".join(f"{live} ({name})" for name, live in self.filled.items()),
        }
        return "\n".join(f"{name:<12}{text}" for name, text in lines.items())

    def _over_time(self) -> str:
        (seen,) = self.replay.overtime
        found = f"{seen.granted} grants, {seen.bound} pods bound, {seen.ended} seen to their end"
        peak = f"at most {seen.peak:,} of {seen.limit.budget:,} device-seconds used and paid for"
        return f"{_told(self.rack.tally)}; {found}; {peak}"

    def _claims(self) -> str:
        (seen,) = self.replay.claims
        made = f"{seen.for_pods} pods and {seen.made} claims seen"
        return f"{_told(self.claimants.tally)}; {made}; at most {seen.peak} of {seen.limit.limit} devices claimed"

    def _exact(self) -> str:
        if self.leftover:
            return f"not {EXACT_SECONDS:.0f} s after the last fault: {'; '.join(self.leftover)}"
        seconds = sorted(self.exact_after)
        return f"after each of {len(seconds)} storms, {seconds[0]:.0f} to {seconds[-1]:.0f} s after its last fault"


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
        quota("claimed", CLAIMED.scope, CLAIMED.limit),
        quota("timed", TIMED.scope, ROOM, limits=_over_time(), window="1d"),
    ]


def _over_time() -> Object:
    return {"deviceHours": TIMED.budget // HOUR, "longestHold": f"{TIMED.hold // HOUR}h"}


def _bounds(shards: int) -> Sequence[Bound]:
    """Return the bounds; with shards, the ledger of all has nobody's account, and each tenant's stands in a shard."""
    ours = {name: name for name, country in HOMES.items() if country == "AT"}
    stands = {name: Shard.of("AT", "tenants", name, shards).name if shards else "AT" for name in ours}
    all_of = {name: "" if shards else name for name in (*HOMES, TIMED.name)}
    wide = scope_of(ComputeQuota.model_validate(_quotas()[1]))
    return (
        Bound("AT", LIMIT, {name: all_of[name] for name in ours}, "AT"),
        *(Bound(f"{name} in AT", EACH, {name: name}, stands[name]) for name in ours),
        Bound("AT and BE", WIDE, {name: all_of[name] for name in HOMES}, wide),
        Bound("LU", ROOM, {TIMED.name: all_of[TIMED.name]}, "LU"),
    )


def _objects() -> list[Object]:
    """Return the rules, the quotas, the tenants with a namespace each, and what refuses pods after the webhook."""
    homes = {**HOMES, TIMED.name: TIMED.scope, CLAIMED.name: CLAIMED.scope}
    tenants = [tenant(name, country) for name, country in homes.items()]
    places = [namespace(name, name) for name in homes]
    pools = [*examples("policy", "pools"), *rack.objects(TIMED.scope)]
    claims = claimants.objects(CLAIMED.scope, CLAIMED.name)
    return [*pools, *_quotas(), *tenants, *places, *claims, *map(_refusing, HOMES)]


def _refusing(where: str) -> Object:
    metadata = {"name": "refuses", "namespace": where}
    hard = {"requests.ephemeral-storage": "1Gi"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def run(directory: Path, minutes: float, seed: int, pace: Pace, shards: int = 0) -> Report:
    """Set everything up, let it storm, and judge."""
    ledger = {"rebuildSeconds": pace.wait, "expireSeconds": pace.wait, "shards": shards}
    with (
        ControlPlane(directory / "plane", flags=pace.flags) as plane,
        Installation(plane, directory / "gate", replicas=REPLICAS, ledger=ledger, wired=True) as gate,
    ):
        World(gate, patience=120).apply(*_objects())
        rack.put_up(gate.kubectl)
        return asyncio.run(_storms(gate, minutes, seed, shards))


async def _storms(gate: Installation, minutes: float, seed: int, shards: int) -> Report:
    replay = Replay(_bounds(shards), timed=[TIMED], claimed=[CLAIMED])
    async with Following(gate.plane.etcd, replay) as following, clients(gate.plane.kubeconfig, 8) as those:
        supervisor = asyncio.create_task(Supervisor(gate).run())
        crowd = Crowd(those, tuple(HOMES), Random(seed))  # noqa: S311  chance, no secret
        faults = Faults(gate, those[0], Random(seed))  # noqa: S311  likewise
        runs = Rack(gate.plane.kubeconfig_for(*rack.KUBELET), TIMED.name, Random(seed))  # noqa: S311  likewise
        claiming = Claimants(CLAIMED.name, Random(seed))  # noqa: S311  likewise
        node = asyncio.create_task(runs.run())
        end, exact_after, leftover = _now() + minutes * 60, list[float](), list[str]()
        while _now() < end and not leftover:
            await _storm(crowd, [runs, claiming], those[0], faults)
            await following.exact(faults.last + EXACT_SECONDS - _now())
            exact_after.append(_now() - faults.last)
            leftover = replay.leftover()
        await _fill(those[0], following, claiming)
        for task in (supervisor, node):
            task.cancel()
    filled = {bound.name: replay.live(bound) for bound in replay.bounds if bound.name in TOTALS}
    filled[CLAIMED.scope] = replay.claims[0].held()
    return Report(seed, minutes, faults.done, crowd, replay, exact_after, leftover, filled, runs, claiming, shards)


async def _storm(crowd: Crowd, others: Sequence[Rack | Claimants], client: Client, faults: Faults) -> None:
    """Let the crowd work while things go wrong; a crowd that ends before has failed."""
    crowd.over.clear()
    working = asyncio.gather(crowd.run(), *(each.work(client, crowd.over) for each in others))
    wrong = asyncio.create_task(faults.run(STORM_SECONDS))
    await asyncio.wait((working, wrong), return_when=asyncio.FIRST_COMPLETED)
    crowd.over.set()
    await asyncio.gather(working, wrong)


async def _fill(client: Client, following: Following, claiming: Claimants) -> None:
    """Make room, and take all of it, those first whose limit is the narrower one."""
    for name in HOMES:
        await clear(client, name)
    await claiming.clear(client)
    await following.exact(EXACT_SECONDS)
    for name in HOMES:
        await fill(client, name)
    await claiming.fill(client)
    await following.caught_up()


def _now() -> float:
    return asyncio.get_running_loop().time()


def main() -> int:
    """Run, print what it came to, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of storms, and of the calm after each")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the faults and the crowd")
    parser.add_argument("--short", action="store_true", help="a bound of 5 s on requests, and waits to suit")
    parser.add_argument("--shards", type=int, default=0, help="spread the tenants over so many ledgers")
    parser.add_argument("--wait", type=float, help="shorter than safe, to see the checker find what comes of it")
    parser.add_argument("--directory", type=Path, help="keep logs, decision records and etcd's data here")
    options = parser.parse_args()
    pace = SHORT if options.short else PRODUCTION
    if options.wait is not None:
        pace = pace._replace(wait=options.wait)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        report = run(directory, options.minutes, options.seed, pace, options.shards)
    print(report)
    return 0 if report.faultless else 1


if __name__ == "__main__":
    sys.exit(main())
