"""Measure the server beside webhooks in Go: ``make bench``, or ``python bench/serve.py --help``.

All of them are up together; each round sends to one after the other, in alternating order, so that the machine's moods
meet all alike.  What counts is the median of the ratios of the rounds.

    go         net/http and encoding/json into a small struct: the cheapest honest webhook in Go
    framework  controller-runtime with typed pods, the namespace read from memory
    ours       the whole product, every pod reserved in a ledger in memory
    unlimited  the whole product, no limit in force, so that no ledger is asked
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.server import selfsigned
from bench import bodies
from bench.contender import CLIENT_CORE, Contender, pinned
from bench.machine import go_version, machine
from bench.result import add_options, held, publish, shown, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
MEASURES = {"rps": "requests/s", "p50_us": "p50 µs", "p99_us": "p99 µs", "cpu_us": "server CPU µs/request"}
NAMES = {"go": "Go", "framework": "controller-runtime", "ours": "ours", "unlimited": "ours, no limit"}
PAIRS = (("ours", "go"), ("ours", "framework"), ("unlimited", "go"))
PRODUCT = f"{sys.executable} {HERE / 'product.py'} {{port}} {{certificate}} {{key}}"
HTTP_ONLY = f"{sys.executable} {HERE / 'target.py'} {{port}} {{certificate}} {{key}}"
OURS_PATH, FRAMEWORK_PATH = "/validate/enforced?timeout=10s", "/validate--v1-pod?timeout=10s"
NAMESPACE = "team-a"
OPEN = 0.5
"""Rate of the open loop, as a share of what the slowest contender does in a closed one."""

TARGETS = (
    ("15 KB, 8 connections", "rps", "go", 1.3, 1.7),
    ("15 KB, 8 connections", "rps", "framework", 4.0, 4.0),
    ("15 KB, 8 connections", "p99_us", "go", 1.0, 0.6),
    ("15 KB, 8 connections", "cpu_us", "go", 0.8, 0.6),
    ("3 KB, 8 connections", "rps", "go", 0.9, 1.2),
)
"""Load, measure, peer, what the ratio should be at least or, but for requests/s, at most; and what would be fine."""

Figures = dict[str, float]


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        prepare(folder, options.sizes, options.namespace)
        if "framework" in options.only:
            subprocess.run(["go", "build", "-o", folder / "peer", "."], cwd=HERE / "go" / "peer", check=True)
        contenders = [stack.enter_context(one) for one in _contenders(folder, options)]
        result: dict[str, Any] = {
            "machine": machine(go_version()),
            "method": _method(options),
            "cells": dict(_cells(contenders, folder, options)),
            "memory_mb": {one.name: round(one.memory_mb(), 1) for one in contenders},
        }
    publish(result, _table(result), options.out, write="make bench" if options.write else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="contenders; Go too")
    only = "instead of `unlimited`, our HTTP layer alone, with a review function that decides nothing"
    parser.add_argument("--http-only", action="store_const", const=HTTP_ONLY, default=PRODUCT, help=only)
    parser.add_argument("--namespace", default=NAMESPACE, help="namespace of the pods")
    parser.add_argument("--uids", type=int, default=1000, help="how many different pods to send")
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 15, 100], help="sizes of the bodies in KB")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64], help="requests under way at once")
    parser.add_argument("--no-open", action="store_true", help="leave out the open loop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each contender in each round")
    add_options(parser, "serve.json")
    return parser.parse_args()


def prepare(folder: Path, sizes: Sequence[int], namespace: str = NAMESPACE) -> None:
    """Put certificates, bodies of these sizes in KB, the load generator and Go's webhook into a folder."""
    now = dt.datetime.now(dt.UTC)
    authority = selfsigned.Authority.make(now)
    selfsigned.write(folder, *authority.issue(["localhost", "127.0.0.1"], now))
    (folder / "ca.crt").write_bytes(authority.pem())
    for size in sizes:
        (folder / f"{size}.json").write_bytes(bodies.review(size, namespace))
    for name in ("webhook", "load"):
        subprocess.run(["go", "build", "-o", folder / name, f"./{name}"], cwd=HERE / "go", check=True)


def _contenders(folder: Path, options: argparse.Namespace) -> list[Contender]:
    go = f"{folder / 'webhook'} -address 127.0.0.1:{{port}} -certificate {{certificate}} -key {{key}}"
    framework = f"{folder / 'peer'} --port={{port}} --certificates={folder} --cleared={options.namespace}"
    every = (
        Contender("go", go, folder, OURS_PATH),
        Contender("framework", framework, folder, FRAMEWORK_PATH),
        Contender("ours", f"{PRODUCT} memory", folder, OURS_PATH),
        Contender("unlimited", options.http_only, folder, OURS_PATH),
    )
    return [one for one in every if one.name in options.only]


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: bodies of one size over a number of connections, or so many in each second."""

    folder: Path
    size: int
    options: argparse.Namespace
    connections: int = 8
    rate: float = 0.0
    namespaces: int = 0
    """Taken in turn; 0 leaves the one of the body."""

    @property
    def name(self) -> str:
        """How the table calls it."""
        how = f"{self.rate:.0f}/s, open loop" if self.rate else f"{self.connections} connections"
        return f"{self.size} KB, {how}"

    def send(self, one: Contender, seconds: float) -> Figures:
        """Load one server for some seconds; a request that fails ends the benchmark."""
        command = [str(self.folder / "load"), "-url", f"https://127.0.0.1:{one.port}{one.path}"]
        command += ["-authority", str(self.folder / "ca.crt"), "-body", str(self.folder / f"{self.size}.json")]
        command += ["-connections", str(self.connections), "-seconds", str(seconds), "-rate", str(self.rate)]
        command += ["-uids", str(self.options.uids), "-namespaces", str(self.namespaces)]
        before = one.processor_seconds()
        output = subprocess.run(pinned(CLIENT_CORE, command), check=True, stdout=subprocess.PIPE).stdout
        figures: Figures = json.loads(output)
        used = one.processor_seconds() - before
        if not figures["requests"] or figures["failed"]:
            raise SystemExit(f"{one.name}: {figures['failed']:.0f} requests failed")
        return figures | {"cpu_us": used / figures["requests"] * 1e6}


def _cells(contenders: list[Contender], folder: Path, options: argparse.Namespace) -> Any:
    """Yield name and figures of each load; the open loop's rate follows from the closed ones."""
    for size in options.sizes:
        slowest = float("inf")
        for number in options.connections:
            load = Load(folder, size, options, number)
            cell = _measure(contenders, load)
            slowest = min(slowest, *(medians["rps"] for medians in cell["medians"].values()))
            yield load.name, cell
        if not options.no_open:
            load = Load(folder, size, options, rate=max(1, round(slowest * OPEN)))
            yield load.name, _measure(contenders, load)


