"""Objects of the end-to-end tests, small builders for each kind."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml

from admission.api.identity import TenantSpec
from admission.tenants.identity import identity_digest
from tools.installation import pod

Object = dict[str, Any]

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "objects"
GPU = "nvidia.com/gpu"
PRODUCTS = {
    "h100-sxm": "NVIDIA-H100-80GB-HBM3",
    "h200-sxm": "NVIDIA-H200",
    "a100-80gb": "NVIDIA-A100-SXM4-80GB",
    "t4": "Tesla-T4",
}
VERIFIED = {"state": "Verified", "level": 2, "verifiedAt": "2026-03-01T00:00:00Z", "expiresAt": "2036-01-01T00:00:00Z"}
CLEAR = {"state": "Clear", "listsAsOf": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def of(kind: str, name: str, spec: Object, **fields: Any) -> Object:
    """Return an object of ours."""
    return {"apiVersion": "computegate.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec, **fields}


def tenant(name: str, country: str, kyc: Object | None = None, screening: Object | None = None, **spec: Any) -> Object:
    """Return a Tenant, cleared unless `kyc` or `screening` (empty: absent) or a fact in `spec` says otherwise."""
    facts = {
        "legalName": f"{name} Ltd.",
        "kind": "Company",
        "headquarters": country,
        "incorporation": country,
        "independent": "ultimateParent" not in spec,
        "payment": ["BankTransfer"],
        "declaredUse": ["Training"],
        **spec,
    }
    covers = identity_digest(TenantSpec.model_validate(facts))
    status: Object = {}
    if kyc != {}:
        status["kyc"] = {**VERIFIED, "covers": covers, **(kyc or {})}
    if screening != {}:
        status["screening"] = {**CLEAR, **(screening or {})}
    return of("Tenant", name, facts, status=status)


def quota(name: str, jurisdictions: str | list[str], devices: int | None, **spec: Any) -> Object:
    """Return a ComputeQuota of devices for one country, or several."""
    countries = [jurisdictions] if isinstance(jurisdictions, str) else jurisdictions
    limits = {**({} if devices is None else {"devices": devices}), **spec.pop("limits", {})}
    return of("ComputeQuota", name, {"jurisdictions": countries, "limits": limits, **spec})


def pool(name: str, chip: str, country: str = "DE", resource: str = GPU, **spec: Any) -> Object:
    """Return an AcceleratorPool without nodes."""
    labels = {"pool.example.com/name": name}
    if chip in PRODUCTS:
        labels["nvidia.com/gpu.product"] = PRODUCTS[chip]
    declared = {"nodeLabels": labels, "acceleratorClass": chip, "resources": [resource], "place": {"country": country}}
    return of("AcceleratorPool", name, {**declared, **spec})


def node(name: str, pool: str, chip: str) -> Object:
    """Return a Node of a pool, onto which the scheduler puts nothing by itself."""
    labels = {"pool.example.com/name": pool, "nvidia.com/gpu.product": PRODUCTS[chip]}
    taint = {"key": "example.com/by-name-only", "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [taint]},
    }


def namespace(name: str, tenant: str = "", mode: str = "", customer: str = "") -> Object:
    """Return a Namespace of a tenant; empty means no such label."""
    labels = {"tenant": tenant, "mode": mode, "end-customer": customer}
    named = {f"computegate.io/{key}": value for key, value in labels.items() if value}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": named}}


def gpu_pod(name: str, where: str, devices: int = 1, chip: str = "h100-sxm", **spec: Any) -> Object:
    """Return a pod that asks for devices of one class by its node selector."""
    selector = {"nvidia.com/gpu.product": PRODUCTS[chip]}
    return pod(name, where, {GPU: str(devices)}, {"nodeSelector": selector, **spec})


def deployment(name: str, where: str, template: Object, replicas: int = 1) -> Object:
    """Return a Deployment that makes pods like the given one."""
    labels = {"app": name}
    metadata = {"name": name, "namespace": where}
    made = {"metadata": {"labels": labels}, "spec": template["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": made}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def examples(*names: str) -> list[Object]:
    """Return objects of the examples' files."""
    return [each for name in names for each in yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text())]
