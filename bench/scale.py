"""Measure what size costs: ``make bench-scale``.

Two parts.  **Requests**: servers of 10, 1,000 and 10,000 tenants, and of 100, 10,000 and 100,000 running pods, all up
together, answer the same reviews of the same ten tenants, round by round; what counts is processor time by request
beside the smallest.  Their tenants and pods are put in by themselves (``scaled.py``).  **A replica** on a real API
server and etcd, with 10,000 accelerator pods on 1,250 nodes, of 1,000 tenants, which leads: its memory, how long a
start takes until it is ready, and the longest steps of its event loop, in the thread's own processor time, while it
starts, lists pods anew as it takes the lead, and is scraped.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.contender import Contender, memory_mb, processor_seconds
from bench.estate import Estate
from bench.machine import go_version, machine
from bench.result import add_options, held, publish, shown, spread
from bench.scaled import namespace
from bench.serve import OURS_PATH, Load, prepare
from bench.stalls import longest
from tests.e2e.world import eventually

TMPFS = Path("/dev/shm")  # noqa: S108 (etcd's data for minutes; nothing to hide)
SERVER = f"{sys.executable} -m bench.scaled {{port}} {{certificate}} {{key}}"
TENANTS, PODS = (10, 1_000, 10_000), (100, 10_000, 100_000)
ASKED = 10
"""Tenants whose pods are sent, in each size the same."""
RATIO, MEMORY_MB, READY_SECONDS, STALL_MS = 1.25, 150, 5, 5
Figures = dict[str, Any]


def main() -> None:
    """Run both parts, print the table, write the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    result: Figures = {"machine": machine(go_version())}
    if "requests" in options.parts:
        # With as many tenants as the fewest pods, each holds something in every size: the ledger has as many accounts.
        series = {"tenants": [(n, PODS[1]) for n in TENANTS], "pods": [(PODS[0], n) for n in PODS]}
        result["requests"] = {name: _requests(sizes, options) for name, sizes in series.items()}
    if "replica" in options.parts:
        folder = tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None)
        with folder as place, Estate(Path(place), options.tenants, sweep_seconds=45) as estate:
            result["replica"] = _replica(estate, options)
    publish(result, _table(result), options.out, write="make bench-scale" if options.write else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("requests", "replica"), default=["requests", "replica"])
    parser.add_argument("--rounds", type=int, default=7, help="of requests")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each server in each round")
    parser.add_argument("--pods", type=int, default=10_000, help="that the replica knows")
    parser.add_argument("--tenants", type=int, default=1_000, help="that the replica knows")
    parser.add_argument("--starts", type=int, default=5, help="of the replica")
    parser.add_argument("--watch", type=float, default=30, help="seconds that it is watched after each")
    add_options(parser, "scale.json")
    return parser.parse_args()


# -- requests ------------------------------------------------------------------------------------


