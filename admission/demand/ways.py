"""The names by which a pod reaches a device without asking for one, and those that are known to be harmless.

One table for everybody: ``access`` finds the ways in a pod, ``registration`` writes from it what the API server sends
to the webhook, and ``computegate demand`` lists them.  Sources: the NVIDIA container toolkit, the device injectors of
containerd's NRI, CRI-O, gVisor, capabilities(7), and the Kubernetes security documents; docs/bypass.md argues each.
"""

from __future__ import annotations

DEVICE_ANNOTATIONS = (
    "cdi.k8s.io/",
    "nvidia.cdi.k8s.io",
    "devices.gke.io",
    "devices.noderesource.dev",
    "cdi-devices.noderesource.dev",
    "mounts.noderesource.dev",
    "devices.nri.io",
    "cdi-devices.nri.io",
    "mounts.nri.io",
    "io.kubernetes.cri-o.Devices",
    "devices.crio.io",
)
"""Beginnings of annotations by which a runtime injects devices, or mounts of the node's files.

Without the slash where the bare domain is a key too (``devices.nri.io`` means all containers of the pod).
"""

RUNTIME_ANNOTATIONS = ("dev.gvisor.internal.nvproxy", "dev.gvisor.internal.tpuproxy", "dev.gvisor.flag.")
"""Beginnings of annotations that turn a sandbox into a device runtime, as a runtime class can be one."""

FRACTION_ANNOTATIONS = ("gpu-fraction", "gpu-memory", "gpu-fraction-num-devices")
"""Annotations by which some schedulers grant a share of a device that no resource names."""

VISIBLE_DEVICES = ("_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES")
"""Endings of the variables by which device runtimes are asked for devices (NVIDIA, HABANA, ASCEND ...)."""

NARROWING_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Variables of the same form that libraries read: they hide devices of the container's own, and open none."""

FURTHER_VARIABLES = ("NVIDIA_MIG_CONFIG_DEVICES", "NVIDIA_MIG_MONITOR_DEVICES", "NVIDIA_IMEX_CHANNELS")
"""Variables by which the NVIDIA runtime opens the partitioning of devices, and channels to those of other nodes."""

NO_DEVICES = ("", "void", "none")
"""Values of such a variable that open nothing."""

MOUNT_DEVICES = "/var/run/nvidia-container-devices"
"""A mount below this path is a device list to the NVIDIA runtime."""

HARMLESS_HOST_FILES = ("/etc/localtime",)
"""Files of the node that are no way to a device; any other host path may lead to one."""

HARMLESS_HOST_DIRECTORIES = ("/etc/pki", "/etc/ssl", "/usr/share/zoneinfo")
"""Directories of the node that are none as long as they are mounted readOnly.

Whoever can write there can leave a link to any other path, which the next pod mounts as one below this directory.
"""

HARMLESS_RUNTIMES = (
    "crun",
    "gvisor",
    "kata",
    "kata-clh",
    "kata-cloud-hypervisor",
    "kata-fc",
    "kata-qemu",
    "runc",
    "runsc",
    "youki",
)
"""Names of runtime classes that are not device runtimes; any other may be one (``kata-qemu-nvidia-gpu`` is)."""

NODE_CAPABILITIES = ("ALL", "DAC_READ_SEARCH", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO")
"""Capabilities with which a container gets past its list of devices, or becomes the node.

SYS_ADMIN is what the NVIDIA runtime takes for privileged; SYS_MODULE and SYS_BOOT load a kernel's code, SYS_RAWIO
reaches the hardware's ports, DAC_READ_SEARCH opens the node's files by handle.  Not MKNOD: the list of devices holds
for the nodes that it makes.
"""


def capability(name: str) -> str:
    """Return a capability's name as container runtimes read it: in capitals, without its prefix."""
    return name.upper().removeprefix("CAP_")
