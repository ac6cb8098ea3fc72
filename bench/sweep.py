"""Measure judging what runs again, on a real API server and etcd: ``make bench-sweep``.

First 1,000 and then 10,000 pods run, of 500 tenants, and an Enforcement in dry run.  At each size, whole sweeps in
which nothing has changed: how long each took, the server's processor time and memory, what it asked the API server for
by its audit log, and that it wrote nothing.  Then one tenant after the other loses its clearance, at any time of a
sweep: how long until the Enforcement shows the pods.

``--pods 100000 --tenants 2000`` is the size to be borne: some GB of memory for etcd and the API server, and a quarter
of an hour or more for the pods to come in.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.audited import requests, written
from bench.contender import memory_mb, processor_seconds
from bench.estate import Estate
from bench.machine import machine
from bench.result import publish
from bench.stalls import longest
from tools.direct import Direct
from tools.installation import ACCOUNT

TMPFS = Path("/dev/shm")  # noqa: S108 (etcd's data for minutes; nothing to hide)
HERE = Path(__file__).parent
STALL_MS = 5.0
"""Longest step that the event loop should be kept by, in the thread's own processor time."""
_LOOK_SECONDS = 0.02
_PATIENCE = 60.0
_LONGEST_SWEEP = 1800.0

Figures = dict[str, Any]


def main() -> None:
    """Run the benchmark, print the tables, write the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    folder = tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None)
    with folder as place, Estate(Path(place), options.tenants, options.every) as estate:
        result = _measured(estate, options)
    publish(result, _table(result), options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[1000, 10000], help="sizes, each more than the last")
    parser.add_argument("--tenants", type=int, default=500)
    parser.add_argument("--every", type=float, default=45, help="seconds from the begin of a sweep to the next")
    parser.add_argument("--sweeps", type=int, default=2, help="of each size")
    parser.add_argument("--revocations", type=int, default=100)
    parser.add_argument("--out", type=Path, default=HERE / "out" / "sweep.json")
    return parser.parse_args()


def _measured(estate: Estate, options: argparse.Namespace) -> Figures:
    bench = Bench(estate)
    sizes: dict[int, Figures] = {}
    empty = memory_mb(estate.pid)
    for pods in options.pods:
        print(f"starting {pods} pods", file=sys.stderr)
        estate.run(pods)
        bench.settle()
        print(f"{pods} pods: measuring", file=sys.stderr)
        sizes[pods] = _sized([bench.sweep() for _ in range(options.sweeps)])
    seconds = bench.revocations(options.revocations)
    bench.settle()
    return {
        "machine": machine(),
        "method": f"{options.tenants} tenants, a namespace each; etcd's data in memory; one replica, that leads",
        "empty_mb": empty,
        "sizes": sizes,
        "reactions": sorted(seconds),
        "with_findings": bench.sweep(),
    }


class Bench:
    """What is measured of an estate."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def sweep(self) -> Figures:
        """Wait, from the end of one full sweep, for the end of the next, and return what happened meanwhile."""
        estate = self._estate
        since, used, before = dt.datetime.now(dt.UTC), processor_seconds(estate.pid), memory_mb(estate.pid)
        began, marked, pages = time.monotonic(), _size(estate.stalls), estate.figure("computegate_sweep_pages_total")
        self.settle()
        until = dt.datetime.now(dt.UTC)
        asked = requests(estate.plane.audit_log, ACCOUNT, since, until)
        return {
            "between": time.monotonic() - began,
            "seconds": estate.figure("computegate_sweep_seconds"),
            "processor": processor_seconds(estate.pid) - used,
            "pages": estate.figure("computegate_sweep_pages_total") - pages,
            "memory_before": before,
            "memory_after": memory_mb(estate.pid),
            "requests": {" ".join(key): count for key, count in sorted(asked.items())},
            "written": written(asked),
            "stalls": longest(estate.stalls, marked),
        }

    def settle(self) -> None:
        """Return at the end of a full sweep: the age of the last one has begun anew."""
        age = -1.0
        end = time.monotonic() + _LONGEST_SWEEP
        while time.monotonic() < end:
            before, age = age, self._estate.figure("computegate_sweep_age_seconds")
            if age < before:
                return
            time.sleep(0.25)
        raise RuntimeError(f"no full sweep in {_LONGEST_SWEEP:g} s")

    def revocations(self, count: int) -> list[float]:
        """Revoke tenants one after the other; return after how many seconds the pods of each were shown."""
        with Direct(self._estate.plane) as api:
            return [self._reaction(api, name) for name in self._estate.names[:count]]

    def _reaction(self, api: Direct, name: str) -> float:
        shown = self._estate.found(api)
        self._estate.revoke(api, name)
        began = time.monotonic()
        while self._estate.found(api) <= shown:
            if time.monotonic() - began > _PATIENCE:
                raise RuntimeError(f"{name}: nothing found")
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began


