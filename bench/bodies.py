"""AdmissionReviews of GPU pods in sizes that occur: compact JSON as the API server sends it."""

from __future__ import annotations

from typing import Any

import msgspec

MARKER = "00000000-0000-4000-8000-000000000000"
"""Stands for the uid; the load generator puts another one of the same length in its place."""

NAME, NAMESPACE = "NAME-MARKER", "NAMESPACE-MARKER"
"""Stand for the name and the namespace of a manifest, likewise."""

_VARIABLE = len('{"name":"SETTING_100","value":"value of setting 100"},')
_RESOURCES = {"cpu": "16", "memory": "128Gi", "nvidia.com/gpu": "8"}


def review(kilobytes: int, namespace: str = "team-a") -> bytes:
    """Return a review of about that size: 3 is a bare pod, more is one that has been through other controllers.

    Beyond 50 half of it are environment variables, as in pods that a platform makes.
    """
    variables = kilobytes * 1024 // 2 // _VARIABLE if kilobytes > 50 else 10  # noqa: PLR2004 - a size that none has
    pod = _bare_pod(namespace) if kilobytes <= 3 else _full_pod(namespace, variables)  # noqa: PLR2004 - the smallest
    asked = _review(pod, namespace)
    short = kilobytes * 1024 - len(msgspec.json.encode(asked))
    if short > 0:
        pod["metadata"]["managedFields"] = _managed_fields(short)
    return msgspec.json.encode(asked)


def manifest() -> dict[str, Any]:
    """Return a pod of one accelerator as a client posts it, its name and namespace still to be put in.

    With the API server's defaults and bookkeeping it is stored with about 3.6 KB.
    """
    pod = _bare_pod(NAMESPACE)
    container = pod["spec"]["containers"][0]
    devices = {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}
    kept = {key: container[key] for key in ("name", "image", "command", "env", "livenessProbe", "readinessProbe")}
    spec = {key: pod["spec"][key] for key in ("restartPolicy", "nodeSelector", "tolerations")}
    spec["containers"] = [kept | {"resources": {"limits": devices, "requests": devices}}]
    metadata = {"name": NAME, "namespace": NAMESPACE, "labels": pod["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _review(pod: dict[str, Any], namespace: str) -> dict[str, Any]:
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": MARKER,
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": pod["metadata"]["name"],
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:job-controller",
            "uid": "5c4d0b3a-0e43-4c0c-9d9d-3b0a1c8f6f2e",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        },
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _bare_pod(namespace: str) -> dict[str, Any]:
    metadata = {
        "name": "train-llm-0",
        "namespace": namespace,
        "uid": MARKER,
        "creationTimestamp": "2026-11-22T00:00:00Z",
        "labels": {"app": "train-llm", "batch.kubernetes.io/job-name": "train-llm"},
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": "train-llm",
                "uid": "9d0a8f0e-2a7f-4b8e-8e3e-0d8f9a7b6c5d",
                "controller": True,
            }
        ],
    }
    spec = {
        "containers": [_container("trainer", variables=2)],
        "restartPolicy": "Never",
        "serviceAccountName": "default",
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [_token_volume()],
        "schedulerName": "default-scheduler",
        "securityContext": {},
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def _full_pod(namespace: str, variables: int) -> dict[str, Any]:
    pod = _bare_pod(namespace)
    others = [_container(name, variables=10) for name in ("metrics", "logs")]
    pod["spec"] |= {
        "containers": [_container("trainer", variables=variables), *others],
        "initContainers": [_container("fetch", variables=4)],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _selector()}},
        "volumes": [_token_volume(), {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}}],
    }
    return pod


def _container(name: str, *, variables: int) -> dict[str, Any]:
    probe = {
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "periodSeconds": 10,
        "failureThreshold": 3,
    }
    devices = _RESOURCES if name == "trainer" else {"cpu": "1", "memory": "1Gi"}
    return {
        "name": name,
        "image": f"registry.example.com/ml/{name}@sha256:{'0123456789abcdef' * 4}",
        "command": ["python", "-m", name, "--config", f"/etc/{name}/config.yaml"],
        "env": [{"name": f"SETTING_{n}", "value": f"value of setting {n}"} for n in range(variables)],
        "resources": {"limits": devices, "requests": devices},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [
            {"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def _selector() -> dict[str, Any]:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-a", "zone-b"]}
    return {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}


def _token_volume() -> dict[str, Any]:
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return {"name": "token", "projected": {"sources": sources, "defaultMode": 420}}


def _managed_fields(size: int) -> list[dict[str, Any]]:
    """Return bookkeeping of about that many bytes, in the shape of field ownership."""
    entry = {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    room = max(0, size - len(msgspec.json.encode([entry | {"fieldsV1": {}}])) - len(',"managedFields":'))
    each = len('"f:field_0000":{".":{},"f:name":{}},')
    fields: dict[str, Any] = {f"f:field_{n:04}": {".": {}, "f:name": {}} for n in range(room // each)}
    return [entry | {"fieldsV1": fields}]
