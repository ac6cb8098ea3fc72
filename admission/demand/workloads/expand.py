"""The roles of a workload: what the table says, what code adds to it, and what shape shows besides."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from admission.catalogue.resources import is_extended
from admission.demand.workloads import count as counts
from admission.demand.workloads.instances import devices_of_instance
from admission.demand.workloads.paths import Element, count_at, elements, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.demand.workloads.count import Count
    from admission.demand.workloads.table import Kind, RoleRule

MOST_ROLES = 4096
"""Roles of one workload; an object with more is refused."""

_DECIMAL = re.compile(r"\d{1,9}\.\d{1,9}")


@dataclass(frozen=True, slots=True)
class Role:
    """Pods of one template: how many at once, and the declared ceiling where there is one."""

    name: str
    template: dict[str, Any]
    """A pod template: metadata and spec."""
    pods: Count = 1
    most: Count | None = None
    claims: tuple[tuple[str, Count], ...] = ()
    """Devices of claims that the controller makes for each pod: device class and count."""
    idle: bool = False
    """The object makes no pods of this template by itself: another one uses it."""
    parts: tuple[dict[str, Any], ...] = ()
    """Templates of the object that this one was put together from."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What an object makes: roles, objects inside it, what else decides, and remarks."""

    roles: tuple[Role, ...] = ()
    refers: tuple[str, ...] = ()
    wrapped: tuple[dict[str, Any], ...] = ()
    embedded: tuple[str, ...] = ()
    """Manifests inside strings."""
    notes: tuple[str, ...] = field(default=())

    def with_roles(self, *roles: Role) -> Workload:
        """Return the workload with further roles."""
        return replace(self, roles=(*self.roles, *roles))

    def with_notes(self, *notes: str) -> Workload:
        """Return the workload with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def referring(self, *references: str) -> Workload:
        """Return the workload with further references."""
        return replace(self, refers=(*self.refers, *references))


def expand(document: dict[str, Any], kind: Kind) -> Workload:
    """Return what the table alone says of an object; raises ``CountError`` naming the field."""
    roles: list[Role] = []
    for rule in kind.role:
        roles += _roles(document, rule)
        if len(roles) > MOST_ROLES:
            raise counts.CountError(f"more than {MOST_ROLES} roles; split the object")
    return Workload(
        roles=tuple(roles),
        refers=tuple(_references(document, kind)),
        wrapped=tuple(_wrapped(document, kind)),
        notes=(kind.caveat,) if kind.caveat else (),
    )


def _roles(document: dict[str, Any], rule: RoleRule) -> Iterator[Role]:
    root = Element(document)
    for alternative in rule.each.split(" | "):
        for element in elements(root, alternative):
            if rule.when and find(document, element, rule.when) is None:
                continue
            template = _template(document, element, rule)
            if template is not None:
                yield _role(document, element, rule, template)


def _role(document: dict[str, Any], element: Element, rule: RoleRule, template: dict[str, Any]) -> Role:
    most = None
    if rule.most and find(document, element, _field_of(rule.most)) is not None:
        most = counts.times(*(count_at(document, element, text) for text in rule.most))
    return Role(
        name=_name(element, rule.name),
        template=template,
        pods=counts.times(*(count_at(document, element, text) for text in rule.pods)),
        most=most,
    )


def _field_of(most: tuple[str, ...]) -> str:
    """The field that makes a ceiling one: the first that has no other to fall back to."""
    return next((text for text in most if " | " not in text), most[0].partition(" | ")[0])


def _name(element: Element, pattern: str) -> str:
    name = pattern.replace("{key}", element.names[-1] if element.names else "").replace("{name}", element.name)
    if "{" in name and isinstance(element.value, dict):
        for key, value in element.value.items():
            if isinstance(value, str):
                name = name.replace("{" + str(key) + "}", value)
    return name


def _template(document: dict[str, Any], element: Element, rule: RoleRule) -> dict[str, Any] | None:
    """Return the role's pod template; None where there is none."""
    also = [each for path in rule.also for each in _containers(document, element, path)]
    if rule.instance:
        return _on_instance(document, element, rule)
    if rule.pod:
        template = find(document, element, rule.pod)
        return template if isinstance(template, dict) else None
    if rule.spec:
        spec = find(document, element, rule.spec)
        return template_of_spec(spec, also) if isinstance(spec, dict) else None
    if rule.container:
        container = find(document, element, rule.container)
        return template_of_spec({}, [container]) if isinstance(container, dict) else None
    if rule.limits:
        return template_of_resources({"limits": find(document, element, rule.limits)})
    return template_of_resources(_renamed(document, element, rule))


def _on_instance(document: dict[str, Any], element: Element, rule: RoleRule) -> dict[str, Any]:
    """Return a template with the resources that are stated, or else with every device of the instance type."""
    resources = _map(find(document, element, rule.resources)) if rule.resources else {}
    if any(is_extended(str(name)) for where in ("limits", "requests") for name in _map(resources.get(where))):
        return template_of_resources(resources)
    resource, devices = devices_of_instance(find(document, element, rule.instance))
    return template_of_resources({"limits": {resource: devices}} if devices else resources)


def template_of_spec(spec: dict[str, Any], also: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a template of a pod's spec and further containers beside its own."""
    own = spec.get("containers")
    return {"spec": {**spec, "containers": [*(own if isinstance(own, list) else ()), *also]}}


def template_of_resources(resources: Any) -> dict[str, Any]:
    """Return a template of one container with these resources; with none, where they are no map."""
    return {"spec": {"containers": [{"name": "main", "resources": resources if isinstance(resources, dict) else {}}]}}


def _containers(document: dict[str, Any], element: Element, path: str) -> Iterator[dict[str, Any]]:
    for found in elements(Element(document) if path.startswith("$.") else element, path):
        if isinstance(found.value, dict) and isinstance(found.value.get("resources"), dict):
            yield found.value


def _renamed(document: dict[str, Any], element: Element, rule: RoleRule) -> dict[str, Any]:
    """Return resources with short names replaced by what is meant."""
    resources = find(document, element, rule.resources)
    if not isinstance(resources, dict) or not rule.rename:
        return resources if isinstance(resources, dict) else {}
    limits = {}
    for short, path in rule.rename.items():
        if resources.get(short) is not None:
            meant = find(document, element, path)
            name = meant if isinstance(meant, str) and "/" in meant else path.rpartition(" | ")[2]
            limits[name] = _whole(resources[short])
    return {**resources, "limits": {**_map(resources.get("limits")), **limits}}


def _whole(amount: Any) -> Any:
    """Return the amount, a share of a device being a device."""
    return math.ceil(float(amount)) if _DECIMAL.fullmatch(str(amount)) else amount


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _references(document: dict[str, Any], kind: Kind) -> Iterator[str]:
    for path in kind.refers:
        for found in elements(Element(document), path):
            if isinstance(found.value, str) and found.value:
                yield f"{path}={found.value[:80]}"


def _wrapped(document: dict[str, Any], kind: Kind) -> Iterator[dict[str, Any]]:
    for path in kind.wraps:
        for found in elements(Element(document), path):
            if isinstance(found.value, dict):
                yield found.value