def _sized(sweeps: list[Figures]) -> Figures:
    keys = ("seconds", "processor", "pages", "memory_before", "memory_after", "between")
    return {
        **{key: statistics.median(each[key] for each in sweeps) for key in keys},
        "requests": dict(sum((Counter(each["requests"]) for each in sweeps), Counter[str]())),
        "sweeps": len(sweeps),
        "written": sum(each["written"] for each in sweeps),
        "stalls": sorted((each for found in sweeps for each in found["stalls"]), reverse=True),
    }


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# -- what is printed -----------------------------------------------------------------------------


def _table(result: Figures) -> str:
    lines = [result["machine"], result["method"], "", *_sizes(result), "", *_requests(result["sizes"]), ""]
    return "\n".join([*lines, *_reactions(result["reactions"]), *_verdicts(result)])


_TIMES = ("full sweep s", "pages", "ms a page", "server CPU s", "in s")
_TITLES = ("pods", *_TIMES, "memory MB before", "after", "longest step ms")


def _sizes(result: Figures) -> list[str]:
    lines = [f"no pods: {result['empty_mb']:.0f} MB", f"| {' | '.join(_TITLES)} |", "|" + " ---: |" * len(_TITLES)]
    return [*lines, *(f"| {pods} | {' | '.join(_cells(one))} |" for pods, one in result["sizes"].items())]


def _cells(one: Figures) -> tuple[str, ...]:
    stall = " ".join(map(str, one["stalls"][0])) if one["stalls"] else "under 1"
    a_page = one["seconds"] / max(1, one["pages"]) * 1000
    times = (f"{one['seconds']:.1f}", f"{one['pages']:.0f}", f"{a_page:.0f}", f"{one['processor']:.2f}")
    return (*times, f"{one['between']:.0f}", f"{one['memory_before']:.0f}", f"{one['memory_after']:.0f}", stall)


def _requests(sizes: dict[int, Figures]) -> list[str]:
    names = sorted({name for one in sizes.values() for name in one["requests"] if not name.startswith("watch ")})
    lines = [f"| asked of the API server | {' | '.join(map(str, sizes))} |", "| --- |" + " ---: |" * len(sizes)]
    for name in names:
        counts = [f"{one['requests'].get(name, 0) / one['sweeps']:g}" for one in sizes.values()]
        lines.append(f"| {name} | {' | '.join(counts)} |")
    watches = [sum(count for name, count in one["requests"].items() if "watch " in name) for one in sizes.values()]
    return [*lines, f"| watches begun anew | {' | '.join(map(str, watches))} |"]


def _reactions(seconds: list[float]) -> list[str]:
    if not seconds:
        return []
    p50, p99 = (seconds[min(len(seconds) - 1, int(share * len(seconds)))] for share in (0.5, 0.99))
    times = f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {seconds[-1]:.2f} s"
    return [f"revocation to finding shown, {len(seconds)} of them: {times}"]


def _verdicts(result: Figures) -> list[str]:
    """Say of each claim whether it held."""
    sizes, last = result["sizes"], result["with_findings"]
    quiet = sum(one["written"] for one in sizes.values()) + last["written"]
    lines = [f"{_held(not quiet)} {quiet} writes in sweeps in which nothing changed"]
    if len(sizes) > 1:
        (few, least), *_, (many, most) = sizes.items()
        ratio = most["seconds"] / least["seconds"]
        lines.append(f"{many / few:g} times the pods took {ratio:.1f} times as long")
    worst = max((stall for one in (*sizes.values(), last) for stall in one["stalls"]), default=(0.0, ""))
    return [*lines, f"{_held(worst[0] <= STALL_MS)} longest step {worst[0]} ms {worst[1]} of {STALL_MS:g} ms"]


def _held(reached: bool) -> str:
    return "reached:" if reached else "MISSED:"


if __name__ == "__main__":
    main()
