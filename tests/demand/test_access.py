"""Ways to a device past a request, in every kind of container."""

from __future__ import annotations

from typing import Any

import pytest

from admission.demand.access import find_access
from tests.demand.cluster import pod

KINDS = ("containers", "initContainers", "ephemeralContainers")
ENV = "NVIDIA_VISIBLE_DEVICES"


def _env(name: str, value: Any) -> dict[str, Any]:
    made = {"valueFrom": value} if isinstance(value, dict) else {"value": value}
    return {"env": [{"name": name, **made}]}


def _capability(name: str) -> dict[str, Any]:
    return {"securityContext": {"capabilities": {"add": [name]}}}


def _mount(path: str, **fields: Any) -> dict[str, Any]:
    return {"volumeMounts": [{"name": "m", "mountPath": path, **fields}]}


def _on_node(path: str) -> dict[str, Any]:
    return {"volumes": [{"name": "m", "hostPath": {"path": path}}]}


HOST_PROCESS = {"securityContext": {"windowsOptions": {"hostProcess": True}}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("container", "way"),
    [
        ({"securityContext": {"privileged": True}}, "privileged"),
        (_capability("SYS_ADMIN"), "capability"),
        (_capability("CAP_SYS_ADMIN"), "capability"),
        (_capability("sys_admin"), "capability"),
        (_capability("ALL"), "capability"),
        (_capability("CAP_ALL"), "capability"),
        (_capability("ſys_admin"), "capability"),
        (_capability("SYS_RAWIO"), "capability"),
        (_capability("SYS_MODULE"), "capability"),
        (_capability("SYS_BOOT"), "capability"),
        (_capability("DAC_READ_SEARCH"), "capability"),
        (HOST_PROCESS, "hostProcess"),
        (_env(ENV, "all"), "environment"),
        (_env(ENV, "0,1"), "environment"),
        (_env(ENV, "$(OTHER)"), "environment"),
        (_env(ENV, {"configMapKeyRef": {"name": "a", "key": "b"}}), "environment"),
        (_env("HABANA_VISIBLE_DEVICES", "all"), "environment"),
        (_env("HABANA_VISIBLE_MODULES", "0,1"), "environment"),
        (_env("ASCEND_VISIBLE_DEVICES", "0"), "environment"),
        (_env("AMD_VISIBLE_DEVICES", "all"), "environment"),
        (_env("NVIDIA_MIG_CONFIG_DEVICES", "all"), "environment"),
        (_env("NVIDIA_MIG_MONITOR_DEVICES", "all"), "environment"),
        (_env("NVIDIA_IMEX_CHANNELS", "0"), "environment"),
        (_mount("/var/run/nvidia-container-devices/all"), "mount"),
        (_mount("/var/run/x/../nvidia-container-devices//0"), "mount"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:70],
)
def test_a_container_that_reaches_past_its_request_is_found_in_every_kind(
    kind: str, container: dict[str, Any], way: str
) -> None:
    harmless = {"containers": [{"name": "main"}]}
    (found,) = find_access(pod(**{**harmless, kind: [{"name": "c", **container}]}), granted=True)
    assert found.way == way
    assert found.field.startswith(f"spec.{kind}[c].")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "container",
    [
        {},
        {"securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN"]}}},
        {"securityContext": {"privileged": None, "capabilities": None, "windowsOptions": {"hostProcess": False}}},
        _capability("MKNOD"),
        _capability("SYS_PTRACE"),
        _env("NVIDIA_IMEX_CHANNELS", "void"),
        _env("NVIDIA_DRIVER_CAPABILITIES", "all"),
        _env(ENV, "void"),
        _env(ENV, "none"),
        _env(ENV, ""),
        _env(ENV, None),
        _env("CUDA_VISIBLE_DEVICES", "0,1"),
        _env("ROCR_VISIBLE_DEVICES", "0"),
        _env("HIP_VISIBLE_DEVICES", "0"),
        _env("DEVICES", "all"),
        _mount("/var/run/nvidia"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_container_that_does_not_is_not(kind: str, container: dict[str, Any]) -> None:
    assert find_access(pod(**{kind: [{"name": "c", **container}]}), granted=False) == ()


@pytest.mark.parametrize(
    ("spec", "ways"),
    [
        ({"volumes": [{"name": "v", "hostPath": {"path": "/dev"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/dev/nvidia0"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": ""}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/run/containerd/containerd.sock"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/etc/ssl/../../dev"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/etc/sslx"}}]}, ["hostPath"]),
        ({"volumes": [{"name": "v", "hostPath": {"path": "//etc//ssl/certs"}}]}, []),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/etc/localtime"}}]}, []),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/etc/localtime/x"}}]}, ["hostPath"]),
        ({"hostPID": True}, ["hostPID"]),
        ({"hostPID": False, "hostIPC": True, "hostNetwork": True}, []),
        (HOST_PROCESS, ["hostProcess"]),
        ({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {}}]}, []),
        ({"runtimeClassName": "nvidia"}, ["runtimeClass"]),
        ({"runtimeClassName": "anything"}, ["runtimeClass"]),
        ({"runtimeClassName": "gvisor"}, []),
        ({"runtimeClassName": "kata-qemu"}, []),
        ({"runtimeClassName": "kata-qemu-nvidia-gpu"}, ["runtimeClass"]),
        ({"runtimeClassName": "runc-nvidia"}, ["runtimeClass"]),
        ({"metadata": {"annotations": {"cdi.k8s.io/x": "nvidia.com/gpu=all"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"nvidia.cdi.k8s.io/container.c": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"devices.gke.io/container.c": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"devices.nri.io/pod": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"cdi-devices.nri.io/pod": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"io.kubernetes.cri-o.Devices": "/dev/nvidia0"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"devices.nri.io": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"mounts.noderesource.dev/pod": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"cdi-devices.noderesource.dev/container.c": "x"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"dev.gvisor.internal.nvproxy": "true"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"gpu-fraction": "0.5"}}}, ["annotation"]),
        ({"metadata": {"annotations": {"team": "gpu"}}}, []),
    ],
    ids=lambda value: str(value)[:80],
)
def test_what_the_pod_itself_opens_is_found(spec: dict[str, Any], ways: list[str]) -> None:
    assert [access.way for access in find_access(pod({}, **spec), granted=False)] == ways


def test_a_device_runtime_is_no_finding_where_devices_are_asked_for() -> None:
    sandbox = {"annotations": {"dev.gvisor.internal.nvproxy": "true"}}
    assert find_access(pod(1, runtimeClassName="nvidia", metadata=sandbox), granted=True) == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("mount", "fields"),
    [
        (_mount("/certs"), ["spec.{}[c].volumeMounts[m] or make it readOnly (/etc/ssl/certs)"]),
        (_mount("/certs", readOnly=False), ["spec.{}[c].volumeMounts[m] or make it readOnly (/etc/ssl/certs)"]),
        (_mount("/certs", readOnly=True), []),
    ],
    ids=["unsaid", "written to", "read"],
)
def test_a_harmless_directory_of_the_node_is_one_while_nobody_can_leave_a_link_in_it(
    kind: str, mount: dict[str, Any], fields: list[str]
) -> None:
    found = find_access(pod(**{kind: [{"name": "c", **mount}]}, **_on_node("/etc/ssl/certs")), granted=False)
    assert [access.field for access in found] == [field.format(kind) for field in fields]
