"""Ways to reach a device without asking for one that are visible in the pod itself.

Each finding names the field to remove.  The names stand in ``ways``; what no pod shows (an image's variables, a claimed
volume of the node) stands in docs/limitations.md.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from admission.demand import ways
from admission.review.pod import SecurityContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.review.pod import Container, EnvVar, Pod, PodSpec, Volume


_VISIBLE, _FURTHER = "_VISIBLE_", frozenset(ways.FURTHER_VARIABLES)
"""In every name of VISIBLE_DEVICES; and the rest, to be looked up: pods have a thousand variables."""

_DEVICE_LIST = posixpath.basename(ways.MOUNT_DEVICES)
"""In every path below MOUNT_DEVICES, however it is written."""

_UNPRIVILEGED = (None, SecurityContext())
_NOTHING: Mapping[str, str] = {}


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
        found += _annotations(pod, granted=granted, fractions_counted=fractions_counted)
    hosted = [volume for volume in spec.volumes if volume.host_path is not None] if spec.volumes else []
    if spec.runtime_class_name or spec.host_pid or hosted or spec.security_context not in _UNPRIVILEGED:
        found += _of_node(spec, hosted, granted=granted)
    directories = _harmless_directories(hosted) if hosted else _NOTHING
    for container in spec.containers or ():
        if not _is_plain(container, directories):
            found += _of_container(container, f"spec.containers[{container.name}]", directories)
    if spec.init_containers or spec.ephemeral_containers:
        for where, containers in (
            ("initContainers", spec.init_containers),
            ("ephemeralContainers", spec.ephemeral_containers),
        ):
            for container in containers or ():
                if not _is_plain(container, directories):
                    found += _of_container(container, f"spec.{where}[{container.name}]", directories)
    return tuple(found)


def _annotations(pod: Pod, *, granted: bool, fractions_counted: bool) -> Iterator[Access]:
    beginnings = ways.DEVICE_ANNOTATIONS if granted else (*ways.DEVICE_ANNOTATIONS, *ways.RUNTIME_ANNOTATIONS)
    for key in sorted(pod.metadata.annotations or ()):
        if key.startswith(beginnings) or (key in ways.FRACTION_ANNOTATIONS and not fractions_counted):
            yield Access("annotation", f"metadata.annotations[{key}]")


def _of_node(spec: PodSpec, hosted: Iterable[Volume], *, granted: bool) -> Iterator[Access]:
    """What the pod as a whole takes of the node: its runtime, its processes, its files."""
    runtime = spec.runtime_class_name
    if runtime and not granted and runtime not in ways.HARMLESS_RUNTIMES:
        yield Access("runtimeClass", f"spec.runtimeClassName ({runtime})")
    if spec.host_pid:
        yield Access("hostPID", "spec.hostPID")
    if _is_host_process(spec.security_context):
        yield Access("hostProcess", "spec.securityContext.windowsOptions.hostProcess")
    for volume in hosted:
        path = volume.host_path.path if volume.host_path is not None else None
        if path is not None and not _is_harmless_file(path) and not _is_harmless_directory(path):
            yield Access("hostPath", f"spec.volumes[{volume.name}].hostPath ({path})")


def _harmless_directories(hosted: Iterable[Volume]) -> Mapping[str, str]:
    """Return the volumes that are directories of the node, harmless as long as nobody writes there: name and path."""
    return {
        volume.name: volume.host_path.path
        for volume in hosted
        if volume.host_path is not None and _is_harmless_directory(volume.host_path.path)
    }


def _is_plain(container: Container, directories: Mapping[str, str]) -> bool:
    """Whether a glance at the names shows no way, as in nearly every container: the rest is looked at in full."""
    if container.security_context not in _UNPRIVILEGED:
        return False
    for variable in container.env or ():
        if _VISIBLE in variable.name or variable.name in _FURTHER:
            return False
    for mount in container.volume_mounts or ():
        if _DEVICE_LIST in mount.mount_path or mount.name in directories:
            return False
    return True


def _of_container(container: Container, field: str, directories: Mapping[str, str]) -> Iterator[Access]:
    yield from _of_security(container.security_context, f"{field}.securityContext")
    for variable in container.env or ():
        if _opens_devices(variable):
            yield Access("environment", f"{field}.env[{variable.name}]")
    for mount in container.volume_mounts or ():
        if _within(mount.mount_path, (ways.MOUNT_DEVICES,)):
            yield Access("mount", f"{field}.volumeMounts[{mount.name}].mountPath ({mount.mount_path})")
        if mount.name in directories and not mount.read_only:
            path = directories[mount.name]
            yield Access("hostPath", f"{field}.volumeMounts[{mount.name}] or make it readOnly ({path})")


def _of_security(security: SecurityContext | None, field: str) -> Iterator[Access]:
    if security is None:
        return
    if security.privileged:
        yield Access("privileged", f"{field}.privileged")
    if _is_host_process(security):
        yield Access("hostProcess", f"{field}.windowsOptions.hostProcess")
    if security.capabilities is not None:
        for name in security.capabilities.add or ():
            if ways.capability(name) in ways.NODE_CAPABILITIES:
                yield Access("capability", f"{field}.capabilities.add ({name})")


def _is_host_process(security: SecurityContext | None) -> bool:
    options = security.windows_options if security is not None else None
    return options is not None and bool(options.host_process)


def _opens_devices(variable: EnvVar) -> bool:
    asks = variable.name.endswith(ways.VISIBLE_DEVICES) and variable.name not in ways.NARROWING_VARIABLES
    if not asks and variable.name not in ways.FURTHER_VARIABLES:
        return False
    return variable.value_from is not None or (variable.value or "") not in ways.NO_DEVICES


def _is_harmless_file(path: str) -> bool:
    return _cleaned(path) in ways.HARMLESS_HOST_FILES


def _is_harmless_directory(path: str) -> bool:
    return _within(path, ways.HARMLESS_HOST_DIRECTORIES)


def _within(path: str, parents: tuple[str, ...]) -> bool:
    """Whether the path is one of the parents or below one (`..` and doubled slashes do not hide it)."""
    clean = _cleaned(path)
    return any(clean == parent or clean.startswith(parent + "/") for parent in parents)


def _cleaned(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))
