"""Measure creating pods through a real API server, with ours and with others in the way: ``make bench-admission``.

Eleven contenders on one API server and etcd, whose data lie in memory; a pod of one accelerator and about 3.6 KB is
created by 1, 8 and 64 creators at once, without a limit being reached.  A round measures every contender, one after
the other, beginning with another one each time; what counts is the median over the rounds of the ratio to the fair
peer of the same round.  Only the servers of the contender at hand run, so that none pays for another's watches.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.contender import processor_seconds
from bench.machine import go_version, machine
from bench.result import add_options, held, publish, shown, spread
from bench.stage import FRAMEWORK, MATCHED, MEMORY, NONE, OURS, PEER, POLICY, QUOTA, UNMATCHED, Stage

TMPFS = Path("/dev/shm")  # noqa: S108 (etcd's data for minutes; nothing to hide)
HERE = Path(__file__).parent
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Contender:
    """What stands in the way of a create."""

    title: str
    replicas: int = 0
    """Of ours that run."""
    namespaces: tuple[str, ...] = ()
    server: str = ""
    """Another one that answers, by its name on the stage."""
    one_in_turn: bool = False
    """Whether a round uses one of the namespaces, the next round the next one."""

    def targets(self, number: int) -> tuple[str, ...]:
        """Return the namespaces to create in."""
        return (self.namespaces[number % len(self.namespaces)],) if self.one_in_turn else self.namespaces


CONTENDERS = {
    "none": Contender("no webhook", namespaces=(NONE,)),
    "policy": Contender("ValidatingAdmissionPolicy", namespaces=(POLICY,)),
    "quota": Contender("ResourceQuota", namespaces=(QUOTA,)),
    "framework": Contender("controller-runtime", namespaces=(FRAMEWORK,), server="peer"),
    "peer": Contender("controller-runtime and ResourceQuota", namespaces=(PEER,), server="peer"),
    "matched": Contender("the peer behind our match conditions", namespaces=(MATCHED,), server="peer"),
    "memory": Contender("ours, ledger in memory", namespaces=(MEMORY,), server="memory"),
    "one": Contender("ours, 1 replica", 1, OURS[:1]),
    "unmatched": Contender("ours, 1 replica, without match conditions", 1, (UNMATCHED,)),
    "affinity": Contender("ours, 3 replicas, affinity", 3, OURS, one_in_turn=True),
    "spread": Contender("ours, 3 replicas, spread evenly", 3, OURS),
}
RATIOS = {
    "pods/s beside the peer": ("rate", "peer"),
    "pods/s beside no webhook": ("rate", "none"),
    "webhook CPU beside controller-runtime's": ("webhook_s", "framework"),
    "p50 beside the peer": ("p50_ms", "peer"),
}
"""What is divided in each round: a measure, and whose."""

_BOTH = ("one", "affinity")
TARGETS = (
    *(
        (name, workers, "pods/s beside the peer", floor)
        for name in _BOTH
        for workers, floor in ((1, 0.85), (8, 1), (64, 1))
    ),
    *(("spread", workers, "pods/s beside the peer", 0.75) for workers in (1, 8, 64)),
    *(("memory", workers, "webhook CPU beside controller-runtime's", 0.6) for workers in (1, 8, 64)),
    *(("one", workers, "webhook CPU beside controller-runtime's", most) for workers, most in ((8, 0.8), (64, 0.6))),
    *((name, 1, "p50 beside the peer", 1.2) for name in _BOTH),
)
"""Contender, creators at once, a ratio, and what it should be: at least for pods/s, else at most."""

CEILINGS = {1: 1.0, 8: 0.4, 64: 0.1}
"""Most reservation writes for each admission."""


_SETTLE = "seconds before the warm-up: a replica that leads anew first reads what happened while nobody led"


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    with tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None) as folder, Stage(Path(folder)) as stage:
        bench = Bench(stage, options)
        for number in range(options.rounds):
            for workers in options.workers:
                bench.round(number, workers)
        result: dict[str, Any] = {
            "machine": machine(go_version()),
            "method": _method(options),
            "cells": {workers: _summary(bench.rounds[workers]) for workers in options.workers},
            "rounds": bench.rounds,
        }
    publish(result, _table(result), options.out, write="make bench-admission" if options.write else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64], help="creators at once")
    parser.add_argument(
        "--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="contenders; the peer too"
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each contender in each round")
    parser.add_argument("--warm-up", type=float, default=0.7, help="seconds before each of them")
    parser.add_argument("--settle", type=float, default=4, help=_SETTLE)
    add_options(parser, "admission.json")
    return parser.parse_args()


class Bench:
    """Rounds of measurements on a stage."""

    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self._stage, self._options = stage, options
        self.rounds: dict[int, list[dict[str, Figures]]] = {workers: [] for workers in options.workers}

    def round(self, number: int, workers: int) -> None:
        """Measure every contender once."""
        names = [name for name in CONTENDERS if name in self._options.only]
        first = number % len(names)
        found = {name: self._measure(name, number, workers) for name in names[first:] + names[:first]}
        self.rounds[workers].append({name: found[name] for name in names})
        done = ", ".join(f"{name} {each['rate']:.0f}/s" for name, each in found.items())
        print(f"{workers} at once, round {number + 1}: {done}", file=sys.stderr)

    def _measure(self, name: str, number: int, workers: int) -> Figures:
        contender, stage = CONTENDERS[name], self._stage
        targets = contender.targets(number)
        stage.run_replicas(contender.replicas)
        time.sleep(self._options.settle)
        stage.create(targets, workers, self._options.warm_up)
        counted, used = self._counted(contender), self._used(contender)
        seen = stage.create(targets, workers, self._options.seconds)
        used = _grown(used, self._used(contender))
        counted = _grown(counted, self._counted(contender))
        stage.clear(targets)
        if seen["refused"]:
            print(f"{contender.title}: {seen['refused']} {seen['words']}", file=sys.stderr)
        return _figures(seen, used, counted)

    def _used(self, contender: Contender) -> Figures:
        """Return processor seconds so far, of the webhook and of the control plane."""
        pids = self._stage.webhook_pids(contender.replicas, contender.server)
        plane = self._stage.plane.pids.values()
        return {"webhook": sum(map(processor_seconds, pids)), "plane": sum(map(processor_seconds, plane))}

    def _counted(self, contender: Contender) -> Figures:
        """Return writes so far: of our ledger, and of statuses as the API server counts them."""
        ours, requests = self._stage.figures(contender.replicas), self._stage.requests()
        counted = {key: sum(each.figure(f"computegate_ledger_{key}_total") for each in ours) for key in _LEDGER}
        for key, resource in _STATUSES.items():
            counted[key] = requests.figure("apiserver_request_total", resource=resource, subresource="status")
        return counted


_LEDGER = ("writes", "reservations", "conflicts", "folds")
_STATUSES = {"statuses": "computequotas", "quotas": "resourcequotas"}


def _grown(before: Figures, after: Figures) -> Figures:
    return {key: after[key] - before[key] for key in after}


def _figures(seen: dict[str, Any], used: Figures, counted: Figures) -> Figures:
    """Return what counts of one measurement, by pod where it grows with them."""
    created = max(1, seen["created"])
    reserved = max(1.0, counted["reservations"])
    return {
        "rate": seen["rate"],
        "p50_ms": seen["p50_ms"],
        "p99_ms": seen["p99_ms"],
        "webhook_s": used["webhook"] / created * 1000,
        "plane_ms": used["plane"] / created * 1000,
        "writes": counted["writes"] / reserved,
        "conflicts": counted["conflicts"] / reserved,
        "folds": counted["folds"],
        "statuses": counted["statuses"],
        "quotas": counted["quotas"] / created,
        "created": seen["created"],
        "refused": sum(seen["refused"].values()),
    }


def _summary(rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    """Return, by contender, medians, and the ratios to others in the same round."""
    return {name: _summarised(name, rounds) for name in rounds[0]}


def _summarised(name: str, rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    own = [found[name] for found in rounds]
    medians = {key: statistics.median(each[key] for each in own) for key in own[0]}
    ratios = {
        title: spread(found[name][key] / found[other][key] for found in rounds)
        for title, (key, other) in RATIOS.items()
        if other in rounds[0] and rounds[0][name][key]
    }
    return {"medians": medians, "ratios": ratios, "refused": sum(each["refused"] for each in own)}


_COLUMNS = {
    "rate": ("pods/s", "{:.0f}"),
    "p50_ms": ("p50 ms", "{:.1f}"),
    "p99_ms": ("p99 ms", "{:.0f}"),
    "webhook_s": ("webhook CPU s per 1,000", "{:.2f}"),
    "plane_ms": ("control plane CPU ms per pod", "{:.2f}"),
    "writes": ("writes per admission", "{:.2f}"),
    "conflicts": ("conflicts per admission", "{:.2f}"),
    "folds": ("folds", "{:.0f}"),
    "statuses": ("ComputeQuota statuses", "{:.0f}"),
    "quotas": ("ResourceQuota writes per pod", "{:.2f}"),
}


def _table(result: dict[str, Any]) -> str:
    titles = ["creators", "contender", *(title for title, _ in _COLUMNS.values()), "refused", *RATIOS]
    lines = [f"{result['machine']}.", f"{result['method']}.", "", f"| {' | '.join(titles)} |"]
    lines.append("| ---: | --- |" + " ---: |" * (len(titles) - 2))
    for workers, cell in result["cells"].items():
        for name, found in cell.items():
            lines.append(_row(workers, name, found))
    return "\n".join([*lines, "", *_verdicts(result["cells"])])


def _row(workers: int, name: str, found: dict[str, Any]) -> str:
    ratios = [shown(found["ratios"][title]) if title in found["ratios"] else "" for title in RATIOS]
    figures = [form.format(found["medians"][key]) for key, (_, form) in _COLUMNS.items()]
    cells = [str(workers), CONTENDERS[name].title, *figures, f"{found['refused']:.0f}", *ratios]
    return f"| {' | '.join(cells)} |"


def _verdicts(cells: dict[int, Any]) -> list[str]:
    """Say of each target whether it was reached."""
    lines = []
    for name, workers, title, bound in TARGETS:
        ratio = cells.get(workers, {}).get(name, {"ratios": {}})["ratios"].get(title)
        if ratio is None:
            continue
        least = title.startswith("pods/s")
        reached = ratio["median"] >= bound if least else ratio["median"] <= bound
        wanted = f"at {'least' if least else 'most'} {bound:g}x"
        lines.append(f"* {_where(name, workers)}, {title}: {held(reached)}, {ratio['median']:.2f}x of {wanted}")
    for workers, cell in cells.items():
        for name in set(_BOTH) & set(cell):
            writes, most = cell[name]["medians"]["writes"], CEILINGS.get(workers, 1.0)
            lines.append(f"* {_where(name, workers)}, writes: {held(writes <= most)}, {writes:.2f} of at most {most:g}")
        refused = sum(found["refused"] for name, found in cell.items() if CONTENDERS[name].replicas)
        lines.append(f"* ours, {workers} at once: {held(not refused)}, {refused:.0f} refused of 0")
    return lines


def _where(name: str, workers: int) -> str:
    return f"{CONTENDERS[name].title}, {workers} at once"


def _method(options: argparse.Namespace) -> str:
    return (
        f"Closed loop through kube-apiserver and etcd (data in memory, no fsync), webhooks called through Services; "
        f"{options.rounds} interleaved rounds of {options.seconds:g} s after {options.settle:g} s without a create and "
        f"{options.warm_up:g} s of warm-up each; "
        f"medians, ratios taken round by round"
    )


if __name__ == "__main__":
    main()
