"""Measure one decision with thousands of tenants and a large ownership graph: ``make bench-decide``.

Decides under the rules of all scenarios: both built-in profiles, the example policy, and whose word counts for how
long.  One cleared tenant has 200 parties, in levels and ranges; thousands of other cleared ones have none.  What
follows from a tenant's facts is computed when they change, and which rules apply to it is found when it is first
asked about, and kept; so measured apart are the large tenant, any of the others at random, the first decision about
each of them, and putting the large one in anew.  ``asked`` is the whole question with it: what the pod can obtain,
who is behind the namespace, which rules are in force.  Every run is timed by itself in processor time, with the
garbage collector off, whose pauses are of the process.  What else the machine does still takes caches and cycles: the
yardstick, decoding that takes about as long, is run in turn and shows how far its 99th percentile is from its median.
"""

from __future__ import annotations

import argparse
import functools
import gc
import random
import statistics
import sys
import time
from dataclasses import replace
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

    from admission.decide.question import Verdict

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

LARGE = "the large tenant"
OTHERS = "any other tenant"
UNLIKE = "a pod unlike all before"

POD = wire.parse_pod(
    msgspec.Raw(b'{"spec":{"containers":[{"name":"c","resources":{"limits":{"nvidia.com/h100":"1"}}}]}}')
)


def main() -> None:
    """Run the benchmark, print the table, write the JSON."""
    options = _options()
    registry, large = _registry(options.tenants, options.parties)
    others = [f"lab-{number}" for number in range(options.tenants)]
    if reasons := [reason for lab in (LARGE, *others) for reason in _asked(registry, lab).reasons()]:
        raise SystemExit(f"the measured tenants are not all cleared: {', '.join(dict.fromkeys(reasons))}")
    gc.disable()
    changes = [_microseconds(registry.put, large) for _ in range(options.changes)]
    _forget(registry)
    times: dict[str, list[float]] = {name: [] for name in (LARGE, OTHERS, UNLIKE, "asked", "yardstick")}
    first = [_decided(registry, lab) for lab in random.sample(others, len(others))]
    yardstick = _yardstick(statistics.median(_unlike(registry, LARGE) for _ in range(ROUND)))
    for lab in random.choices(others, k=options.decisions):  # noqa: S311  chance, no secret
        times[LARGE].append(_decided(registry, LARGE))
        times[OTHERS].append(_decided(registry, lab))
        times[UNLIKE].append(_unlike(registry, LARGE))
        times["asked"].append(_microseconds(functools.partial(_asked, registry), LARGE))
        times["yardstick"].append(_microseconds(yardstick, None))
    cells = {name: _spread(each) for name, each in times.items()}
    cells |= {"first decision about each": _spread(first), "the large tenant changes": _spread(changes)}
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
        registry.put(_tenant(f"tenant-{number}", {"independent": True, "othersBelow": 10}))
        registry.put_namespace(f"lab-{number}", {"computegate.io/tenant": f"tenant-{number}"})
    large = _tenant("large", _graph(parties))
    for path in RULES:
        for document in files.read([path]):
            files.take(registry, document)
    registry.put(large)
    registry.put(_quota())
    registry.put_namespace(LARGE, {"computegate.io/tenant": "large"})
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


def _asked(registry: Registry, namespace: str) -> Verdict:
    return decide(question_of(registry, POD, NOW, namespace))


def _decided(registry: Registry, namespace: str) -> float:
    return _microseconds(decide, question_of(registry, POD, NOW, namespace))


def _unlike(registry: Registry, namespace: str) -> float:
    """Time a decision about a pod with a deadline that no other has; its verdict is not kept for the next one."""
    question = question_of(registry, POD, NOW, namespace)
    found = _microseconds(
        decide, replace(question, demand=msgspec.structs.replace(question.demand, deadline_seconds=1))
    )
    question.rules.verdicts.popitem()
    return found


def _forget(registry: Registry) -> None:
    """Forget verdicts and which rules apply to whom, as when a rule changes."""
    registry.rules(NOW).verdicts.clear()
    registry.rules(NOW).applied.clear()


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
    spread = {
        name: result["cells"][name]["p99"] / result["cells"][name]["median"]
        for name in (LARGE, OTHERS, UNLIKE, "yardstick")
    }
    told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in spread.items())
    return "\n".join(
        [*lines, "", f"target: p99 of a decision at most {result['target_us']:g} µs; p99 / median: {told}"]
    )


def _method(options: argparse.Namespace) -> str:
    return (
        f"{options.tenants} tenants and one with {options.parties} parties; {options.decisions} decisions of each kind "
        f"and {options.changes} changes, each timed in processor time; no garbage collection"
    )


if __name__ == "__main__":
    main()
