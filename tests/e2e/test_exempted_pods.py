"""A monitoring agent in a tenant's namespace: refused, then let in by an exemption, and refused again without it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.objects import gpu_pod, namespace, of, pool, quota, tenant
from tests.e2e.world import eventually, value
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tests.e2e.world import World

AGENT = "registry.example.com/agent@sha256:" + "0" * 64
MASTERS = ("system:masters",)
HIDDEN = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}


def agent(name: str, where: str, image: str = AGENT) -> Object:
    volumes = [{"name": "dev", "hostPath": {"path": "/dev/nvidia0"}}]
    return pod(name, where, {}, {"volumes": volumes}, image=image)


def exemption(where: str, until: dt.datetime) -> Object:
    return of(
        "Exemption",
        f"agents-{where}",
        {
            "namespace": where,
            "images": [AGENT],
            "ways": ["hostPath=/dev/nvidia0"],
            "reason": "health of the devices",
            "requestedBy": "admin",
            "validUntil": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    )


def approve(world: World, name: str) -> None:
    approval = {"status": {"approval": {"by": "second", "at": "2026-01-01T00:00:00Z"}}}
    patch = ("patch", "exemption", name, "--subresource=status", "--type=merge", "-p", json.dumps(approval))
    world.kubectl(*patch, user="second", groups=MASTERS)


def tried(world: World, manifest: Object) -> str:
    return world.denial(manifest, "--dry-run=server")


def test_an_agent_is_let_in_by_two_people_and_for_as_long_as_they_say(world: World, unique: str) -> None:
    world.apply(namespace(unique, mode="enforce"))
    denied = "remove spec.volumes[dev].hostPath (/dev/nvidia0)"
    assert denied in tried(world, agent("agent", unique))
    given = exemption(unique, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    world.kubectl("create", "-f", "-", stdin=json.dumps(given))
    name = given["metadata"]["name"]
    assert denied in tried(world, agent("agent", unique)), "nobody has approved it"
    approve(world, name)
    eventually(lambda: tried(world, agent("agent", unique)), lambda line: line == "")
    world.admit(agent("agent", unique))
    assert denied in tried(world, agent("shell", unique, image="registry.example.com/shell:1"))
    record = world.record_of("agent")
    assert (record["decision"], record["tenant"]) == ("allowed", "")
    assert record["exempted"] == [{"exemption": name, "field": "spec.volumes[dev].hostPath (/dev/nvidia0)"}]
    assert value(world.metrics(), "computegate_exempted_pods_total", exemption=name) >= 1
    assert value(world.metrics(), "computegate_exemption_expires_seconds", exemption=name) > 0
    world.kubectl("delete", "exemption", name)
    eventually(lambda: tried(world, agent("late", unique)), lambda line: denied in line)


@pytest.fixture
def hiding(world: World, unique: str) -> Iterator[None]:
    """The policy of mutation.hideDevices, as the chart renders it, in force."""
    rendered: list[dict[str, Any]] = world.installed.rendered({"mutation.hideDevices": "true"})
    policies = yaml.safe_dump_all([each for each in rendered if each["kind"].startswith("MutatingAdmissionPolicy")])
    world.kubectl("create", "-f", "-", stdin=policies)
    world.apply(namespace(f"{unique}-plain", mode="enforce"))
    probe = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    plain = json.dumps(pod("probe", f"{unique}-plain", {}))
    eventually(lambda: world.kubectl(*probe, stdin=plain).stdout, lambda made: '"void"' in made)
    yield
    world.kubectl("delete", "-f", "-", stdin=policies)


@pytest.mark.usefixtures("hiding")
def test_a_pod_whose_other_containers_see_no_device_is_admitted(world: World, country: str, unique: str) -> None:
    where = f"{unique}-lab"
    world.apply(
        tenant(unique, country),
        quota(unique, country, 8),
        pool(unique, "h100-sxm", country),
        namespace(where, unique, "enforce"),
    )
    asked = gpu_pod("trainer", where)
    asked["spec"]["containers"].append({"name": "logs", "image": "registry.example.com/logs:1"})
    world.admit(asked)
    stored = world.get("pod", "trainer", "-n", where)
    trainer, logs = stored["spec"]["containers"]
    assert ("env" in trainer, logs["env"]) == (False, [HIDDEN])
    world.await_use(unique, 1)
