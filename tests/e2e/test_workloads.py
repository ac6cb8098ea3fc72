"""Workloads through real kubectl: what is told when they are created, and what is refused if the operator wants it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import deployment, examples, gpu_pod, namespace, quota, tenant
from tests.e2e.test_denials import GOLDEN
from tests.e2e.world import World, eventually, line_of, value
from tools.controlplane import ControlPlane
from tools.installation import Installation, pod

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.objects import Object

REJECTED = {"state": "Rejected"}


def _definition(group: str, kind: str) -> Object:
    """Return the definition of a kind whose objects may hold anything."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": kind, "plural": plural},
        "versions": [{**version, "subresources": {"status": {}}}],
    }
    metadata = {
        "name": f"{plural}.{group}",
        "annotations": {"api-approved.kubernetes.io": "unapproved, of the tests alone"},
    }
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata} | {
        "spec": spec
    }


def _define(world: World, group: str, kind: str) -> None:
    world.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_definition(group, kind)))
    world.kubectl("wait", "--for=condition=Established", "crd", f"{kind.lower()}s.{group}", "--timeout=30s")


def _of(api_version: str, kind: str, where: str, spec: Object) -> Object:
    metadata = {"name": "train", "namespace": where}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _job_spec(template: Object) -> Object:
    return {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}}


def _job(where: str) -> Object:
    return _of("batch/v1", "Job", where, _job_spec(gpu_pod("", where)))


def _cron_job(where: str) -> Object:
    return _of(
        "batch/v1", "CronJob", where, {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": _job_spec(gpu_pod("", where))}}
    )


def _job_set(where: str) -> Object:
    jobs = [{"name": "worker", "replicas": 2, "template": {"spec": _job_spec(gpu_pod("", where))}}]
    return _of("jobset.x-k8s.io/v1", "JobSet", where, {"replicatedJobs": jobs})


def _deployment(where: str) -> Object:
    return deployment("train", where, gpu_pod("", where))


KINDS = {
    "Deployment": (_deployment, "its pods"),
    "Job": (_job, "its pods"),
    "CronJob": (_cron_job, "its pods"),
    "JobSet": (_job_set, "pods of role worker"),
}


def _warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("Warning: ") for line in done.stderr.splitlines() if line.startswith("Warning: ")]


def _reviews(world: World) -> float:
    return value(world.metrics(), "computegate_http_requests_total", entry="workloads")


@pytest.fixture(scope="module")
def warned(world: World) -> World:
    """The shared installation, with JobSets."""
    _define(world, "jobset.x-k8s.io", "JobSet")
    return world


@pytest.fixture(scope="module")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation that refuses workloads, and knows of Fleets by the operator's table."""
    directory = tmp_path_factory.mktemp("denying")
    kinds = directory / "kinds.toml"
    kinds.write_text(FLEETS)
    values = {
        "workloads.deny": "true",
        "workloads.extraRules[0].apiGroups": "{example.com}",
        "workloads.extraRules[0].resources": "{fleets}",
    }
    server = {"workloads": {"deny": True, "kindsFile": str(kinds)}}
    with (
        ControlPlane(directory / "plane") as plane,
        Installation(plane, directory / "gate", values=values, server=server) as gate,
    ):
        world = World(gate)
        world.apply(*examples("policy", "pools"), quota("home", "DE", 100))
        _define(world, "jobset.x-k8s.io", "JobSet")
        _define(world, "example.com", "Fleet")
        yield world


@pytest.mark.parametrize(("make", "whose"), KINDS.values(), ids=KINDS)
def test_the_pods_future_verdict_is_told_and_the_workload_is_created(
    warned: World, unique: str, make: Callable[[str], Object], whose: str
) -> None:
    warned.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    (warning,) = _warnings(warned.try_create(make(unique)))
    assert warning.startswith(f"{whose} would be denied: [NotCleared] tenant {unique} is not cleared for ")
    record = warned.record_of("train")
    assert (record["origin"], record["decision"], record["mode"]) == ("workloads", "would_deny", "enforce")
    assert warning.endswith(f" (ref {record['reference']})")


def test_the_pods_are_denied_with_the_reference_that_was_foretold(warned: World, unique: str) -> None:
    warned.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    (warning,) = _warnings(warned.try_create(_deployment(unique)))

    def denied() -> list[str]:
        return [
            line["reference"]
            for line in warned.records()
            if line["object"]["namespace"] == unique and line["object"]["resource"] == "pods"
        ]

    assert warning.endswith(f" (ref {eventually(denied)[0]})")


