"""Every way to a device without asking, as it would be put into a pod: what the matrix of docs/bypass.md is made of."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from admission.demand import ways

if TYPE_CHECKING:
    from collections.abc import Iterable

Fields = dict[str, Any]

KINDS = {"container": "containers", "init": "initContainers", "sidecar": "initContainers"}
KINDS["ephemeral"] = "ephemeralContainers"
POD = "pod"
"""The kind of what is no container's."""


class Way(NamedTuple):
    """One row: its fields, each of them tried alone, and what the denial names; or where it is known to pass."""

    name: str
    fields: tuple[Fields, ...]
    removes: str = ""
    limitation: str = ""
    """The anchor in docs/limitations.md of what admission cannot see."""


def base(name: str) -> Fields:
    """Return a pod that reaches nothing, with every kind of container and the volumes that ways mount."""
    spec = {
        "containers": [{"name": "container", "image": "i", "resources": {"limits": {"cpu": "1"}}}],
        "initContainers": [
            {"name": "init", "image": "i"},
            {"name": "sidecar", "image": "i", "restartPolicy": "Always"},
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "certificates", "hostPath": {"path": "/etc/ssl/certs"}},
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def ephemeral(name: str) -> Fields:
    """Return an ephemeral container as the API server stores one."""
    return {"name": name, "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}


def with_fields(pod: Fields, kind: str, fields: Fields) -> Fields:
    """Return the pod with the fields, in the container of this kind or in the pod itself."""
    changed = copy.deepcopy(pod)
    if kind == POD:
        _merge(changed, copy.deepcopy(fields))
        return changed
    found = changed["spec"].setdefault(KINDS[kind], [])
    if kind == "ephemeral":
        found.append(ephemeral("ephemeral"))
    _merge(next(each for each in found if each["name"] == kind), copy.deepcopy(fields))
    return changed


def shows(pod: Fields, kind: str, fields: Fields) -> bool:
    """Whether the pod has the fields there."""
    if kind == POD:
        return _has(pod, fields)
    containers = pod["spec"].get(KINDS[kind], [])
    return any(_has(each, fields) for each in containers if each["name"] == kind)


def _merge(into: Fields, fields: Fields) -> None:
    for key, value in fields.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list) and key == "volumes":
            into[key] += value
        else:
            into[key] = value


def _has(value: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(value, dict) and all(key in value and _has(value[key], inner) for key, inner in part.items())
    if isinstance(part, list):
        return isinstance(value, list) and all(any(_has(each, inner) for each in value) for inner in part)
    return bool(value == part)


def _adds(capability: str) -> Fields:
    return {"securityContext": {"capabilities": {"add": [capability]}}}


def _variable(name: str, **value: Any) -> Fields:
    return {"env": [{"name": name, **(value or {"value": "all"})}]}


def _mount(name: str, path: str) -> Fields:
    return {"volumeMounts": [{"name": name, "mountPath": path}]}


def _volume(**source: Any) -> Fields:
    return {"spec": {"volumes": [{"name": "added", **source}]}}


def _annotations(beginnings: Iterable[str]) -> tuple[Fields, ...]:
    """Return an annotation for each beginning: for one container, or for the pod where that is a key by itself."""
    keys = (each + {"/": "x", ".": "x"}.get(each[-1], "/container.container") for each in beginnings)
    return tuple({"metadata": {"annotations": {key: "nvidia.com/gpu=all"}}} for key in keys)


_ASKING = [f"{vendor}{ending}" for ending in ways.VISIBLE_DEVICES for vendor in ("NVIDIA", "AMD", "ASCEND")]
_PATHS = ("/", "/dev", "/dev/nvidia0", "/proc", "/var/run/docker.sock", "/var/lib/kubelet/device-plugins", "/etc/sslx")
_FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
_HOST_PROCESS = {"windowsOptions": {"hostProcess": True}}
_ON_HOST = [{"name": name, "image": "i", "securityContext": _HOST_PROCESS} for name in ("container", "init", "sidecar")]

OF_CONTAINERS = (
    Way("`privileged`", ({"securityContext": {"privileged": True}},), "securityContext.privileged"),
    Way("a capability of the node", tuple(map(_adds, ways.NODE_CAPABILITIES)), "securityContext.capabilities.add"),
    Way("a variable that asks for devices", tuple(map(_variable, (*_ASKING, *ways.FURTHER_VARIABLES))), "env["),
    Way("such a variable with `valueFrom`", (_variable(_ASKING[0], valueFrom=_FIELD),), "env["),
    Way("a mount that is a device list", (_mount("scratch", f"{ways.MOUNT_DEVICES}/all"),), "mountPath"),
    Way("a directory of the node, to write", (_mount("certificates", "/certificates"),), "or make it readOnly"),
    Way("a resource that is all devices", ({"resources": {"limits": {"gpu.intel.com/i915_monitoring": "1"}}},), "gpu."),
    Way("`envFrom`", ({"envFrom": [{"configMapRef": {"name": "c"}}]},), limitation="variables"),
    Way("a variable of the image", ({"image": "nvcr.io/nvidia/cuda"},), limitation="variables"),
)

OF_PODS = (
    Way("`hostPath`", tuple(_volume(hostPath={"path": path}) for path in _PATHS), "hostPath"),
    Way("`runtimeClassName` of a device runtime", ({"spec": {"runtimeClassName": "nvidia"}},), "runtimeClassName"),
    Way("`hostPID`", ({"spec": {"hostPID": True}},), "hostPID"),
    Way(
        "`hostProcess` (Windows)",
        (
            {"spec": {"hostNetwork": True, "securityContext": _HOST_PROCESS}},
            {"spec": {"hostNetwork": True, "containers": _ON_HOST[:1], "initContainers": _ON_HOST[1:]}},
        ),
        "hostProcess",
    ),
    Way("an annotation that injects devices or mounts", _annotations(ways.DEVICE_ANNOTATIONS), "metadata.annotations["),
    Way("an annotation of a sandbox's runtime", _annotations(ways.RUNTIME_ANNOTATIONS), "metadata.annotations["),
    Way(
        "a volume that an administrator or a driver provides",
        (_volume(persistentVolumeClaim={"claimName": "c"}), _volume(csi={"driver": "d.example.com"})),
        limitation="volumes",
    ),
    Way("`hostNetwork`", ({"spec": {"hostNetwork": True}},), limitation="network"),
)
