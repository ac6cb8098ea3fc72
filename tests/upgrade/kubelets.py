"""What kubelets would do to the release's pods: each that is there becomes ready, so that rollouts end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.chart.rendering import NAMESPACE
from tests.loops import Loops

if TYPE_CHECKING:
    from tools.kubectl import Kubectl

READY = json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})


class Kubelets(Loops):
    """Has every pod of the namespace ready, until the block ends."""

    def __init__(self, kubectl: Kubectl, namespace: str = NAMESPACE) -> None:
        super().__init__(self._attend)
        self._kubectl, self._namespace = kubectl, namespace

    def _attend(self) -> None:
        while not self.over.wait(0.5):
            for pod in pods(self._kubectl, self._namespace):
                if pod.get("status", {}).get("phase") != "Running":
                    patch = ("--subresource=status", "--type=merge", "-p", READY)
                    of = ("pod", pod["metadata"]["name"], "-n", self._namespace)
                    self._kubectl("patch", *of, *patch, check=False)  # it may have just gone


def pods(kubectl: Kubectl, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """Return the pods of a namespace."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json").stdout)["items"]
    return found