def _measure(contenders: list[Contender], load: Load) -> dict[str, Any]:
    rounds: dict[str, list[Figures]] = {one.name: [] for one in contenders}
    for one in contenders:
        load.send(one, min(1.0, load.options.seconds))  # warm-up
    for number in range(load.options.rounds):
        for one in contenders if number % 2 == 0 else reversed(contenders):
            rounds[one.name].append(load.send(one, load.options.seconds))
        done = ", ".join(f"{name} {figures[-1]['rps']:.0f}/s" for name, figures in rounds.items())
        print(f"{load.name}, round {number + 1}: {done}", file=sys.stderr)
    return _summary(rounds)


def _summary(rounds: dict[str, list[Figures]]) -> dict[str, Any]:
    """Return medians of each contender, and by pair medians with least and largest of the ratios of the rounds."""
    medians = {
        name: {key: statistics.median(each[key] for each in figures) for key in (*MEASURES, "allowed", "requests")}
        for name, figures in rounds.items()
    }
    pairs = [(own, peer) for own, peer in PAIRS if own in rounds and peer in rounds]
    ratios = {
        f"{own}/{peer}": {
            key: spread(a[key] / b[key] for a, b in zip(rounds[own], rounds[peer], strict=True)) for key in MEASURES
        }
        for own, peer in pairs
    }
    return {"medians": medians, "ratios": ratios, "rounds": rounds}


# -- what is printed -----------------------------------------------------------------------------


def _table(result: dict[str, Any]) -> str:
    cells = result["cells"]
    first = next(iter(cells.values()))
    names, pairs = list(first["medians"]), list(first["ratios"])
    titles = ["body and load", "", *(NAMES[name] for name in names), *(_pair(pair) for pair in pairs)]
    lines = [f"{result['machine']}.", f"{result['method']}.", "", f"| {' | '.join(titles)} |"]
    lines.append("| --- | --- |" + " ---: |" * (len(titles) - 2))
    for load, cell in cells.items():
        for key, title in MEASURES.items():
            medians = [f"{cell['medians'][name][key]:,.0f}" for name in names]
            ratios = [shown(cell["ratios"][pair][key]) for pair in pairs]
            lines.append(f"| {' | '.join([load, title, *medians, *ratios])} |")
    memory = [str(result["memory_mb"][name]) for name in names]
    lines.append(f"| all | resident MB afterwards | {' | '.join(memory)} |" + " |" * len(pairs))
    return "\n".join([*lines, "", *_refused(cells), *_verdicts(cells)])


def _pair(pair: str) -> str:
    own, _, peer = pair.partition("/")
    return f"{NAMES[own]} / {NAMES[peer]} (least–largest)"


def _refused(cells: dict[str, Any]) -> list[str]:
    """Say who did not allow everything: another amount of work was measured then."""
    return [
        f"* {NAMES[name]} allowed {medians['allowed'] / medians['requests']:.0%} of {load}"
        for load, cell in cells.items()
        for name, medians in cell["medians"].items()
        if medians["allowed"] < medians["requests"]
    ]


def _verdicts(cells: dict[str, Any]) -> list[str]:
    """Say of each target whether it was reached."""
    lines = []
    for load, key, peer, bound, fine in TARGETS:
        if f"ours/{peer}" not in cells.get(load, {"ratios": ()})["ratios"]:
            continue
        ratio = cells[load]["ratios"][f"ours/{peer}"][key]["median"]
        least = key == "rps"
        reached = ratio >= bound if least else ratio <= bound
        wanted = f"at {'least' if least else 'most'} {bound:g}x" + ("" if fine == bound else f", better {fine:g}x")
        lines.append(f"* {load}, {MEASURES[key]} beside {NAMES[peer]}: {held(reached)}, {ratio:.2f}x of {wanted}")
    return lines


def _method(options: argparse.Namespace) -> str:
    pinning = "server and client on a core each" if pinned(CLIENT_CORE, ["x"]) != ["x"] else "nothing pinned"
    return (
        f"TLS with kept connections; {options.rounds} interleaved rounds of {options.seconds:g} s, {pinning}; medians, "
        f"ratios taken round by round; the open loop sends at {OPEN:g} of the slowest one's closed rate"
    )


if __name__ == "__main__":
    main()
