"""Measure the server beside a minimal Go webhook: ``make bench``, or ``python bench/serve.py --help``.

Both servers are up together; each round sends to one after the other, in alternating order, so that the
machine's moods meet both alike.  What counts is the median of the ratios of the rounds.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.server import selfsigned
from bench import bodies
from bench.contender import CLIENT_CORE, Contender, pinned
from bench.machine import machine
from bench.result import publish

HERE = Path(__file__).parent
MEASURES = {"rps": "requests/s", "p50_us": "p50 µs", "p99_us": "p99 µs", "cpu_us": "server CPU µs/request"}
HTTP_ONLY = f"{sys.executable} {HERE / 'target.py'} {{port}} {{certificate}} {{key}}"
PRODUCT = f"{sys.executable} {HERE / 'product.py'} {{port}} {{certificate}} {{key}}"
Figures = dict[str, float]


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        _prepare(folder, options.sizes, options.namespace)
        go = f"{folder / 'webhook'} -address 127.0.0.1:{{port}} -certificate {{certificate}} -key {{key}}"
        contenders = [
            stack.enter_context(Contender("ours", options.command, folder)),
            stack.enter_context(Contender("go", go, folder)),
        ]
        loads = [Load(folder, size, number, options) for size in options.sizes for number in options.connections]
        result: dict[str, Any] = {
            "machine": machine(_go_version()),
            "method": _method(options),
            "cells": {load.name: _measure(contenders, load) for load in loads},
            "memory_mb": {one.name: round(one.memory_mb(), 1) for one in contenders},
        }
    publish(result, _table(result), options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=PRODUCT, help="our server; {port}, {certificate}, {key} are filled in")
    only = "our HTTP layer alone, with a review function that decides nothing"
    parser.add_argument("--http-only", action="store_const", const=HTTP_ONLY, dest="command", help=only)
    parser.add_argument("--path", default="/validate/enforced?timeout=10s", help="path of our server and of Go's")
    parser.add_argument("--namespace", default="team-a", help="namespace of the pods")
    parser.add_argument("--uids", type=int, default=1000, help="how many different pods to send")
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 15], help="sizes of the bodies in KB")
    parser.add_argument("--connections", type=int, nargs="+", default=[8], help="requests under way at once")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each contender in each round")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "serve.json")
    return parser.parse_args()


def _prepare(folder: Path, sizes: list[int], namespace: str) -> None:
    now = dt.datetime.now(dt.UTC)
    authority = selfsigned.Authority.make(now)
    selfsigned.write(folder, *authority.issue(["localhost", "127.0.0.1"], now))
    (folder / "ca.crt").write_bytes(authority.pem())
    for size in sizes:
        (folder / f"{size}.json").write_bytes(bodies.review(size, namespace))
    for name in ("webhook", "load"):
        subprocess.run(["go", "build", "-o", folder / name, f"./{name}"], cwd=HERE / "go", check=True)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: bodies of one size over a number of connections."""

    folder: Path
    size: int
    connections: int
    options: argparse.Namespace

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.size} KB, {self.connections} connections"

    def send(self, one: Contender, seconds: float) -> Figures:
        """Load one server for some seconds; a request that fails ends the benchmark."""
        command = [str(self.folder / "load"), "-url", f"https://127.0.0.1:{one.port}{self.options.path}"]
        command += ["-authority", str(self.folder / "ca.crt"), "-body", str(self.folder / f"{self.size}.json")]
        command += ["-connections", str(self.connections), "-seconds", str(seconds)]
        command += ["-uids", str(self.options.uids)]
        before = one.processor_seconds()
        output = subprocess.run(pinned(CLIENT_CORE, command), check=True, stdout=subprocess.PIPE).stdout
        figures: Figures = json.loads(output)
        used = one.processor_seconds() - before
        if not figures["requests"] or figures["failed"]:
            raise SystemExit(f"{one.name}: {figures['failed']:.0f} requests failed")
        return figures | {"cpu_us": used / figures["requests"] * 1e6}


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
    """Return medians of each contender, and medians with least and largest of the ratios of the rounds."""
    medians = {
        name: {
            measure: statistics.median(f[measure] for f in figures) for measure in (*MEASURES, "allowed", "requests")
        }
        for name, figures in rounds.items()
    }
    ratios = {}
    for measure in MEASURES:
        each = [ours[measure] / go[measure] for ours, go in zip(rounds["ours"], rounds["go"], strict=True)]
        ratios[measure] = {"median": statistics.median(each), "least": min(each), "largest": max(each)}
    return {"medians": medians, "ratios": ratios, "rounds": rounds}


def _table(result: dict[str, Any]) -> str:
    lines = [result["machine"], result["method"], "", "| body | measure | ours | Go | ours / Go (least–largest) |"]
    lines.append("| --- | --- | ---: | ---: | ---: |")
    for name, cell in result["cells"].items():
        for measure, title in MEASURES.items():
            ours, go, ratio = cell["medians"]["ours"][measure], cell["medians"]["go"][measure], cell["ratios"][measure]
            spread = f"{ratio['median']:.2f} ({ratio['least']:.2f}–{ratio['largest']:.2f})"
            lines.append(f"| {name} | {title} | {ours:,.0f} | {go:,.0f} | {spread} |")
        share = cell["medians"]["ours"]["allowed"] / cell["medians"]["ours"]["requests"]
        lines.append(f"| {name} | allowed | {share:.0%} | 100% | |")
    memory = result["memory_mb"]
    lines.append(f"| all | resident MB afterwards | {memory['ours']} | {memory['go']} | |")
    return "\n".join(lines)


def _go_version() -> str:
    return subprocess.run(["go", "env", "GOVERSION"], check=True, stdout=subprocess.PIPE).stdout.decode().strip()


def _method(options: argparse.Namespace) -> str:
    pinning = "server and client on a core each" if pinned(CLIENT_CORE, ["x"]) != ["x"] else "nothing pinned"
    return (
        f"Closed loop over TLS with kept connections, {options.rounds} interleaved rounds of {options.seconds:g} s, "
        f"{pinning}; medians, ratios taken round by round"
    )


if __name__ == "__main__":
    main()
