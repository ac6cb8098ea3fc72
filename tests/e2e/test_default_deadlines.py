"""Pods of Deployments under a quota with a longest hold: refused for want of an end, admitted with the one they get."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.objects import deployment, gpu_pod, namespace, quota, tenant
from tests.e2e.world import eventually
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tests.e2e.world import World

DAY = 86_400
LABEL = "computegate.io/default-deadline-seconds"


@contextlib.contextmanager
def deadlines(world: World, where: str) -> Iterator[None]:
    """The policy of deadlines.enabled, as the chart renders it, in force for the block."""
    rendered: list[dict[str, Any]] = world.installed.rendered({"deadlines.enabled": "true"})
    policies = yaml.safe_dump_all([each for each in rendered if each["kind"].startswith("MutatingAdmissionPolicy")])
    world.kubectl("create", "-f", "-", stdin=policies)
    try:
        eventually(lambda: world.denial(gpu_pod("probe", where), "--dry-run=server"), lambda line: line == "")
        yield
    finally:
        world.kubectl("delete", "-f", "-", stdin=policies)


def refusal(world: World, where: str, app: str) -> str:
    """Return why the Deployment's pods are not made, as its ReplicaSet says it."""
    found = world.items("replicasets", "-n", where, "-l", f"app={app}")
    conditions = [each for one in found for each in one.get("status", {}).get("conditions", [])]
    return " ".join(each["message"] for each in conditions if each["type"] == "ReplicaFailure")


def pods_of(world: World, where: str, app: str) -> list[Object]:
    return world.items("pods", "-n", where, "-l", f"app={app}")


def ends(pods: list[Object]) -> list[int | None]:
    return [each["spec"].get("activeDeadlineSeconds") for each in pods]


def job(name: str, where: str, **spec: Any) -> Object:
    made = {**gpu_pod("", where, **spec)["spec"], "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": name}}, "spec": made}
    metadata = {"name": name, "namespace": where}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def test_a_deployment_runs_under_a_longest_hold_only_with_the_end_that_its_pods_get(
    world: World, country: str, unique: str
) -> None:
    limits = quota(unique, country, 8, limits={"longestHold": "2d"})
    world.apply(limits, tenant(unique, country), namespace(unique, unique, "enforce"))
    world.admit(deployment("server", unique, gpu_pod("", unique, 2)))
    scale = ("scale", "deployment/server", "-n", unique)
    refused = eventually(lambda: refusal(world, unique, "server"))
    assert f"quota {unique} lets a pod hold its devices for 2d at most; set activeDeadlineSeconds" in refused
    with deadlines(world, unique):
        world.kubectl(*scale, "--replicas=0")
        world.kubectl(*scale, "--replicas=1")
        made = eventually(lambda: pods_of(world, unique, "server"))
        assert ends(made) == [DAY]
        world.await_use(unique, 2)


def test_what_names_its_own_end_keeps_it_and_is_judged_by_it(world: World, country: str, unique: str) -> None:
    limits = quota(unique, country, 8, limits={"longestHold": "2d"})
    world.apply(limits, tenant(unique, country), namespace(unique, unique, "enforce"))
    with deadlines(world, unique):
        world.admit(job("own", unique, activeDeadlineSeconds=3600), job("bare", unique))
        assert ends(eventually(lambda: pods_of(world, unique, "own"))) == [3600]
        assert ends(eventually(lambda: pods_of(world, unique, "bare"))) == [DAY]
        world.kubectl("label", "namespace", unique, f"{LABEL}={3 * DAY}")
        far = eventually(lambda: world.denial(gpu_pod("far", unique), "--dry-run=server"))
        assert f"quota {unique} lets a pod hold its devices for 2d at most, not 3d" in far
        world.admit(pod("plain", unique, {"cpu": "1"}))
        assert ends([world.get("pod", "plain", "-n", unique)]) == [None]
