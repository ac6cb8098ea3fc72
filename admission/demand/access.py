"""Ways to reach a device without asking for one that are visible in the pod itself.

Each finding names the field to remove.  Sources: NVIDIA container toolkit (environment, volume-mount and
annotation device lists), containerd NRI device injectors, the Kubernetes security documents.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from admission.review.pod import SecurityContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.review.pod import Container, EnvVar, Pod, PodSpec

DEVICE_ANNOTATIONS = (
    "cdi.k8s.io/",
    "nvidia.cdi.k8s.io/",
    "devices.gke.io/",
    "devices.nri.io/",
    "cdi-devices.nri.io/",
    "io.kubernetes.cri-o.Devices",
)
"""Prefixes of annotations by which a runtime injects devices."""

FRACTION_ANNOTATIONS = ("gpu-fraction", "gpu-memory", "gpu-fraction-num-devices")
"""Annotations by which some schedulers grant a share of a device that no resource names."""

VISIBLE_DEVICES = ("_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES")
"""Endings of the variables by which device runtimes are asked for devices (NVIDIA, HABANA, ASCEND ...)."""

NARROWING_VARIABLES = frozenset({"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"})
"""Variables of the same form that libraries read: they hide devices of the container's own, and open none."""

MOUNT_DEVICES = "/var/run/nvidia-container-devices"
"""A mount below this path is a device list to the NVIDIA runtime."""

HARMLESS_HOST_PATHS = ("/etc/localtime", "/etc/pki", "/etc/ssl", "/usr/share/zoneinfo")
"""Host paths below which no device and no runtime socket can be reached; any other may lead to one."""

HARMLESS_RUNTIMES = frozenset(
    {
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
    }
)
"""Names of runtime classes that are not device runtimes; any other may be one (``kata-qemu-nvidia-gpu`` is)."""

_VISIBLE, _DEVICE_LIST = "_VISIBLE_", posixpath.basename(MOUNT_DEVICES)
"""In every name of VISIBLE_DEVICES, and in every path below MOUNT_DEVICES however it is written."""

_UNPRIVILEGED = (None, SecurityContext())
_NO_DEVICES = frozenset({"", "void", "none"})
_ADMINISTRATIVE = frozenset({"SYS_ADMIN", "CAP_SYS_ADMIN", "ALL"})


class Access(NamedTuple):
    """One way around a request: a short stable name, and the field to remove."""

    way: str
    field: str


def find_access(pod: Pod, *, granted: bool, fractions_counted: bool = False) -> tuple[Access, ...]:
    """Return every way past a request that the pod shows.

    ``granted`` is whether the pod asks for a device openly; a runtime class of a device runtime is then no
    finding, as the devices are counted anyway.  Nor are annotations for a share of a device where they are counted.
    """
    found: list[Access] = []
    spec = pod.spec
    if pod.metadata.annotations:
        found += _annotations(pod, fractions_counted=fractions_counted)
    if spec.runtime_class_name or spec.volumes:
        found += _of_node(spec, granted=granted)
    for where, containers in (
        ("containers", spec.containers),
        ("initContainers", spec.init_containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    ):
        for container in containers or ():
            if not _is_plain(container):
                found += _of_container(container, f"spec.{where}[{container.name}]")
    return tuple(found)


def _annotations(pod: Pod, *, fractions_counted: bool) -> Iterator[Access]:
    for key in sorted(pod.metadata.annotations or ()):
        if key.startswith(DEVICE_ANNOTATIONS) or (key in FRACTION_ANNOTATIONS and not fractions_counted):
            yield Access("annotation", f"metadata.annotations[{key}]")


def _of_node(spec: PodSpec, *, granted: bool) -> Iterator[Access]:
    runtime = spec.runtime_class_name
    if runtime and not granted and runtime not in HARMLESS_RUNTIMES:
        yield Access("runtimeClass", f"spec.runtimeClassName ({runtime})")
    for volume in spec.volumes or ():
        if volume.host_path is not None and not _within(volume.host_path.path, HARMLESS_HOST_PATHS):
            yield Access("hostPath", f"spec.volumes[{volume.name}].hostPath ({volume.host_path.path})")


def _is_plain(container: Container) -> bool:
    """Whether a glance at the names shows no way, as in nearly every container: the rest is looked at in full."""
    if container.security_context not in _UNPRIVILEGED:
        return False
    for variable in container.env or ():
        if _VISIBLE in variable.name:
            return False
    for mount in container.volume_mounts or ():  # noqa: SIM110 (a generator takes twice the time, for each container)
        if _DEVICE_LIST in mount.mount_path:
            return False
    return True


def _of_container(container: Container, field: str) -> Iterator[Access]:
    security = container.security_context
    if security is not None and security.privileged:
        yield Access("privileged", f"{field}.securityContext.privileged")
    if security is not None and security.capabilities is not None:
        for capability in security.capabilities.add or ():
            if capability.upper() in _ADMINISTRATIVE:
                yield Access("capability", f"{field}.securityContext.capabilities.add ({capability})")
    for variable in container.env or ():
        if _opens_devices(variable):
            yield Access("environment", f"{field}.env[{variable.name}]")
    for mount in container.volume_mounts or ():
        if _within(mount.mount_path, (MOUNT_DEVICES,)):
            yield Access("mount", f"{field}.volumeMounts[{mount.name}].mountPath ({mount.mount_path})")


def _opens_devices(variable: EnvVar) -> bool:
    if not variable.name.endswith(VISIBLE_DEVICES) or variable.name in NARROWING_VARIABLES:
        return False
    return variable.value_from is not None or (variable.value or "") not in _NO_DEVICES


def _within(path: str, parents: tuple[str, ...]) -> bool:
    """Whether the cleaned path is one of the parents or below one (`..` and doubled slashes do not hide it)."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return any(clean == parent or clean.startswith(parent + "/") for parent in parents)
