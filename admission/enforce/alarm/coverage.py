"""What a release enforces, as its rendered objects say, and in what a later one of it enforces less.

Whoever may upgrade the release can have less enforced by its values alone: then everything is what was installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from admission.demand.registration.entries import ENFORCED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MODE, _NAME = "computegate.io/mode", "kubernetes.io/metadata.name"


class Coverage(msgspec.Struct, frozen=True):
    """What is enforced: the namespaces without a mode or not, all but some, and by which policies beside."""

    by_default: bool = False
    left_out: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    """Names of the policies that are bound to deny."""
    closes: tuple[str, ...] = ()
    """Those of them that refuse everything while the configuration is missing."""
    mutations: tuple[str, ...] = ()
    """Names of the policies that change what is asked for."""
    rules: tuple[str, ...] = ()
    """What the entry that denies is asked about, such as ``CREATE pods``; empty in what older versions remember."""
    address: str = ""
    """Where it leads."""


def coverage_of(objects: Iterable[dict[str, Any]]) -> Coverage:
    """Read the objects of a release, each with its name beside its kind."""
    every = tuple(objects)
    enforced = [entry for each in every for entry in each.get("webhooks") or () if entry["name"] == ENFORCED]
    terms = [term for each in every for entry in each.get("webhooks") or () for term in _terms(entry)]
    return Coverage(
        by_default=any(term["key"] == _MODE and term["operator"] == "NotIn" for term in terms),
        left_out=tuple(sorted(name for term in terms if term["key"] == _NAME for name in term["values"])),
        guards=tuple(sorted(each["name"] for each in every if _denies(each))),
        closes=tuple(sorted(each["name"] for each in every if _closes(each))),
        mutations=tuple(sorted(each["name"] for each in every if each["kind"] == "MutatingAdmissionPolicyBinding")),
        rules=tuple(sorted({rule for entry in enforced for rule in _rules(entry)})),
        address=" ".join(_address(entry["clientConfig"]) for entry in enforced),
    )


def _terms(entry: dict[str, Any]) -> list[dict[str, Any]]:
    selector = entry.get("namespaceSelector") or {}
    return list(selector.get("matchExpressions") or ()) if entry["name"] == ENFORCED else []


def _denies(each: dict[str, Any]) -> bool:
    return each["kind"] == "ValidatingAdmissionPolicyBinding" and "Deny" in each["spec"]["validationActions"]


def _closes(each: dict[str, Any]) -> bool:
    return _denies(each) and (each["spec"].get("paramRef") or {}).get("parameterNotFoundAction") == "Deny"


def _rules(entry: dict[str, Any]) -> Iterator[str]:
    for rule in entry.get("rules") or ():
        for group in rule["apiGroups"]:
            named = [f"{resource}.{group}" if group else resource for resource in rule["resources"]]
            yield from (f"{operation} {name}" for operation in rule["operations"] for name in named)


def _address(client: dict[str, Any]) -> str:
    service = client.get("service") or {}
    return str(client.get("url") or f"{service.get('name')}.{service.get('namespace')}")


def losses(before: Coverage, now: Coverage) -> Iterator[str]:
    """Yield a phrase for each way in which less is enforced than before."""
    if before.by_default and not now.by_default:
        yield "namespaces without a mode are not enforced any more"
    if added := sorted(set(now.left_out) - set(before.left_out)):
        yield f"namespaces left out: {', '.join(added)}"
    if gone := sorted(set(before.guards) - set(now.guards)):
        yield f"guards gone: {', '.join(gone)}"
    if opened := sorted(set(before.closes) & set(now.guards) - set(now.closes)):
        yield f"nothing is refused any more while the configuration is missing: {', '.join(opened)}"
    if gone := sorted(set(before.mutations) - set(now.mutations)):
        yield f"mutations gone: {', '.join(gone)}"
    if unasked := sorted(set(before.rules) - set(now.rules)):
        yield f"not asked about any more: {', '.join(unasked)}"
    if before.address and before.address != now.address:
        yield f"another server decides: {now.address}"
