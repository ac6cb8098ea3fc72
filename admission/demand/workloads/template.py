"""One role's pod template, read as far as it can be: placeholders and wrong types are left out and named.

A manifest may still hold what Helm, Kustomize or a shell fills in (``{{ .Values.gpus }}``, ``$GPUS``).  A quantity
that is none is demand nobody can count, so it is kept as text; any other field that cannot be read is left out and
named, as it may hide a way to a device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from admission.catalogue.resources import is_extended
from admission.demand.request import MOST_CONTAINERS, DemandError
from admission.review.pod import Pod
from admission.review.quantity import QuantityError, count

MOST_UNREAD = 32
"""Fields of one template that are left out before the template is refused."""

_DEVICE = re.compile(r"(?<![a-z])[gnt]pu(?![a-z])", re.IGNORECASE)
_PLACE = re.compile(r"(?P<problem>.*?) - at `\$(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")


@dataclass(frozen=True, slots=True)
class Template:
    """A pod template: its pod, what of it is not known, and the template as it came."""

    pod: Pod
    raw: dict[str, Any]
    unresolved: tuple[tuple[str, str], ...] = ()
    """Resources whose quantity is a placeholder, with its text."""
    unread: tuple[str, ...] = ()
    """Fields that were left out, and why."""


def read_template(raw: dict[str, Any]) -> Template:
    """Return the template; raises ``DemandError`` where it is no pod template at all."""
    unresolved: list[tuple[str, str]] = []
    unread: list[str] = []
    cleaned = {"metadata": raw.get("metadata"), "spec": _with_quantities(raw.get("spec"), unresolved, unread)}
    cleaned = {key: value for key, value in cleaned.items() if value is not None}
    for _ in range(MOST_UNREAD):
        try:
            return Template(
                msgspec.convert(cleaned, Pod), raw, tuple(sorted(set(unresolved), reverse=True)), tuple(unread)
            )
        except msgspec.ValidationError as error:
            cleaned, note = _without(cleaned, str(error))
            unread.append(note)
    raise DemandError(f"more than {MOST_UNREAD} fields of the pod template cannot be read, the last: {unread[-1]}")


def _with_quantities(spec: Any, unresolved: list[tuple[str, str]], unread: list[str]) -> Any:
    """Return the spec with only quantities that are some; the others are put into ``unresolved``."""
    if not isinstance(spec, dict):
        return spec
    found = dict(spec)
    for where in ("containers", "initContainers"):
        containers = spec.get(where)
        if isinstance(containers, list):
            if len(containers) > MOST_CONTAINERS:
                raise DemandError(f"spec.{where}: more than {MOST_CONTAINERS} containers; split the pod")
            found[where] = [_container(each, unresolved, unread) for each in containers]
    if isinstance(spec.get("overhead"), dict):
        found["overhead"] = _quantities(spec["overhead"], unresolved, unread)
    return found


def _container(container: Any, unresolved: list[tuple[str, str]], unread: list[str]) -> Any:
    resources = container.get("resources") if isinstance(container, dict) else None
    if not isinstance(resources, dict):
        return container
    kept = {
        key: _quantities(value, unresolved, unread) if key in {"limits", "requests"} else value
        for key, value in resources.items()
        if key in {"limits", "requests"}
    }
    return {**container, "resources": kept}


def _quantities(quantities: Any, unresolved: list[tuple[str, str]], unread: list[str]) -> Any:
    if not isinstance(quantities, dict):
        return quantities
    kept = {}
    for name, quantity in quantities.items():
        if not isinstance(name, str):
            unread.append(f"resource {str(name)[:60]!r}")
        elif not is_extended(name):
            if _DEVICE.search(name):
                unread.append(f"resource {name[:60]!r} is none of Kubernetes; a device has a name like nvidia.com/gpu")
        elif quantity is not None:
            try:
                count(quantity if isinstance(quantity, str | int | float) else str(quantity))
                kept[name] = quantity
            except QuantityError as error:
                text = str(quantity)[:60]
                unresolved.append((name, text))
                unread.append(f"{name}: {error}")
    return kept


def _without(template: Any, problem: str) -> tuple[dict[str, Any], str]:
    """Return the template without the value that the message names, and the note on it."""
    match = _PLACE.fullmatch(problem)
    path = match["path"] if match else ""
    steps = [step["key"] or step["index"] for step in _STEP.finditer(path)]
    note = f"{path.lstrip('.') or 'the template'} is not read: {match['problem'] if match else problem}"
    return (_removed(template, steps) if steps else {}), note


def _removed(value: Any, steps: list[str]) -> Any:
    """Return a copy of the value without what stands at the end of the steps; ``...`` stands for any key."""
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if step not in value:  # msgspec writes [...] for the key or value of any entry: all of them go
            return {}
        kept = {key: inner for key, inner in value.items() if key != step}
        return {**kept, step: _removed(value[step], rest)} if rest else kept
    if isinstance(value, list) and step.isdigit():
        place = int(step)
        middle = [_removed(value[place], rest)] if rest else []
        return [*value[:place], *middle, *value[place + 1 :]]
    return None
