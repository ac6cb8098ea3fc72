"""A pod that is made to keep the webhook busy: answered, with work in proportion to its bytes, and a short record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.decide.questions import quota, world
from tests.demand.cluster import H100, node
from tests.effort import lines_run
from tests.gate.reviews import Door, review, run

NODES = tuple(node(f"n{number}", H100, "gpu", zone=str(number % 7)) for number in range(300))
GPU = {"nvidia.com/gpu": "1"}
LONGEST_RECORD = 100_000


def _container(name: str, limits: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"limits": limits}, **fields}


def _pod(limits: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return {"containers": [_container("main", GPU if limits is None else limits)], **fields}


def _required(terms: list[list[dict[str, Any]]]) -> dict[str, Any]:
    made = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": made}}}


def _in(zone: str) -> dict[str, Any]:
    return {"key": "zone", "operator": "In", "values": [zone]}


TOLERANT: dict[str, Any] = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}
VARIABLE = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}
SIDECARS = [
    _container(f"s{n}", {f"example.com/{n}-{each}": "1" for each in range(4)}, restartPolicy="Always")
    for n in range(1500)
]
PODS: dict[str, tuple[dict[str, Any], str]] = {
    "10000 containers": (
        {"containers": [_container(f"c{n}", GPU) for n in range(10_000)]},
        "more than 4096 containers",
    ),
    "4000 containers": ({"containers": [_container(f"c{n}", GPU) for n in range(4000)]}, "[NotPermitted]"),
    "sidecars of different resources": (_pod(initContainers=SIDECARS), "more than 128 extended resources"),
    "a container of different resources": (
        _pod({f"example.com/{n}": "1" for n in range(20_000)}),
        "more than 128 extended resources",
    ),
    "claims": (
        _pod(resourceClaims=[{"name": f"c{n}", "resourceClaimName": "c"} for n in range(10_000)]),
        "spec.resourceClaims: more than 128",
    ),
    "affinity of many terms": (_pod(**_required([[_in(f"no{n}")] for n in range(10_000)])), "allowed"),
    "affinity of many expressions": (_pod(**_required([[_in("1") for _ in range(10_000)]]), **TOLERANT), "allowed"),
    "tolerations": (_pod(tolerations=[{"key": f"k{n}", "operator": "Exists"} for n in range(10_000)]), "allowed"),
    "a large node selector": (_pod(nodeSelector={f"k{n}": "x" for n in range(10_000)}), "allowed"),
    "variables": (
        {"containers": [_container("main", GPU, env=[VARIABLE] * 20_000)]},
        "spec.containers[main].env[NVIDIA_VISIBLE_DEVICES]",
    ),
    "host paths": (
        _pod(volumes=[{"name": "v", "hostPath": {"path": "/" + "x/../" * 200 + "dev"}}] * 1000),
        "spec.volumes[v].hostPath",
    ),
    "digits": (_pod({"nvidia.com/gpu": "9" * 1_000_000}), "is not a quantity"),
}
"""What is sent, and what the denial says; nothing where the tenant, cleared for H100, may have it."""


@pytest.mark.parametrize(("spec", "says"), PODS.values(), ids=PODS)
def test_no_pod_is_more_work_than_its_bytes(spec: dict[str, Any], says: str) -> None:
    door, body = Door(world(quota(), nodes=NODES)), review(spec)
    _, least = lines_run(lambda: run(review(_pod(), "first"), door=door))
    (response,), lines = lines_run(lambda: run(body, door=door))
    assert says in response.get("status", {"message": "allowed"})["message"]
    assert lines < 2 * least + len(body), "less than a line for each byte"
    assert len(msgspec.json.encode(door.records[-1])) < LONGEST_RECORD
