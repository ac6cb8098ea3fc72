"""Nodes without a kubelet whose pods run, and end by their own grace: kwok beside a control plane.

with ControlPlane(Path("/tmp/plane")) as plane, hollow_nodes(plane):
...  # a pod that is bound to a node, by the scheduler or by its name, is Running within a second
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tools.process import Process, binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.controlplane import ControlPlane

USER = "kwok"
"""Who ends pods, in the audit log."""

_STAGES = Path(__file__).parent / "kwok" / "stages.yaml"


@contextlib.contextmanager
def hollow_nodes(plane: ControlPlane) -> Iterator[Process]:
    """Play the kubelets of all nodes for as long as the block lasts."""
    kubeconfig = plane.kubeconfig_for(USER, ["system:masters"])
    flags = [f"--kubeconfig={kubeconfig}", f"--config={_STAGES}", "--manage-all-nodes"]
    flags += ["--node-lease-duration-seconds=0", "--node-port=0"]
    kwok = Process.start("kwok", binaries("kwok")["kwok"], flags, plane.directory)
    try:
        yield kwok
    finally:
        kwok.stop()
