"""What ``computegate off`` takes out, kept so that it can be put back in the name of who had written it.

Who applies an object has its next version refused or overwritten by whoever else wrote its fields.  So each field
comes back in the name of its owner: what Helm applied in Helm's, and the caBundle, where the replicas or cert-manager
had filled it in, in theirs.  Applied with the rest, the next ``helm upgrade`` would take it away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.cluster.client import Client

_REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
_BINDING = "ValidatingAdmissionPolicyBinding"
CONFIGURATIONS = f"{_REGISTRATION}/validatingwebhookconfigurations"
BINDINGS = f"{_REGISTRATION}/validatingadmissionpolicybindings"
_PATHS = {"ValidatingWebhookConfiguration": CONFIGURATIONS, _BINDING: BINDINGS}
_CHOSEN = ("name", "labels", "annotations")
_INJECTED = "caBundle"


def taken(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an object: its content, who applied it, and who filled in its caBundle if another did."""
    manager = _manager(stored)
    injectors = list(_injectors(stored))
    injector = "" if manager in injectors or not injectors else injectors[0]
    return {"manager": manager, "injector": injector, "object": _bare(stored)}


async def put_back(client: Client, kept: dict[str, Any]) -> None:
    """Make the object again; raises ``ClusterError``."""
    stored, injector = kept["object"], kept.get("injector", "")
    path = f"{_PATHS[stored['kind']]}/{stored['metadata']['name']}"
    applied = _without_bundles(stored) if injector else stored
    await _patch(client, path, "apply-patch+yaml", {"fieldManager": kept["manager"], "force": "true"}, applied)
    if injector:
        filled = [
            {"op": "add", "path": f"/webhooks/{number}/clientConfig/{_INJECTED}", "value": bundle}
            for number, entry in enumerate(stored["webhooks"])
            if (bundle := entry["clientConfig"].get(_INJECTED))
        ]
        await _patch(client, path, "json-patch+json", {"fieldManager": injector}, filled)


async def _patch(client: Client, path: str, form: str, query: dict[str, str], body: Any) -> None:
    encoded = msgspec.json.encode(body)
    await client.request("PATCH", path, query=query, body=encoded, content_type=f"application/{form}")


def _managed(stored: dict[str, Any]) -> list[dict[str, Any]]:
    return stored["metadata"].get("managedFields") or []


def _manager(stored: dict[str, Any]) -> str:
    """Return who applied it; Helm where nobody says so."""
    return next((str(each["manager"]) for each in _managed(stored) if each.get("operation") == "Apply"), "helm")


def _injectors(stored: dict[str, Any]) -> Iterator[str]:
    """Yield who owns the caBundle of an entry."""
    for each in _managed(stored):
        entries = (each.get("fieldsV1") or {}).get("f:webhooks") or {}
        if any(f"f:{_INJECTED}" in (fields.get("f:clientConfig") or {}) for fields in entries.values()):
            yield str(each["manager"])


def _without_bundles(stored: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {**entry, "clientConfig": {key: part for key, part in entry["clientConfig"].items() if key != _INJECTED}}
        for entry in stored["webhooks"]
    ]
    return {**stored, "webhooks": entries}


def _bare(stored: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the API server gave it: put back, it is a new object."""
    metadata = {key: value for key, value in stored["metadata"].items() if key in _CHOSEN}
    content = {part: stored[part] for part in ("webhooks", "spec") if part in stored}
    kind = "ValidatingWebhookConfiguration" if "webhooks" in stored else _BINDING
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata} | content
