"""The backstop at binding: the node that a scheduler chose is one that the pod's tenant is cleared for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

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


def bound(name: str, where: str, uid: str = "") -> dict[str, Any]:
    door = Door(world(quota(), ONLY_A100, nodes=(node("big", H100), node("small", A100), node("plain", resources=()))))
    door.gate._lookup = Pods(gpu=ONE_GPU, cpu={"containers": []})  # type: ignore[assignment]  # nothing else is asked
    binding = {"metadata": {"name": name, "namespace": "lab", "uid": uid or name}, "target": {"name": where}}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Binding"}
    body = review({}, name, object=binding, kind=kind, resource=resource, subResource="binding")
    answer = asyncio.run(door.ask(body, "enforced"))
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
