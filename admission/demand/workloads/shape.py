"""Pod templates found by their shape, in kinds that nobody listed and in corners of kinds that somebody did.

Whatever holds a list of containers is taken for a pod's spec, and what is multiplied around it (``replicas``,
``parallelism`` ...) for the number of its pods.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from admission.catalogue.resources import ResourceRole, role
from admission.demand.workloads.count import UNKNOWN, Count, CountError, count_of, times
from admission.demand.workloads.expand import MOST_ROLES, Role, template_of_resources

if TYPE_CHECKING:
    from collections.abc import Iterator

MULTIPLIERS = ("replicas", "parallelism", "count", "numOfHosts", "instances")
"""Fields beside or around a template that usually multiply its pods."""

SIZES = ("size", "numNodes", "nodeCount")
"""Fields that do so where they are a number: they may be the size of a volume too."""

MOST_HINTS = 4

_HINT = re.compile(r"gpu|accelerator|npu|tpu(?!t)|instancetype", re.IGNORECASE)
_NO_HINTS = frozenset({"metadata", "status", "nodeSelector", "tolerations", "affinity", "labels", "matchLabels"})

LONGEST_PLACE = 200
"""Characters of the name of a place; keys are as long as whoever wrote the object made them."""

_HARMLESS = frozenset({ResourceRole.NATIVE, ResourceRole.HARMLESS})
_CONTAINERS = ("containers", "initContainers")


def roles_by_shape(document: dict[str, Any], *, resources_too: bool) -> Iterator[Role]:
    """Yield a role for each pod's spec in the object, and with ``resources_too`` for each lone map of resources.

    Raises ``CountError`` for an object with more of them than can be followed.
    """
    found = 0
    stack: list[tuple[Any, str, Count, dict[str, Any]]] = [(document, "", 1, {})]
    while stack:
        value, where, pods, around = stack.pop()
        where, inside = where[:LONGEST_PLACE], []
        if isinstance(value, dict):
            template = _template(value, around, resources_too=resources_too)
            if template is not None:
                found += 1
                if found > MOST_ROLES:
                    raise CountError(f"more than {MOST_ROLES} pod templates; split the object")
                yield Role(where.lstrip(".") or "object", template, pods=times(pods, _multiplier(value)))
                continue
            beside = times(pods, _multiplier(value))
            inside = [(inner, f"{where}.{key}", beside, value) for key, inner in value.items() if _holds(inner)]
        elif isinstance(value, list):
            inside = [(inner, f"{where}[{place}]", pods, {}) for place, inner in enumerate(value) if _holds(inner)]
        stack += reversed(inside)


def _holds(value: Any) -> bool:
    """Whether there can be a template inside."""
    return bool(value) and isinstance(value, dict | list)


def fields_of_devices(document: dict[str, Any]) -> list[str]:
    """Return fields by whose names devices may be meant, for kinds that nobody listed; the first few."""
    found: list[str] = []
    stack: list[tuple[Any, str]] = [(document, "")]
    while stack and len(found) < MOST_HINTS:
        value, where = stack.pop()
        where = where[:LONGEST_PLACE]
        if isinstance(value, list):
            stack += [(inner, f"{where}[{place}]") for place, inner in reversed(tuple(enumerate(value)))]
        elif isinstance(value, dict):
            inside = [(key, value[key]) for key in value if isinstance(key, str) and key not in _NO_HINTS]
            stack += [(inner, f"{where}.{key}") for key, inner in reversed(inside)]
        elif value and _HINT.search(where.rpartition(".")[2]):
            found.append(where.lstrip("."))
    return found


def _template(value: dict[str, Any], around: dict[str, Any], *, resources_too: bool) -> dict[str, Any] | None:
    """Return a pod template, if the value is a pod's spec or, where wanted, a map of an accelerator's quantities."""
    if any(_is_containers(value.get(name)) for name in _CONTAINERS):
        return {"metadata": around.get("metadata") if around.get("spec") is value else None, "spec": value}
    if resources_too and any(_states_devices(value.get(name)) for name in ("limits", "requests")):
        return template_of_resources(value)
    if resources_too and _states_devices(value.get("resources")):
        return template_of_resources({"limits": value["resources"]})
    return None


def _is_containers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _states_devices(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(key, str) and role(key).kind not in _HARMLESS for key in value)


def _multiplier(value: dict[str, Any]) -> Count:
    """Return how many times what stands in the map is there, by the fields that usually say so."""
    counts: list[Count] = []
    for name in MULTIPLIERS:
        if value.get(name) is not None:
            try:
                counts.append(count_of(value[name]))
            except CountError:
                counts.append(UNKNOWN)
    counts += (count_of(value[name]) for name in SIZES if type(value.get(name)) is int and value[name] > 0)
    return times(*counts)


def containers_of(template: dict[str, Any]) -> Iterator[int]:
    """Yield the identities of a template's containers, by which what was found already is told from what was not."""
    spec = template.get("spec")
    if isinstance(spec, dict):
        for name in _CONTAINERS:
            if isinstance(spec.get(name), list):
                yield from (id(each) for each in spec[name])
