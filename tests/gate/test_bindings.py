"""The backstop at binding: the node that a scheduler chose is one that the pod's tenant is cleared for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from admission.cluster.lookup import LookupFailed
from admission.review.pod import Pod
from tests.decide.questions import policy, quota, rule, world
from tests.demand.cluster import A100, H100, node
from tests.gate.reviews import Door, review

ONE_GPU = {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
ONLY_A100 = policy(rule("some", "Allow", classes=["a100-80gb"]), rule("none", "Deny", classes=["h100-sxm"]))


class Pods:
    """Pods that can be looked up."""

    def __init__(self, **pods: dict[str, Any]) -> None:
        self._pods = pods

    async def pod(self, _namespace: str, name: str) -> Pod | None:
        spec = self._pods.get(name)
        return None if spec is None else msgspec.convert({"metadata": {"name": name, "uid": name}, "spec": spec}, Pod)


def _binding(name: str, where: str, uid: str) -> bytes:
    binding = {"metadata": {"name": name, "namespace": "lab", "uid": uid}, "target": {"name": where}}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Binding"}
    return review({}, name, object=binding, kind=kind, resource=resource, subResource="binding")


def bound(name: str, where: str, uid: str = "", lookup: Any = None) -> dict[str, Any]:
    door = Door(world(quota(), ONLY_A100, nodes=(node("big", H100), node("small", A100), node("plain", resources=()))))
    pods: Any = lookup or Pods(gpu=ONE_GPU, cpu={"containers": []})
    door.gate._lookup = pods
    answer = asyncio.run(door.ask(_binding(name, where, uid), "enforced"))
    assert door.held() == 0
    return answer


@pytest.mark.parametrize(
    ("name", "where", "uid", "allowed"),
    [
        pytest.param("gpu", "small", "", True, id="a class that the tenant is cleared for"),
        pytest.param("gpu", "big", "", False, id="one that it is not"),
        pytest.param("gpu", "plain", "", False, id="a node of which nobody knows what it has"),
        pytest.param("cpu", "big", "", True, id="a pod that asks for nothing"),
        pytest.param("gone", "big", "", True, id="a pod that is gone"),
        pytest.param("gpu", "big", "another", True, id="another pod of the name, which the API server refuses"),
    ],
)
def test_a_binding_is_judged_by_its_node(name: str, where: str, uid: str, allowed: bool) -> None:
    assert bound(name, where, uid)["allowed"] is allowed


class Silent:
    """Nobody can be asked."""

    async def pod(self, _namespace: str, name: str) -> Pod | None:
        raise LookupFailed(name)


def test_a_binding_whose_pod_nobody_can_tell_is_tried_again() -> None:
    answer = bound("gpu", "small", lookup=Silent())
    assert (answer["allowed"], answer["status"]["code"]) == (False, 429)


def test_a_binding_is_judged_anew_each_time_as_its_node_may_be_known_by_then() -> None:
    door = Door(world(quota(), ONLY_A100))
    door.gate._lookup = Pods(gpu=ONE_GPU)  # type: ignore[assignment]  # nothing else is asked

    async def twice() -> list[bool]:
        first = await door.ask(_binding("gpu", "fresh", ""), "enforced")
        door.registry.put_node(node("fresh", A100))
        return [first["allowed"], (await door.ask(_binding("gpu", "fresh", ""), "enforced"))["allowed"]]

    assert asyncio.run(twice()) == [False, True]