def _requests(sizes: list[tuple[int, int]], options: argparse.Namespace) -> list[Figures]:
    """Measure servers of these numbers of tenants and pods side by side."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        prepare(folder, (3,), namespace(0))
        servers = [stack.enter_context(_server(folder, *size)) for size in sizes]
        load = Load(folder, 3, argparse.Namespace(uids=1000), namespaces=ASKED)
        rounds: list[list[Figures]] = [[] for _ in servers]
        for one in servers:
            load.send(one, 1.0)  # warm-up
        for number in range(options.rounds):
            pairs = list(zip(servers, rounds, strict=True))
            for one, figures in pairs if number % 2 == 0 else reversed(pairs):
                figures.append(load.send(one, options.seconds))
            done = ", ".join(f"{one.name} {figures[-1]['cpu_us']:.0f} µs" for one, figures in pairs)
            print(f"round {number + 1}: {done}", file=sys.stderr)
        memory = [one.memory_mb() for one in servers]
    return [_size(*each, rounds[0]) for each in zip(sizes, rounds, memory, strict=True)]


def _server(folder: Path, tenants: int, pods: int) -> Contender:
    command = f"{SERVER} {tenants} {pods}"
    return Contender(f"{tenants}-tenants-{pods}-pods", command, folder, OURS_PATH, start_seconds=900)


def _size(size: tuple[int, int], rounds: list[Figures], memory: float, smallest: list[Figures]) -> Figures:
    return {
        "tenants": size[0],
        "pods": size[1],
        "cpu_us": statistics.median(each["cpu_us"] for each in rounds),
        "ratio": spread(each["cpu_us"] / least["cpu_us"] for each, least in zip(rounds, smallest, strict=True)),
        "memory_mb": memory,
    }


# -- a replica -----------------------------------------------------------------------------------


def _replica(estate: Estate, options: argparse.Namespace) -> Figures:
    print(f"{options.pods} pods come in", file=sys.stderr)
    estate.run(options.pods)
    starts = [_start(estate, options.watch) for _ in range(options.starts)]
    return {"pods": options.pods, "nodes": estate.nodes, "tenants": options.tenants, "starts": starts}


def _start(estate: Estate, watch: float) -> Figures:
    """Start the replica anew, and watch it while it takes the lead and is scraped each second."""
    replica = estate.replica
    replica.stop()
    estate.stalls.write_text("")
    began = time.monotonic()
    replica.start()
    replica.wait()
    ready, used, marked = time.monotonic() - began, processor_seconds(estate.pid), estate.stalls.stat().st_size
    eventually(lambda: estate.figure("computegate_leader"), seconds=120)
    until = time.monotonic() + watch
    while time.monotonic() < until:
        replica.metrics()
        time.sleep(1)
    found = {
        "ready_s": ready,
        "ready_cpu_s": used,
        "memory_mb": memory_mb(estate.pid),
        "starting": longest(estate.stalls, 0, marked),
        "leading": longest(estate.stalls, marked),
    }
    print(", ".join(f"{key} {each}" for key, each in found.items()), file=sys.stderr)
    return found


# -- what is printed -----------------------------------------------------------------------------


def _table(result: Figures) -> str:
    lines = [f"{result['machine']}.", ""]
    if "requests" in result:
        lines += [*_request_rows(result["requests"]), ""]
    if "replica" in result:
        lines += _replica_rows(result["replica"])
    return "\n".join(lines)


def _request_rows(series: dict[str, list[Figures]]) -> list[str]:
    lines = ["| tenants | running pods | server CPU µs/request | beside the smallest (least–largest) | resident MB |"]
    lines.append("| ---: | ---: | ---: | ---: | ---: |")
    for sizes in series.values():
        for one in sizes:
            figures = f"{one['cpu_us']:.0f} | {shown(one['ratio'])} | {one['memory_mb']:.0f}"
            lines.append(f"| {one['tenants']:,} | {one['pods']:,} | {figures} |")
    lines.append("")
    for name, sizes in series.items():
        worst = max(one["ratio"]["median"] for one in sizes)
        lines.append(f"* by {name}: {held(worst <= RATIO)}, {worst:.2f}x of at most {RATIO:g}x")
    return lines


def _replica_rows(found: Figures) -> list[str]:
    starts = found["starts"]
    lines = [f"One replica, {found['pods']:,} pods on {found['nodes']:,} nodes, {found['tenants']:,} tenants:", ""]
    lines += ["| | median | largest of the starts | target |", "| --- | ---: | ---: | --- |"]
    rows = (
        ("seconds until ready", "ready_s", READY_SECONDS),
        ("of them its processor time", "ready_cpu_s", None),
        ("resident MB", "memory_mb", MEMORY_MB),
    )
    for title, key, bound in rows:
        every = [one[key] for one in starts]
        target = "" if bound is None else f"{held(max(every) <= bound)}: at most {bound:g}"
        lines.append(f"| {title} | {statistics.median(every):.1f} | {max(every):.1f} | {target} |")
    for title, key in (("longest step while it starts, ms", "starting"), ("afterwards, ms", "leading")):
        every = [one[key][0][0] if one[key] else 0.0 for one in starts]
        target = f"{held(max(every) <= STALL_MS)}: at most {STALL_MS:g}"
        lines.append(f"| {title} | {statistics.median(every):.1f} | {max(every):.1f} | {target} |")
    steps = sorted({(name, ms) for one in starts for ms, name in one["leading"]}, key=lambda each: -each[1])
    return [*lines, "", *(f"* {ms} ms {name}" for name, ms in steps[:5])]


if __name__ == "__main__":
    main()
