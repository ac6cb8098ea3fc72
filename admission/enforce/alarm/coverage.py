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


def coverage_of(objects: Iterable[dict[str, Any]]) -> Coverage:
    """Read the objects of a release, each with its name beside its kind."""
    every = tuple(objects)
    terms = [term for each in every for entry in each.get("webhooks") or () for term in _terms(entry)]
    return Coverage(
        by_default=any(term["key"] == _MODE and term["operator"] == "NotIn" for term in terms),
        left_out=tuple(sorted(name for term in terms if term["key"] == _NAME for name in term["values"])),
        guards=tuple(sorted(each["name"] for each in every if _denies(each))),
    )


def _terms(entry: dict[str, Any]) -> list[dict[str, Any]]:
    selector = entry.get("namespaceSelector") or {}
    return list(selector.get("matchExpressions") or ()) if entry["name"] == ENFORCED else []


def _denies(each: dict[str, Any]) -> bool:
    return each["kind"] == "ValidatingAdmissionPolicyBinding" and "Deny" in each["spec"]["validationActions"]


def losses(before: Coverage, now: Coverage) -> Iterator[str]:
    """Yield a phrase for each way in which less is enforced than before."""
    if before.by_default and not now.by_default:
        yield "namespaces without a mode are not enforced any more"
    if added := sorted(set(now.left_out) - set(before.left_out)):
        yield f"namespaces left out: {', '.join(added)}"
    if gone := sorted(set(before.guards) - set(now.guards)):
        yield f"guards gone: {', '.join(gone)}"
