"""What of a pod's access reaches devices by itself, and what beyond the webhook's findings weakens the node.

``find_access`` names every host path that is not known to be harmless, as any may lead to a device.  For the question
whether an object reaches devices without asking, only the paths count that lead to devices or to whoever hands them
out; the rest stay findings.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from admission.demand.access import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.review.pod import Pod

DEVICE_PATHS = (
    "/dev",
    "/proc",
    "/sys",
    "/run/nvidia",
    "/var/run/nvidia",
    "/run/cdi",
    "/var/run/cdi",
    "/etc/cdi",
    "/run/nri",
    "/var/run/nri",
    "/run/containerd",
    "/var/run/containerd",
    "/run/k3s",
    "/run/crio",
    "/var/run/crio",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/docker",
    "/var/lib/kubelet",
    "/etc/kubernetes/manifests",
    "/home/kubernetes/bin/nvidia",
    "/usr/local/nvidia",
    "/opt/nvidia",
)
"""Host paths of devices, of their drivers, of container runtimes and of the kubelet, and everything below them."""

HARMLESS_DEVICE_PATHS = ("/dev/shm", "/dev/hugepages", "/dev/log", "/dev/null", "/dev/net/tun", "/dev/kvm", "/dev/fuse")  # noqa: S108
"""Paths below /dev behind which there is no accelerator."""


def further_access(pod: Pod, spec: dict[str, Any]) -> Iterator[Access]:
    """Yield what gives no device, and shows that the pod goes around the scheduler or the node's isolation.

    The shared memory of the node's processes (hostIPC) holds no device that could be opened; a pod that names its node
    is judged by that node's devices.
    """
    if spec.get("hostIPC") is True:
        yield Access("hostIPC", "spec.hostIPC")
    if pod.spec.node_name:
        yield Access("nodeName", f"spec.nodeName ({pod.spec.node_name})")


OTHER_PATH = "hostPath-other"
"""The way of a host path that is not known to be harmless, and leads to none of ``DEVICE_PATHS`` either."""


def told_apart(found: Access) -> Access:
    """Return the finding, under a name of its own where it is a host path that leads to no device that we know."""
    return Access(OTHER_PATH, found.field) if found.way == "hostPath" and not _leads_to_devices(found.field) else found


def reaches_devices(found: Access) -> bool:
    """Whether the finding leads to devices by itself.

    The node's processes (hostPID) lead to what another pod was given, and only where there is one; the webhook refuses
    them, and whoever asks for nothing else counts as asking for nothing.
    """
    return found.way not in {"hostPID", "hostIPC", "nodeName", OTHER_PATH}


def _leads_to_devices(field: str) -> bool:
    path = field.rpartition("(")[2].rstrip(")")
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if any(clean == each or clean.startswith(each + "/") for each in HARMLESS_DEVICE_PATHS):
        return False
    return any(
        clean == each or clean.startswith(each) or each.startswith(clean.rstrip("/") + "/") for each in DEVICE_PATHS
    )
