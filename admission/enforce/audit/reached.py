"""Whether reviews reach us as the webhook's configuration stands: trust, an address behind it, and the namespaces."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from admission.demand.registration.entries import ENFORCED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from admission.cluster.client import Client

_SERVICE = "kubernetes.io/service-name"
_NAME, _MODE = "kubernetes.io/metadata.name", "computegate.io/mode"


class Told(NamedTuple):
    """What a replica was told at its start: where it judges nothing, and whether all else is enforced."""

    excluded: Collection[str]
    by_default: bool
    """Namespaces without a mode are enforced."""


class _Conditions(msgspec.Struct, frozen=True):
    ready: bool | None = None


class _Endpoint(msgspec.Struct, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: _Conditions = _Conditions()


class _Slice(msgspec.Struct, frozen=True):
    endpoints: tuple[_Endpoint, ...] | None = None


class _Slices(msgspec.Struct, frozen=True):
    items: tuple[_Slice, ...] = ()


def entries_of(configuration: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the entries that deny."""
    yield from (each for each in configuration.get("webhooks") or () if each.get("name") == ENFORCED)


def distrusted(entry: Mapping[str, Any], doubt: Callable[[bytes, str], str]) -> str:
    """Return why an API server would not believe what we serve, or "".

    ``doubt`` shakes hands with what is served, trusting PEM authorities and asking for a name.  Without a caBundle the
    API server trusts its host's authorities, which are not known here.
    """
    client = entry.get("clientConfig") or {}
    try:
        bundle = base64.b64decode(client.get("caBundle") or "", validate=True)
    except (ValueError, binascii.Error) as error:
        return f"the caBundle cannot be read: {error}"
    if not bundle:
        return ""
    service = client.get("service")
    name = f"{service['name']}.{service['namespace']}.svc" if service else urlsplit(client.get("url", "")).hostname
    return doubt(bundle, name or "")


async def is_reached(client: Client, entry: Mapping[str, Any]) -> bool:
    """Whether some ready address stands behind the entry's Service; a URL's is not known here."""
    service = (entry.get("clientConfig") or {}).get("service")
    if service is None:
        return True
    path = f"/apis/discovery.k8s.io/v1/namespaces/{service['namespace']}/endpointslices"
    found = await client.get(path, {"labelSelector": f"{_SERVICE}={service['name']}"})
    slices = msgspec.json.decode(found, type=_Slices).items
    endpoints = (each for held in slices for each in held.endpoints or ())
    return any(each.addresses and each.conditions.ready is not False for each in endpoints)


def uncovered(entries: list[dict[str, Any]], namespaces: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the namespaces that no entry selects, sorted."""
    selectors = [entry.get("namespaceSelector") or {} for entry in entries]
    return sorted(name for name, labels in namespaces.items() if not any(_selects(each, labels) for each in selectors))


def passed_over(entries: list[dict[str, Any]], told: Told) -> list[str]:
    """Return what some entry has us asked about, and this replica was told to let pass; sorted names, then the rest."""
    terms = [_terms(entry) for entry in entries]
    by_default = any(term["key"] == _MODE and term["operator"] == "NotIn" for each in terms for term in each)
    left_out = [
        {name for term in each if term["key"] == _NAME and term["operator"] == "NotIn" for name in term["values"]}
        for each in terms
    ]
    names = sorted(name for name in told.excluded if any(name not in each for each in left_out))
    return [*names, *(["namespaces without a mode"] if by_default and not told.by_default else [])]


def _terms(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((entry.get("namespaceSelector") or {}).get("matchExpressions") or ())


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    equal = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in equal.items()) and all(
        _meets(labels.get(each["key"]), each["operator"], each.get("values") or ())
        for each in selector.get("matchExpressions") or ()
    )


def _meets(label: str | None, operator: str, values: Collection[str]) -> bool:
    match operator:
        case "In":
            return label in values
        case "NotIn":
            return label not in values
        case "Exists":
            return label is not None
        case _:
            return label is None
