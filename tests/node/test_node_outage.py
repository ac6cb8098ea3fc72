"""With all replicas dead, what asks for no accelerator starts; a cluster that restarts whole comes back by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.world import Cluster, eventually
from tests.node.conftest import IMAGE
from tests.node.objects import CLEARED, UNCLEARED, worker
from tools.node.node import NAME as NODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.controlplane import ControlPlane
    from tools.node.node import Node
    from tools.node.release import Release


@pytest.fixture
def down(release: Release) -> Iterator[Release]:
    """The release without any replica."""
    with release.absent():
        yield release


def test_pods_without_accelerators_and_those_of_the_system_start_while_all_replicas_are_dead(
    down: Release, cluster: Cluster, show: Callable[[str], None]
) -> None:
    for name, where in (("plain", CLEARED), ("plain", "kube-system")):
        assert cluster.denial(worker(name, where, IMAGE, devices=0)) == ""
        down.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", where, "--timeout=55s")
        down.kubectl("delete", "pod", name, "-n", where)
    refused = cluster.try_create(worker("refused", CLEARED, IMAGE)).stderr
    assert "failed calling webhook" in refused
    show(f"no replica: CPU-only and kube-system pods run; a pod with a device: {refused.strip()[:160]}")


def test_a_cluster_restarted_whole_and_a_node_replaced_come_back_while_the_server_is_down(
    down: Release, plane: ControlPlane, node: Node, cluster: Cluster, show: Callable[[str], None]
) -> None:
    cluster.kubectl("create", "namespace", "kube-flannel")
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", "kube-flannel", "--timeout=30s")
    node.crash()
    plane.stop()
    plane.start()
    down.kubectl("delete", "node", NODE)
    node.start()
    cluster.kubectl("create", "-f", "-", stdin=network())
    ready = ("rollout", "status", "daemonset/network", "-n", "kube-flannel", "--timeout=55s")
    cluster.kubectl(*ready)
    show("all restarted, the node replaced, no replica: a privileged network DaemonSet in kube-flannel is ready")
    down.scale(3)
    down.await_rollout()
    await_decisions(cluster)
    show("then 3 replicas are ready, and an uncleared tenant's pod is denied again")


def test_replicas_start_by_themselves_when_the_whole_cluster_was_cut_off(
    release: Release, plane: ControlPlane, node: Node, cluster: Cluster, show: Callable[[str], None]
) -> None:
    node.crash()
    plane.stop()
    plane.start()
    node.start()
    release.await_rollout()
    await_decisions(cluster)
    show("all restarted with the replicas: they are ready again, and decide")


def await_decisions(cluster: Cluster) -> None:
    """Wait until an uncleared tenant's pod is denied for that reason."""
    asked = worker("refused", UNCLEARED, IMAGE)
    eventually(lambda: cluster.try_create(asked).stderr, lambda said: "[NotCleared]" in said, 90)


def network() -> str:
    """Return a DaemonSet as networks install it: privileged, on the host's network, tolerating everything."""
    main: dict[str, Any] = worker("network", "kube-flannel", IMAGE, devices=0)["spec"]["containers"][0]
    main = {**main, "securityContext": {"privileged": True}}
    labels = {"app": "network"}
    spec = {"hostNetwork": True, "tolerations": [{"operator": "Exists"}], "containers": [main]}
    template = {"metadata": {"labels": labels}, "spec": {**spec, "priorityClassName": "system-node-critical"}}
    body = {"selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "network", "namespace": "kube-flannel"}
    return json.dumps({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": body})
