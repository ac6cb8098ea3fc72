"""While all replicas are down, and who the guards stop at any time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.world import value
from tools.installation import pod

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World

EDITOR = "editor"
"""May write namespaces in every way, and holds bind on no Tenant."""


def _reviews(world: World) -> float:
    return value(world.metrics(), "computegate_http_requests_total")


def test_a_pod_without_accelerators_never_reaches_the_webhook(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    before = _reviews(world)
    world.admit(*(pod(f"plain-{number}", unique, {"cpu": "1"}) for number in range(5)))
    assert _reviews(world) == before
    world.admit(gpu_pod("gpu", unique))
    assert _reviews(world) == before + 1, "by the entry that denies"


def test_an_outage_stops_accelerators_in_enforced_namespaces_and_nothing_else(
    world: World, country: str, unique: str
) -> None:
    observed = f"{unique}-observed"
    world.apply(
        *(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique)),
        namespace(observed, unique, "observe"),
    )
    with world.installed.stopped():
        world.admit(pod("plain", unique, {"cpu": "1"}), pod("plain", observed, {}))
        refused = world.try_create(gpu_pod("gpu", unique))
        assert refused.returncode == 1
        assert 'failed calling webhook "enforced.computegate.io"' in refused.stderr
        world.admit(gpu_pod("gpu", observed))
        assert "needs the verb bind" in _relabel(world, observed, "")
    world.admit(gpu_pod("gpu", unique))
    world.await_use(unique, 1)


@pytest.mark.parametrize("way", ["", "/status", "/finalize"])
def test_a_namespace_cannot_be_relabelled_without_bind(world: World, unique: str, way: str) -> None:
    world.apply(tenant(unique, "DE"), namespace(unique))
    _bind_editor(world)
    assert "needs the verb bind on each of these tenants.computegate.io" in _relabel(world, unique, way, unique)
    assert world.get("namespace", unique)["metadata"]["labels"].keys() == {"kubernetes.io/metadata.name"}
    line = world.denial(gpu_pod("gpu", unique))
    assert line.startswith(f"[InfoNeeded] namespace {unique} belongs to no known tenant; ")


def _bind_editor(world: World) -> None:
    verbs = ["get", "update", "patch"]
    rules = [{"apiGroups": [""], "resources": [f"namespaces{way}" for way in ("", "/status", "/finalize")]}]
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": EDITOR}}
    role: Object = {**rbac, "kind": "ClusterRole", "rules": [{**rules[0], "verbs": verbs}]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": EDITOR}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": EDITOR}
    world.apply(role, {**rbac, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]})


def _relabel(world: World, name: str, way: str, tenant_name: str | None = None) -> str:
    """Set or remove the tenant label by one of the paths, as the editor; return what was said against it."""
    _bind_editor(world)
    path = f"/api/v1/namespaces/{name}"
    stored = json.loads(world.kubectl("get", "--raw", path).stdout)
    stored["metadata"]["labels"].pop("computegate.io/tenant", None)
    if tenant_name:
        stored["metadata"]["labels"]["computegate.io/tenant"] = tenant_name
    command = ("replace", "--raw", path + way, "-f", "-")
    return world.kubectl(*command, stdin=json.dumps(stored), user=EDITOR, check=False).stderr
