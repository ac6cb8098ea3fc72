"""What ``computegate off`` takes out, kept so that it can be put back in the name of who had written it.

Who applies an object has its next version refused or overwritten by whoever else wrote its fields.  So each field
comes back in the name of its owner: what Helm applied in Helm's, and the caBundle, where the replicas or cert-manager
had filled it in, in theirs.  Applied with the rest, the next ``helm upgrade`` would take it away.

What is kept can be written by people who may write no object of this kind.  So its content is not put back: that is
what the release rendered.  Of what was kept come labels, annotations, who wrote it, and a caBundle that the release
leaves to others to fill in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.cluster.client import Client

_REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION, BINDING = "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding"
CONFIGURATIONS = f"{_REGISTRATION}/validatingwebhookconfigurations"
BINDINGS = f"{_REGISTRATION}/validatingadmissionpolicybindings"
_PATHS = {CONFIGURATION: CONFIGURATIONS, BINDING: BINDINGS}
_CHOSEN = ("name", "labels", "annotations")
_INJECTED = "caBundle"


class Taken(msgspec.Struct, frozen=True):
    """What is kept of an object: its content, who applied it, and who filled in its caBundle if another did."""

    manager: str
    object: dict[str, Any]
    injector: str = ""


def taken(stored: dict[str, Any]) -> Taken:
    """Return what is kept of an object."""
    manager = _manager(stored)
    injectors = list(_injectors(stored))
    injector = "" if manager in injectors or not injectors else injectors[0]
    return Taken(manager, _bare(stored), injector)


def rebuilt(kept: Iterable[Taken], installed: Iterable[dict[str, Any]], names: Mapping[str, str]) -> list[Taken]:
    """Return what was kept with the content that was installed; ``names`` are those of our objects, by kind.

    Raises ``ValueError`` where another object was kept, one that was not installed, or no configuration.
    """
    rendered = {(each["kind"], each["name"]): each for each in installed}
    made = []
    for each in kept:
        kind, metadata = _identity(each.object)
        if names.get(kind) != metadata.name or (kind, metadata.name) not in rendered:
            raise ValueError(f"{kind} {metadata.name} was kept, which is not the release's: run helm upgrade instead")
        made.append(msgspec.structs.replace(each, object=_made(rendered[kind, metadata.name], metadata, each.object)))
    if CONFIGURATION not in {each.object["kind"] for each in made}:
        raise ValueError("no webhook configuration was kept: run helm upgrade instead")
    return made


class _Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


def _identity(kept: dict[str, Any]) -> tuple[str, _Metadata]:
    return str(kept.get("kind")), msgspec.convert(kept.get("metadata"), _Metadata)


def _made(rendered: dict[str, Any], metadata: _Metadata, kept: dict[str, Any]) -> dict[str, Any]:
    """Return the object as it was rendered; an entry without a caBundle takes the one that was kept."""
    made = {key: part for key, part in rendered.items() if key != "name"} | {"metadata": msgspec.to_builtins(metadata)}
    if "webhooks" in made:
        bundles = {each.name: each.client_config.ca_bundle for each in _entries(kept)}
        made["webhooks"] = [_filled(entry, bundles.get(entry["name"], "")) for entry in made["webhooks"]]
    return made


class _Client(msgspec.Struct, frozen=True):
    ca_bundle: str = msgspec.field(default="", name=_INJECTED)


class _Entry(msgspec.Struct, frozen=True):
    name: str
    client_config: _Client = msgspec.field(default=_Client(), name="clientConfig")


def _entries(kept: dict[str, Any]) -> list[_Entry]:
    return msgspec.convert(kept.get("webhooks") or [], list[_Entry])


def _filled(entry: dict[str, Any], bundle: str) -> dict[str, Any]:
    way = entry["clientConfig"]
    return {**entry, "clientConfig": {_INJECTED: bundle, **way}} if bundle else entry


async def put_back(client: Client, kept: Taken) -> None:
    """Make the object again; raises ``ClusterError``."""
    stored, injector = kept.object, kept.injector
    path = f"{_PATHS[stored['kind']]}/{stored['metadata']['name']}"
    applied = _without_bundles(stored) if injector and "webhooks" in stored else stored
    await _patch(client, path, "apply-patch+yaml", {"fieldManager": kept.manager, "force": "true"}, applied)
    if applied is not stored:
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
    kind = CONFIGURATION if "webhooks" in stored else BINDING
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata} | content
