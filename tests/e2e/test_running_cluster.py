"""Installed on a cluster that already runs accelerators and knows no Tenant: observed first, enforced bit by bit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import examples, namespace, of, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import Installation, pod
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object

SPACES = tuple(f"team-{number}" for number in range(10))
ENFORCED = SPACES[:3]
EACH = 5
OLD = {"pool.example.com/name": "old"}
"""The label of the nodes, from which nobody can tell their chips."""

POOL = {"nodeLabels": OLD, "acceleratorClass": "h100-sxm", "resources": ["nvidia.com/gpu"]}
POOL |= {"place": {"country": "DE"}}


def _node(name: str) -> Object:
    room = {"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": "100"}
    ready = [{"type": "Ready", "status": "True"}]
    status = {"capacity": room, "allocatable": room, "conditions": ready}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": OLD}, "status": status}


def _old_pod(name: str, where: str) -> Object:
    return pod(name, where, {"nvidia.com/gpu": "1"}, {"nodeSelector": OLD})


def _fill(kubectl: Kubectl) -> None:
    """Run fifty pods in ten namespaces on one node."""
    node = _node("gpu-1")
    kubectl("create", "-f", "-", stdin=json.dumps(node))
    status = json.dumps({"status": node["status"]})
    kubectl("patch", "node", "gpu-1", "--subresource=status", "--type=merge", "-p", status)
    kubectl("patch", "node", "gpu-1", "--type=merge", "-p", '{"spec":{"taints":null}}')  # it was not ready at first
    kubectl("create", "-f", "-", stdin="\n---\n".join(json.dumps(namespace(each)) for each in SPACES))
    for each in SPACES:
        kubectl("wait", "--for=create", "serviceaccount/default", "-n", each, "--timeout=30s")
    pods = [_old_pod(f"old-{number}", each) for each in SPACES for number in range(EACH)]
    kubectl("create", "-f", "-", stdin="\n---\n".join(map(json.dumps, pods)))

    def bound() -> list[str]:
        return kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].spec.nodeName}").stdout.split()

    eventually(bound, lambda found: len(found) == len(pods))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The cluster with its fifty pods, and computegate installed afterwards in observe."""
    directory = tmp_path_factory.mktemp("running")
    with ControlPlane(directory / "plane") as plane:
        _fill(Kubectl(plane))
        ledger = {"rebuildSeconds": 1.0, "expireSeconds": 44.0}
        with Installation(plane, directory / "gate", mode="observe", ledger=ledger) as gate:
            yield World(gate)


def _would_deny(world: World) -> float:
    return value(world.metrics(), "computegate_decisions_total", decision="would_deny", mode="observe")


def test_installed_in_observe_nothing_is_denied_and_who_would_be_is_reported(running: World) -> None:
    before = _would_deny(running)
    running.admit(*(_old_pod("new", each) for each in SPACES))
    reported = eventually(
        lambda: {line["object"]["namespace"]: line for line in running.records() if line["decision"] == "would_deny"},
        lambda found: set(found) == set(SPACES),
    )
    assert all(set(line["reasons"]) == {"ClassUnknown", "TenantUnknown"} for line in reported.values())
    assert all(line["message"] and line["reference"] for line in reported.values())
    assert _would_deny(running) - before == len(SPACES)
    reasons = value(running.metrics(), "computegate_denial_reasons_total", reason="TenantUnknown", mode="observe")
    assert reasons == len(SPACES)
    assert value(running.metrics(), "computegate_decisions_total", decision="denied", mode="observe") == 0


def test_namespaces_are_enforced_one_by_one_and_bring_their_use_along(running: World) -> None:
    held = sum(1 for each in running.items("pods", "-A") if each["metadata"]["namespace"] in ENFORCED)
    running.apply(
        *examples("policy"),
        of("AcceleratorPool", "frankfurt", POOL),
        *(quota("all-nl", "NL", held + 1), tenant("windmill", "NL")),
        *(namespace(each, "windmill", "enforce") for each in ENFORCED),
    )
    running.await_use("all-nl", held)
    running.admit(_old_pod("last", ENFORCED[0]))
    running.await_use("all-nl", held + 1)
    line = eventually(lambda: running.denial(_old_pod("more", ENFORCED[1])))
    assert line.startswith(
        f"exceeded quota: all-nl, requested: nvidia.com/gpu=1, used: nvidia.com/gpu={held + 1}, "
        f"limited: nvidia.com/gpu={held + 1} "
    )
    running.admit(*(_old_pod("more", each) for each in SPACES[3:]))
    assert running.use("all-nl")["used"] == held + 1, "observed use does not count against the limit"
