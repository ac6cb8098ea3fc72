"""The tenants of the real node, and pods that run on it."""

from __future__ import annotations

from typing import Any

from tests.e2e.objects import GPU, Object, examples, namespace, pool, quota, tenant
from tools.installation import pod

CHIP, COUNTRY, QUOTA = "h100-sxm", "DE", "rack-de"
CLEARED, UNCLEARED = "team-cleared", "team-uncleared"
"""Namespaces of a tenant whose clearance stands, and of one without any."""
NOT_CLEARED, OVER_QUOTA = "[NotCleared]", f"exceeded quota: {QUOTA}"
"""Words by which a pod of the latter is refused, and one that asks for more than the quota has left."""
LIMIT = 1000
"""Devices of the quota."""
TENANT = "nordlicht"
"""The one whose clearance stands."""
LABELS: dict[str, str] = pool("rack", CHIP, COUNTRY)["spec"]["nodeLabels"]
"""Labels of the real node, by which the pool knows it."""
SELECTOR = {"nvidia.com/gpu.product": LABELS["nvidia.com/gpu.product"]}
"""By which a pod names its class."""

_WORK = "import os, signal; print('devices', os.environ.get('NVIDIA_VISIBLE_DEVICES'), flush=True); signal.pause()"


def everything(mode: str = "enforce") -> list[Object]:
    """Return the rules, the pool, its quota, both tenants and their namespaces in `mode`."""
    return [
        *examples("policy"),
        pool("rack", CHIP, COUNTRY),
        quota(QUOTA, COUNTRY, LIMIT),
        tenant(TENANT, COUNTRY),
        tenant("halbinsel", COUNTRY, kyc={}),
        namespace(CLEARED, TENANT, mode),
        namespace(UNCLEARED, "halbinsel", mode),
    ]


def worker(name: str, where: str, image: str, devices: int = 1, **spec: Any) -> Object:
    """Return a pod that prints the devices it was given, and runs until it is told to stop."""
    selector = {"nodeSelector": SELECTOR} if devices else {}
    limits = {GPU: str(devices)} if devices else {}
    program = {"image": image, "imagePullPolicy": "Never", "command": ["python3", "-c", _WORK]}
    return pod(name, where, limits, {**selector, **spec}, **program)
