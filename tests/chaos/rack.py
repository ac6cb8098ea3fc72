"""A node with devices and what its kubelet would do, and tenants whose pods run there until an end.

The scheduler is the real one.  There is no kubelet, so a stand-in ends what was bound: at its deadline, when it is
done before that, or when it is deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from admission.cluster.client import Client, ClusterError
from tests.e2e.history import Tally, create
from tests.e2e.objects import GPU, PRODUCTS, gpu_pod, pool

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.e2e.objects import Object
    from tools.kubectl import Kubectl

NODE = "rack-1"
KUBELET = (f"system:node:{NODE}", ["system:nodes"])
DEVICES = 64
LASTING = (5, 60, 300, 3400)
"""Seconds that pods may run; the last is about as long as the longest hold."""
AT_MOST = 15.0
"""Seconds after which a pod is done."""
WORKERS = 16
TAINT = {"key": "example.com/rack", "effect": "NoSchedule"}
"""Keeps the pods of the crowd away, which nobody would end."""
_LABELS = {"pool.example.com/name": "rack", "nvidia.com/gpu.product": PRODUCTS["h100-sxm"]}


def objects(country: str) -> list[Object]:
    """Return the pool of the node."""
    return [pool("rack", "h100-sxm", country)]


def put_up(kubectl: Kubectl) -> None:
    """Make the node, ready and with room."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "250", GPU: str(DEVICES)}
    status = {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": _LABELS}}
    kubectl("create", "-f", "-", stdin=json.dumps(node))
    kubectl("patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    kubectl("patch", "node", NODE, "--type=merge", "-p", json.dumps({"spec": {"taints": [TAINT]}}))


class Rack:
    """Runs the pods of a namespace."""

    def __init__(self, kubeconfig: Path, where: str, chance: Random) -> None:
        self.tally = Tally()
        self._kubeconfig, self._where, self._chance = kubeconfig, where, chance
        self._number = 0
        self._ends: dict[str, float] = {}

    async def run(self) -> None:
        """Be the node, until cancelled."""
        node = await Client.connect(self._kubeconfig)
        try:
            while True:
                with contextlib.suppress(ClusterError):
                    listed = json.loads(await node.get("/api/v1/pods", {"fieldSelector": f"spec.nodeName={NODE}"}))
                    for each in listed["items"]:
                        await self._tend(node, each)
                await asyncio.sleep(0.5)
        finally:
            await node.close()

    async def work(self, client: Client, over: asyncio.Event) -> None:
        """Create pods, until it is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._create(client, over))

    async def _create(self, client: Client, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(0, 6)):
                    await over.wait()
            self._number += 1
            wanted = self._pod(self._number)
            await create(client, wanted, self.tally)
            if self._chance.random() < 0.2:
                with contextlib.suppress(ClusterError):
                    await client.request("DELETE", f"{self._path()}/run-{self._chance.randint(1, self._number)}")

    def _pod(self, number: int) -> Object:
        devices, seconds = self._chance.choice((1, 1, 2, 4)), self._chance.choice(LASTING)
        tolerates = [{"key": TAINT["key"], "operator": "Exists"}]
        return gpu_pod(f"run-{number}", self._where, devices, activeDeadlineSeconds=seconds, tolerations=tolerates)

    async def _tend(self, node: Client, pod: dict[str, Any]) -> None:
        name, deleted = pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            options = json.dumps({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}).encode()
            await node.request("DELETE", f"{self._path()}/{name}", body=options)
        elif pod["spec"].get("nodeName") and (deleted or self._is_over(pod)):
            await self._end(node, pod)

    def _is_over(self, pod: dict[str, Any]) -> bool:
        now = asyncio.get_running_loop().time()
        lasts = min(pod["spec"]["activeDeadlineSeconds"], self._chance.uniform(1, AT_MOST))
        return now >= self._ends.setdefault(pod["metadata"]["uid"], now + lasts)

    async def _end(self, node: Client, pod: dict[str, Any]) -> None:
        done, now = pod["metadata"]["name"], dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kept = [each for each in pod["status"].get("conditions", []) if each["type"] != "Ready"]
        conditions = [*kept, {"type": "Ready", "status": "False", "lastTransitionTime": now}]
        status = {"phase": self._chance.choice(("Succeeded", "Failed")), "conditions": conditions}
        await node.merge_patch(f"{self._path()}/{done}/status", json.dumps({"status": status}).encode())

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._where}/pods"
