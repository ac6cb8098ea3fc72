"""The pods that are asked for, and what each must be answered.

What is asked for depends on nothing that an operator declares: a resource that no catalogue has, and an annotation that
opens devices, are refused whatever nodes, classes and rules there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOURCE = "computegate.io/canary"
"""An extended resource that no node has and nobody can name the class of."""

_ANNOTATION = "cdi.k8s.io/computegate-canary"


class Canary(NamedTuple):
    """A pod, and why it must be refused; one that nothing of ours may touch has no reasons."""

    name: str
    pod: dict[str, Any]
    reasons: tuple[Reason, ...] = ()


def probe(
    name: str,
    limits: Mapping[str, str],
    spec: Mapping[str, object] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a pod that the strictest Pod Security and a quota of CPU and memory let pass."""
    container = {
        "name": name,
        "image": "computegate",
        "resources": {"limits": {**limits, "cpu": "10m", "memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    restricted = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"computegate-{name}-", **({"annotations": annotations} if annotations else {})},
        "spec": {"containers": [container], "securityContext": restricted, "activeDeadlineSeconds": 60, **(spec or {})},
    }


CANARIES = (
    Canary("device", probe("canary", {RESOURCE: "1"}), (Reason.ClassUnknown, Reason.TenantUnknown)),
    Canary(
        "access", probe("canary", {}, annotations={_ANNOTATION: "computegate.io/canary=all"}), (Reason.DeviceBypass,)
    ),
    Canary("plain", probe("canary", {})),
)
"""One that asks for a device, one that reaches for devices without asking, and one that does neither."""
