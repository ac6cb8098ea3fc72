"""The checker under three loads: ``make quota-check``.  It finds what a ResourceQuota lets through, and none of ours.

Each round begins with an empty namespace.  A ResourceQuota's rounds end when it was found over its limit, or after
so many; ours are all made, and after each what is left of the limit is filled, so that every one must end at exactly
the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.crowd import fill
from tests.chaos.following import Following
from tests.chaos.loads import LIMIT, LOADS, MIG, MIG_CHIP, Load, clear
from tests.chaos.replay import Bound, Replay
from tests.chaos.run import EXACT_SECONDS, JSON
from tests.e2e.history import clients
from tests.e2e.objects import examples, namespace, pool, quota, tenant
from tests.e2e.world import World, eventually
from tools.controlplane import ControlPlane
from tools.installation import Installation
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from admission.cluster.client import Client
    from tests.e2e.objects import Object

FLAGS = (JSON, "--etcd-compaction-interval=0")
PLENTY = 100_000
"""The limit of the second quota, which nobody reaches."""
COUNTRIES = dict(zip(LOADS, ("AT", "BE", "BG"), strict=True))


class Row(NamedTuple):
    """What a system came to under a load: most live pods in each round."""

    system: str
    load: str
    peaks: list[int]
    exact: bool
    """Whether nothing at all was wrong at any revision, and each round ended at the limit."""

    @property
    def over(self) -> int:
        """In how many rounds the limit was passed."""
        return sum(peak > LIMIT for peak in self.peaks)

    def __str__(self) -> str:
        passed = f"over its limit in {self.over} of {len(self.peaks)}" if self.over else "not seen over its limit"
        verdict = "exactly the limit in every round" if self.exact else passed
        peaks = " ".join(map(str, self.peaks))
        return f"{self.system:<24}{self.load:<18}{len(self.peaks):>6}{LIMIT:>7}  {peaks:<20}{verdict}"


HEADER = f"{'system':<24}{'load':<18}{'rounds':>6}{'limit':>7}  {'most live pods':<20}verdict"


def place(load: str) -> str:
    """Return the namespace of a load, and the name of its quota and tenant."""
    return load.replace(" ", "-")


# -- ResourceQuota ---------------------------------------------------------------------------------


def resource_quota(directory: Path, loads: Iterable[str], rounds: int, seconds: float) -> Iterator[Row]:
    """Yield what ResourceQuota alone comes to, each load until it was found over its limit."""
    with ControlPlane(directory, controllers=["kube-controller-manager"], flags=FLAGS) as plane:
        kubectl = Kubectl(plane)
        for load in loads:
            _create_quotas(kubectl, place(load), {"gpu": LIMIT, MIG.removeprefix("nvidia.com/"): PLENTY})
            yield asyncio.run(_until_over(plane, kubectl, load, rounds, seconds))


def _create_quotas(kubectl: Kubectl, where: str, hard: dict[str, int]) -> None:
    kubectl("create", "namespace", where)
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", where, "--timeout=60s")
    for name, limit in hard.items():
        kubectl("create", "quota", name, "-n", where, f"--hard=requests.nvidia.com/{name}={limit}")
    _await_unused(kubectl, where)


def _await_unused(kubectl: Kubectl, where: str) -> None:
    """Wait until every quota has been counted, and nothing of it is used."""
    path = "jsonpath={range .items[*]}{.status.used}{end}"
    used = "{}{}".format(*(f'{{"requests.nvidia.com/{name}":"0"}}' for name in ("gpu", "mig-1g.10gb")))
    eventually(lambda: kubectl("get", "quota", "-n", where, "-o", path).stdout, lambda text: text == used, 120)


async def _until_over(plane: ControlPlane, kubectl: Kubectl, load: str, rounds: int, seconds: float) -> Row:
    where, peaks = place(load), list[int]()
    replay = Replay([Bound(load, LIMIT, {where: where})])
    async with Following(plane.etcd, replay) as following, clients(plane.kubeconfig, 8) as those:
        while len(peaks) < rounds and not any(peak > LIMIT for peak in peaks):
            replay.forget_peaks()
            await LOADS[load](Load(those, where, seconds))
            await following.caught_up()
            peaks.append(replay.peaks[load])
            await clear(those[0], where)
            await asyncio.to_thread(_await_unused, kubectl, where)
    return Row("ResourceQuota", load, peaks, exact=False)


# -- ours ------------------------------------------------------------------------------------------


def ours(directory: Path, replicas: int, loads: Sequence[str], rounds: int, seconds: float) -> Iterator[Row]:
    """Yield what so many replicas come to."""
    with (
        ControlPlane(directory / "plane", controllers=["kube-controller-manager"], flags=FLAGS) as plane,
        Installation(plane, directory / "gate", replicas=replicas) as gate,
    ):
        World(gate, patience=120).apply(
            *examples("policy", "pools"),
            pool("mig", MIG_CHIP, resource=MIG),
            *(each for load in loads for each in _objects(load)),
        )
        for load in loads:
            yield asyncio.run(
                _exactly(plane, f"computegate, {replicas} replica{'s' * (replicas > 1)}", load, rounds, seconds)
            )


def _objects(load: str) -> list[Object]:
    name, country = place(load), COUNTRIES[load]
    second = quota(f"{name}-mig", country, PLENTY, classes=[MIG_CHIP])
    return [quota(name, country, LIMIT, classes=["h100-sxm"]), second, tenant(name, country), namespace(name, name)]


async def _exactly(plane: ControlPlane, system: str, load: str, rounds: int, seconds: float) -> Row:
    where, peaks = place(load), list[int]()
    bound = Bound(load, LIMIT, {where: where}, COUNTRIES[load])
    replay = Replay([bound])
    full = True
    async with Following(plane.etcd, replay) as following, clients(plane.kubeconfig, 8) as those:
        for _ in range(rounds):
            await _emptied(those[0], following, replay, where)
            await LOADS[load](Load(those, where, seconds))
            await following.exact(EXACT_SECONDS)
            await fill(those[0], where)
            await following.caught_up()
            full &= replay.live(bound) == LIMIT
            peaks.append(replay.peaks[load])
    return Row(system, load, peaks, exact=full and not replay.violations)


async def _emptied(client: Client, following: Following, replay: Replay, where: str) -> None:
    await clear(client, where)
    await following.exact(EXACT_SECONDS)
    replay.forget_peaks()


def main() -> int:
    """Run all, print the table, and return 1 if ours was not exact, or the control found nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of churn in each round")
    options = parser.parse_args()
    rows: list[Row] = []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for row in _rows(Path(temporary), tuple(LOADS), options.rounds, options.seconds):
            rows.append(row)
            print(row, flush=True)
    found = any(row.over for row in rows if row.system == "ResourceQuota")
    return 0 if found and all(row.exact for row in rows if row.system != "ResourceQuota") else 1


def _rows(directory: Path, loads: Sequence[str], rounds: int, seconds: float) -> Iterator[Row]:
    yield from resource_quota(directory / "in-tree", loads, rounds, seconds)
    for replicas in (1, 3):
        yield from ours(directory / f"{replicas}", replicas, loads, rounds, seconds)


if __name__ == "__main__":
    sys.exit(main())
