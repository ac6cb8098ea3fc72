"""What a release enforces, as its rendered objects say, and in what a later one of it enforces less.

Whoever may upgrade the release can have less enforced by its values alone: then everything is what was installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from admission.demand.registration.entries import ENFORCED
from admission.enforce.alarm.narrowing import MODE, NAME, looks_of, narrowing, rules_of, terms_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_USUAL = (f"namespaceSelector {MODE} ", f"namespaceSelector {NAME} NotIn ")
"""Of what narrows the entry that denies, what is told as the default mode, and as namespaces that are left out."""


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
    conditions: tuple[str, ...] | None = None
    """What narrows it besides: match conditions, further selectors, a failure policy that lets pass; None as above."""
    looks: dict[str, tuple[str, ...]] = {}
    """What each policy that is bound is asked about (``+``) and what narrows it (``-``), each by a short digest."""
    settings: tuple[str, ...] | None = None
    """Which of the settings that a server enforces more by are on; None as above."""


def coverage_of(objects: Iterable[dict[str, Any]], settings: tuple[str, ...] = ()) -> Coverage:
    """Read the objects of a release, each with its name beside its kind, and what is on of the settings."""
    every = tuple(objects)
    enforced = [entry for each in every for entry in each.get("webhooks") or () if entry["name"] == ENFORCED]
    terms = [term for entry in enforced for term in terms_of(entry)]
    usual = {part for entry in enforced for part in narrowing(entry) if part.startswith(_USUAL)}
    return Coverage(
        by_default=any(term["key"] == MODE and term["operator"] == "NotIn" for term in terms),
        left_out=tuple(sorted(name for term in terms if term["key"] == NAME for name in term["values"])),
        guards=tuple(sorted(each["name"] for each in every if _denies(each))),
        closes=tuple(sorted(each["name"] for each in every if _closes(each))),
        mutations=tuple(sorted(each["name"] for each in every if each["kind"] == "MutatingAdmissionPolicyBinding")),
        rules=tuple(sorted({rule for entry in enforced for rule in rules_of(entry.get("rules"))})),
        address=" ".join(_address(entry["clientConfig"]) for entry in enforced),
        conditions=tuple(sorted({part for entry in enforced for part in narrowing(entry)} - usual)),
        looks=looks_of(every, usual),
        settings=settings,
    )


def _denies(each: dict[str, Any]) -> bool:
    return each["kind"] == "ValidatingAdmissionPolicyBinding" and "Deny" in each["spec"]["validationActions"]


def _closes(each: dict[str, Any]) -> bool:
    return _denies(each) and (each["spec"].get("paramRef") or {}).get("parameterNotFoundAction") == "Deny"


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
    yield from _narrowed(before, now)
    if off := sorted(set(before.settings or ()) - set(now.settings or ())):
        yield f"settings off: {', '.join(off)}"


def _narrowed(before: Coverage, now: Coverage) -> Iterator[str]:
    if before.conditions is not None and (added := sorted(set(now.conditions or ()) - set(before.conditions))):
        yield f"asked under other conditions: {', '.join(part.rpartition(' ')[0] for part in added)}"
    fewer = [name for name, looks in now.looks.items() if name in before.looks and _less(before.looks[name], looks)]
    if fewer:
        yield f"policies that look at less: {', '.join(sorted(fewer))}"


def _less(before: tuple[str, ...], now: tuple[str, ...]) -> bool:
    """Whether something is not asked about any more, or something narrows that did not."""
    gone, added = set(before) - set(now), set(now) - set(before)
    return any(each[0] == "+" for each in gone) or any(each[0] == "-" for each in added)
