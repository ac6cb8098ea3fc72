"""What an API server is told of the others: of the peer's webhook, and of a policy that it evaluates itself."""

from __future__ import annotations

import base64
from typing import Any

from tools.installation import NAMESPACE

PORTS = {"peer": 19443, "memory": 19444}
"""Of the servers that run all the time."""

_REGISTRATION = "admissionregistration.k8s.io/v1"
_CREATES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
_UNASKED = "!object.spec.containers.exists(c, has(c.resources.limits) && 'nvidia.com/gpu' in c.resources.limits)"

Object = dict[str, Any]


def service(name: str) -> Object:
    """Return a Service that names loopback, so that the API server calls it as any Service."""
    spec = {"type": "ExternalName", "externalName": "127.0.0.1"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def reference(name: str, path: str, port: int) -> Object:
    """Return what names a path of such a Service."""
    return {"namespace": NAMESPACE, "name": name, "path": path, "port": port}


def peer(authority: str, label: str, value: str, conditions: list[Object]) -> Object:
    """Return the peer's configuration for the namespaces that are labelled so."""
    webhook = {
        "name": "peer.bench.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {
            "service": reference("peer", "/validate--v1-pod", PORTS["peer"]),
            "caBundle": base64.b64encode(authority.encode()).decode(),
        },
        "namespaceSelector": {"matchLabels": {label: value}},
        "matchConditions": conditions,
        "rules": _CREATES,
    }
    kind = {"apiVersion": _REGISTRATION, "kind": "ValidatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": value}, "webhooks": [webhook]}


def policy(label: str, value: str, cleared: str) -> list[Object]:
    """Return a ValidatingAdmissionPolicy that decides as the peer does, and its binding to namespaces labelled so."""
    allowed = f"namespaceObject.metadata.?labels[?'{cleared}'].orValue('') == 'true'"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": _CREATES},
        "validations": [{"expression": f"{_UNASKED} || {allowed}", "message": "the namespace is not cleared"}],
    }
    selector = {"namespaceSelector": {"matchLabels": {label: value}}}
    bound = {"policyName": value, "validationActions": ["Deny"], "matchResources": selector}
    named = {"apiVersion": _REGISTRATION, "metadata": {"name": value}}
    return [
        {**named, "kind": "ValidatingAdmissionPolicy", "spec": spec},
        {**named, "kind": "ValidatingAdmissionPolicyBinding", "spec": bound},
    ]
