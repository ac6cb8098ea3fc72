"""Measure what finding a pod's demand costs beside decoding its review: ``make bench-demand``.

Both read the same bytes with the same decoders.  The bare one stops there; ours goes on to the demand: devices,
classes, places, ways around asking.  A third one is ours for a pod whose constraints nobody had before, so that all
nodes are walked.  Each round runs one after the other, in alternating order, and counts processor time, so that the
machine's moods meet all alike.  What counts is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.catalogue.catalogue import Catalogue
from admission.demand.inventory import Inventory, Node, Taint
from admission.demand.pod import Demand, demand_of
from admission.demand.taking import take_inventory
from admission.review import wire
from admission.review.pod import Pod
from bench import bodies
from bench.machine import machine
from bench.result import publish

TARGET = 1.5
"""Ours may cost so many times the bare decode."""

_REVIEWS, _PODS = msgspec.json.Decoder(wire.Review), msgspec.json.Decoder(Pod)
Contenders = dict[str, Callable[[bytes], object]]
Ratios = dict[str, float]


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    contenders = _contenders(_inventory(options.nodes))
    cells = {f"{size} KB": _measure(contenders, bodies.review(size), options) for size in options.sizes}
    result = {"machine": machine(), "method": _method(options), "target": TARGET, "cells": cells}
    publish(result, _table(result), options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 15, 100], help="sizes of the bodies in KB")
    parser.add_argument("--nodes", type=int, default=200, help="nodes of the cluster")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each contender in each round")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "demand.json")
    return parser.parse_args()


def _inventory(nodes: int) -> Inventory:
    """A cluster of tainted H100 nodes."""
    made = (
        Node(
            name=f"node-{number}",
            labels={"kubernetes.io/hostname": f"node-{number}", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
            taints=(Taint("nvidia.com/gpu", "", "NoSchedule"),),
            resources=frozenset({"cpu", "memory", "nvidia.com/gpu"}),
        )
        for number in range(nodes)
    )
    return take_inventory(made, (), Catalogue.builtin(), "DE")


def _contenders(inventory: Inventory) -> Contenders:
    def bare(body: bytes) -> Pod:
        return _PODS.decode(_REVIEWS.decode(body).request.object)

    def ours(body: bytes) -> Demand:
        return demand_of(wire.parse_pod(wire.parse_review(body).object), inventory)

    def first(body: bytes) -> Demand:
        inventory.asked.clear()
        inventory.reached.clear()
        return ours(body)

    return {"bare": bare, "ours": ours, "first": first}


def _measure(contenders: Contenders, body: bytes, options: argparse.Namespace) -> dict[str, Any]:
    """Return medians in µs, and median, least and largest of the ratios to the bare decode."""
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    times = max(1, int(options.seconds / _seconds(contenders["bare"], body, 100)))
    for number in range(options.rounds):
        for name in contenders if number % 2 == 0 else reversed(contenders):
            repeats = times if name != "first" else max(1, times // 20)
            rounds[name].append(_seconds(contenders[name], body, repeats))
    return {
        "bytes": len(body),
        "us": {name: round(statistics.median(each) * 1e6, 1) for name, each in rounds.items()},
        "ratios": {name: _ratios(rounds[name], rounds["bare"]) for name in contenders if name != "bare"},
        "rounds": rounds,
    }


def _seconds(run: Callable[[bytes], object], body: bytes, times: int) -> float:
    """Processor time of one run."""
    begun = time.process_time()
    for _ in range(times):
        run(body)
    return (time.process_time() - begun) / times


def _ratios(ours: list[float], bare: list[float]) -> Ratios:
    each = [one / other for one, other in zip(ours, bare, strict=True)]
    return {"median": statistics.median(each), "least": min(each), "largest": max(each)}


def _table(result: dict[str, Any]) -> str:
    lines = [result["machine"], result["method"], ""]
    lines += [
        "| body | bare µs | ours µs | ours / bare (least-largest) | first of its kind |",
        "| --- |" + " ---: |" * 4,
    ]
    for name, cell in result["cells"].items():
        micros, ratio, first = cell["us"], cell["ratios"]["ours"], cell["ratios"]["first"]
        spread = f"{ratio['median']:.2f} ({ratio['least']:.2f}-{ratio['largest']:.2f})"
        lines.append(f"| {name} | {micros['bare']} | {micros['ours']} | {spread} | {first['median']:.1f} |")
    return "\n".join([*lines, "", f"target: ours / bare at most {result['target']}"])


def _method(options: argparse.Namespace) -> str:
    return (
        f"{options.rounds} interleaved rounds of about {options.seconds:g} s, processor time; medians, "
        f"ratios taken round by round; {options.nodes} nodes"
    )


if __name__ == "__main__":
    main()
