"""Measure one decision with thousands of tenants and a large ownership graph: ``make bench-decide``.

Decides about a cleared tenant of 200 parties, in levels and ranges, among thousands of others, under the rules of all
scenarios: both built-in profiles, the example policy, and whose word counts for how long.  What follows from a
tenant's facts is computed when they change; that is measured beside it, by putting the same tenant in anew, as is the
first decision after a change, which fills what later ones look up and is one of those that are measured.  ``asked`` is
the whole question with it: what the pod can obtain, who is behind the namespace, which rules are in force.  Every run
is timed by itself in processor time, with the garbage collector off, whose pauses are of the process.  What else the
machine does still takes caches and cycles: the yardstick, decoding that takes about as long, is run in turn and shows
how far its 99th percentile is from its median.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.cli import files
from admission.decide.decide import decide
from admission.decide.registry import Registry
from admission.demand.inventory import Node
from admission.review import wire
from admission.tenants.identity import identity_digest
from bench import bodies
from bench.machine import machine
from bench.result import publish
from tests.decide.questions import question_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TARGET_US = 100.0
"""The 99th percentile of a decision, in microseconds."""

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ROUND = 1000
"""Runs one after the other whose 99th percentile is told by itself: the calmest of many is the least disturbed."""

ROOT = Path(__file__).parent.parent
PROFILES = ROOT / "admission" / "catalogue" / "profiles"
RULES = (
    PROFILES / "access-as-regulated.yaml",
    PROFILES / "transfer-tests.yaml",
    ROOT / "examples" / "objects" / "policy.yaml",
    ROOT / "examples" / "scenarios" / "shared" / "evidence.yaml",
)
COUNTRIES = ("DE", "FR", "US", "JP", "SG", "NL", "KR", "SE")
WIDTH = 10
"""Parties of one level of the graph; each is owned by some of the next."""

POD = wire.parse_pod(
    msgspec.Raw(b'{"spec":{"containers":[{"name":"c","resources":{"limits":{"nvidia.com/h100":"1"}}}]}}')
)


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    registry, large = _registry(options.tenants, options.parties)
    if reasons := decide(question_of(registry, POD, NOW)).reasons():
        raise SystemExit(f"the measured tenant is not cleared: {', '.join(reasons)}")
    gc.disable()
    changes = [_microseconds(registry.put, large) for _ in range(options.changes)]
    first = _microseconds(decide, question_of(registry, POD, NOW))
    yardstick = _yardstick(
        statistics.median(_microseconds(decide, question_of(registry, POD, NOW)) for _ in range(ROUND))
    )
    times: dict[str, list[float]] = {"decide": [first], "asked": [], "yardstick": []}
    for _ in range(options.decisions):
        times["decide"].append(_microseconds(decide, question_of(registry, POD, NOW)))
        times["asked"].append(_microseconds(_asked, registry))
        times["yardstick"].append(_microseconds(yardstick, None))
    cells = {name: _spread(each) for name, each in times.items()}
    cells |= {"a tenant changes": _spread(changes), "first decision after it": _spread([first])}
    result = {"machine": machine(), "method": _method(options), "target_us": TARGET_US, "cells": cells}
    publish(result, _table(result), options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=5000)
    parser.add_argument("--parties", type=int, default=200)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--changes", type=int, default=20, help="times that the large tenant is put in anew")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "decide.json")
    return parser.parse_args()


def _registry(tenants: int, parties: int) -> tuple[Registry, Tenant]:
    """Return everything that decides, and the tenant with the large graph."""
    registry = Registry(Catalogue.builtin(), default_country="DE")
    registry.put_node(Node("h", {}, (), frozenset({"cpu", "nvidia.com/h100"})))
    for number in range(tenants):
        registry.put(_tenant(f"tenant-{number}", {"independent": True}))
    large = _tenant("large", _graph(parties))
    for path in RULES:
        for document in files.read([path]):
            files.take(registry, document)
    registry.put(large)
    registry.put(_quota())
    registry.put_namespace("lab", {"computegate.io/tenant": "large"})
    return registry, large


def _tenant(name: str, facts: dict[str, Any]) -> Tenant:
    own = {"legalName": name, "kind": "Company", "headquarters": "DE"}
    attested = [
        {"facts": ["Payment"], "by": "Operator", "at": "2026-11-01T00:00:00Z", "validUntil": "2027-02-01T00:00:00Z"}
    ]
    spec = {**own, "payment": ["BankTransfer"], "declaredUse": ["Inference"], "attestations": attested, **facts}
    bare = Tenant.model_validate({"metadata": {"name": name}, "spec": spec})
    kyc = {
        "state": "Verified",
        "level": 3,
        "verifiedAt": "2026-06-01T00:00:00Z",
        "expiresAt": "2027-01-01T00:00:00Z",
        "covers": identity_digest(bare.spec),
    }
    status = {"kyc": kyc, "screening": {"state": "Clear", "listsAsOf": "2026-11-25T00:00:00Z"}}
    return Tenant.model_validate({"metadata": {"name": name}, "spec": spec, "status": status})


def _graph(parties: int) -> dict[str, Any]:
    """Return levels of parties, each owned by two of the next in a range and by one of its own level; states on top."""
    names = [f"party-{number}" for number in range(parties)]
    top = parties - WIDTH
    known = [
        {"id": name, "name": name, "headquarters": COUNTRIES[place % len(COUNTRIES)], "type": _type(place, top)}
        for place, name in enumerate(names)
    ]
    stated = [{"owner": names[place], "share": {"exact": 100 / WIDTH}} for place in range(min(WIDTH, parties))]
    for place in range(top):
        above = [names[min(place + WIDTH, parties - 1)], names[min(place + WIDTH + 1, parties - 1)]]
        stated.append({"owner": above[0], "owned": names[place], "share": {"minimum": 51, "maximum": 60}})
        if above[1] != above[0] and len(stated) < 2 * parties - WIDTH:
            stated.append({"owner": above[1], "owned": names[place], "share": {"minimum": 20, "maximum": 40}})
    return {"parties": known, "ownership": stated[:400], "ultimateParent": names[-1]}


def _type(place: int, top: int) -> str:
    return "State" if place >= top else "Entity"


def _quota() -> ComputeQuota:
    spec = {"jurisdictions": list(COUNTRIES), "limits": {"devices": 100}}
    return ComputeQuota.model_validate({"metadata": {"name": "all"}, "spec": spec})


def _asked(registry: Registry) -> object:
    return decide(question_of(registry, POD, NOW))


def _yardstick(microseconds: float) -> Callable[[object], object]:
    """Return work that takes about as long and is always the same: decoding bytes, so many times."""
    body, decode = bodies.review(3), msgspec.json.Decoder(wire.Review).decode
    one = statistics.median(_microseconds(decode, body) for _ in range(ROUND))
    times = range(max(1, round(microseconds / one)))
    return lambda _: [decode(body) for _ in times]


def _microseconds(run: Callable[[T], object], of_what: T) -> float:
    begun = time.thread_time_ns()
    run(of_what)
    return (time.thread_time_ns() - begun) / 1000


def _spread(times: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and largest of all, and the 99th percentile of the calmest round."""
    rounds = [times[start : start + ROUND] for start in range(0, len(times), ROUND)]
    calmest = min(_p99(each) for each in rounds if len(each) == ROUND or len(rounds) == 1)
    figures = {"median": statistics.median(times), "p99": _p99(times), "calmest": calmest, "largest": max(times)}
    return {name: round(each, 1) for name, each in figures.items()}


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * 99 // 100)]


def _table(result: dict[str, Any]) -> str:
    lines = [
        result["machine"],
        result["method"],
        "",
        "| | median µs | p99 µs | p99 of the calmest round | largest µs |",
        "| --- |" + " ---: |" * 4,
    ]
    for name, cell in result["cells"].items():
        lines.append(
            f"| {name} | " + " | ".join(str(cell[part]) for part in ("median", "p99", "calmest", "largest")) + " |"
        )
    spread = {name: result["cells"][name]["p99"] / result["cells"][name]["median"] for name in ("decide", "yardstick")}
    told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in spread.items())
    return "\n".join([*lines, "", f"target: p99 of decide at most {result['target_us']:g} µs; p99 / median: {told}"])


def _method(options: argparse.Namespace) -> str:
    return (
        f"{options.tenants} tenants, one of them with {options.parties} parties; {options.decisions} decisions and "
        f"{options.changes} changes, each timed in processor time; no garbage collection"
    )


if __name__ == "__main__":
    main()
