"""Dynamic resource allocation without a driver: classes, what one would publish of a node, templates and claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.objects import Object

DRIVER = "gpu.example.com"
IMPLICIT = f"deviceclass.resource.kubernetes.io/{DRIVER}"
DEVICES = 32


def device_class(name: str, *, driver: str = DRIVER, resource: str | None = None) -> Object:
    spec: Object = {"selectors": [{"cel": {"expression": f'device.driver == "{driver}"'}}]}
    spec |= {"extendedResourceName": resource} if resource else {}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name}, "spec": spec}


def device_slice(node: str) -> Object:
    """Return what a driver of H100s would publish of a node."""
    attributes = {"productName": {"string": "NVIDIA H100 80GB HBM3"}}
    devices = [{"name": f"gpu-{number}", "attributes": attributes} for number in range(DEVICES)]
    where = {
        "driver": DRIVER,
        "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
    }
    metadata = {"name": f"{node}-gpus"}
    spec = {**where, "devices": devices}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": metadata, "spec": spec}


def requests(number: int, device_class: str = DRIVER, **fields: Any) -> Object:
    exactly = {"deviceClassName": device_class, "count": number, **fields}
    return {"devices": {"requests": [{"name": "gpus", "exactly": exactly}]}}


def claim_template(where: str, number: int, name: str = "gpus") -> Object:
    metadata = {"name": name, "namespace": where}
    spec = {"spec": requests(number)}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": metadata, "spec": spec}


def resource_claim(where: str, name: str, spec: Object, **metadata: Any) -> Object:
    named = {"name": name, "namespace": where, **metadata}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": named, "spec": spec}