def test_of_a_workload_only_some_of_whose_pods_fit_the_whole_is_told(warned: World, country: str, unique: str) -> None:
    warned.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    five = deployment("train", unique, gpu_pod("", unique), replicas=5)
    (warning,) = _warnings(warned.try_create(five, "--dry-run=server"))
    start = f"not all pods fit: exceeded quota: {unique}, requested: nvidia.com/gpu=5, used: "
    assert warning.startswith(start)
    assert _warnings(warned.try_create(deployment("fits", unique, gpu_pod("", unique), replicas=4))) == []
    warned.await_use(unique, 4)


def test_an_update_of_labels_is_not_judged_and_neither_is_what_asks_for_no_device(warned: World, unique: str) -> None:
    warned.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    assert _warnings(warned.try_create(deployment("plain", unique, pod("", unique, {"cpu": "1"})))) == []
    assert len(_warnings(warned.try_create(_deployment(unique)))) == 1
    before = _reviews(warned)
    assert _warnings(warned.kubectl("label", "deployment/train", "-n", unique, "a=b")) == []
    assert _warnings(warned.kubectl("scale", "deployment/train", "-n", unique, "--replicas=2")) == []
    assert _reviews(warned) == before
    changed = warned.kubectl("set", "image", "deployment/train", "-n", unique, "main=registry.example.com/app:2")
    assert _warnings(changed) == [], "the same of the same object was told a moment ago"
    assert _reviews(warned) == before + 1
    assert [each["object"]["name"] for each in warned.records() if each["origin"] == "workloads"][-2:] == ["train"] * 2


def test_while_the_server_is_down_workloads_are_created(warned: World, unique: str) -> None:
    warned.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    with warned.installed.stopped():
        for make, _ in KINDS.values():
            assert _warnings(warned.try_create(make(unique))) == []


@pytest.mark.parametrize("make", [make for make, _ in KINDS.values()], ids=KINDS)
def test_with_deny_a_workload_is_refused_with_the_line_of_its_pods(
    denying: World, unique: str, make: Callable[[str], Object]
) -> None:
    denying.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    done = denying.try_create(make(unique))
    assert 'admission webhook "workloads.computegate.io" denied the request: ' in done.stderr
    assert line_of(done.stderr).replace(unique, "acme") == GOLDEN["KYCRejected"]
    assert denying.record_of("train")["decision"] == "denied"


def test_with_deny_an_update_that_asks_for_no_more_passes(denying: World, unique: str) -> None:
    """The workload was there before its namespace was enforced, as it is on the first day of enforcement."""
    denying.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique, "observe"))
    assert _warnings(denying.try_create(deployment("train", unique, gpu_pod("", unique), replicas=2))) == []
    denying.kubectl("label", "namespace", unique, "computegate.io/mode=enforce", "--overwrite")
    about = ("deployment/train", "-n", unique)
    more = ("patch", *about, "--type=merge", "-p", '{"spec":{"replicas":3}}')

    def raised() -> str:
        return denying.kubectl(*more, "--dry-run=server", check=False).stderr

    eventually(raised, lambda said: line_of(said).replace(unique, "acme") == GOLDEN["KYCRejected"])
    denying.kubectl("label", *about, "a=b")
    denying.kubectl("set", "image", *about, "main=registry.example.com/app:2")
    denying.kubectl("patch", *about, "--type=merge", "-p", '{"spec":{"replicas":1}}')
    denying.kubectl("scale", *about, "--replicas=3")  # left to the pods
    denying.kubectl("delete", *about)


FLEETS = """
[[workload]]
kinds = ["example.com/Fleet"]
[[workload.role]]
name = "ship"
limits = "spec.guns"
"""


def test_the_operators_kinds_are_followed_and_a_broken_table_changes_nothing(denying: World, unique: str) -> None:
    denying.apply(tenant(unique, "DE", REJECTED), namespace(unique, unique))
    kinds = denying.installed.directory.parent / "kinds.toml"
    fleet = _of("example.com/v1", "Fleet", unique, {"guns": {"nvidia.com/h100": "1"}})
    refused = denying.try_create(fleet)
    assert "denied the request: [NotCleared]" in refused.stderr
    _rewrite(kinds, "kinds = ")
    eventually(lambda: value(denying.metrics(), "computegate_kinds_readable") == 0)
    assert "denied the request: [NotCleared]" in denying.try_create(fleet).stderr
    _rewrite(kinds, FLEETS.replace("spec.guns", "spec.cannons"))
    eventually(lambda: value(denying.metrics(), "computegate_kinds_readable") == 1)
    denying.admit(fleet)
    log = denying.installed.replicas[0].log.read_text()
    assert log.count('"message":"the kinds of workloads stay as they were: ') == 1


def _rewrite(path: Path, text: str) -> None:
    """Replace the file in one step, as a mounted ConfigMap is."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
