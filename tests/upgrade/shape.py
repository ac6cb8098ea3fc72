"""What objects a CustomResourceDefinition accepts, laid flat, and how a later one takes something away from it.

    python -m tests.upgrade.shape      # writes the shape of the chart's CRDs: when a version is released

Two versions of computegate share the objects of one cluster, in an upgrade and in a rollback, and no webhook converts
them.  So a later CRD only adds: whatever an earlier version stored stays valid, and is understood.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from admission import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
CRDS = HERE.parents[1] / "charts" / "computegate" / "files" / "crds"
RELEASED = HERE / "released.json"
"""The shape of the last release: what stands in clusters."""

Facts = dict[str, Any]
Shape = dict[str, Facts]

_FIXED = ("type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "default")
_LEAST = ("minimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
_FORMS = ("pattern", "format", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_KEPT = (*_FIXED, *_LEAST, *_MOST, *_FORMS, "enum", "required", "nullable", "x-kubernetes-preserve-unknown-fields")


_STEPS = re.compile(r"self == oldSelf \|\| self in (\{.*\})\[oldSelf\]")
"""A rule that names the states that may follow each."""


def shape_of(crd: dict[str, Any]) -> Shape:
    """Return the facts of every place in the objects, by path."""
    spec, shape = crd["spec"], Shape()
    for version in spec["versions"]:
        root = f"{spec['names']['plural']}/{version['name']}"
        shape[root] = {"storage": version["storage"], "scope": spec["scope"], "kind": spec["names"]["kind"]}
        if version["served"]:
            shape.update(_laid(version["schema"]["openAPIV3Schema"], f"{root}:"))
    return shape


def _laid(schema: dict[str, Any], path: str) -> Iterator[tuple[str, Facts]]:
    facts = {key: schema[key] for key in _KEPT if key in schema}
    rules = sorted(each["rule"] for each in schema.get("x-kubernetes-validations", ()))
    yield path, facts | ({"rules": rules} if rules else {})
    for name, part in schema.get("properties", {}).items():
        yield from _laid(part, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from _laid(schema[key], f"{path}{mark}")


def losses(before: Shape, now: Shape) -> list[str]:
    """Return one phrase for each thing that was accepted, or understood, and no longer is."""
    found = []
    for path, facts in before.items():
        if path not in now:
            found.append(f"{path} is gone")
        else:
            found += [f"{path}: {phrase}" for phrase in _narrowed(facts, now[path])]
    return found


def _narrowed(before: Facts, now: Facts) -> Iterator[str]:
    yield from _stricter(before, now)
    for key in ("storage", "scope", "kind", *_FIXED):
        if before.get(key) != now.get(key):
            yield f"{key} is {now.get(key)!r}, not {before.get(key)!r}"
    for key in ("required", "rules"):
        known = before.get(key, ())
        if added := sorted(each for each in set(now.get(key, ())) - set(known) if not _adds_steps(each, known)):
            yield f"{key} has {added} besides"
    for key in ("nullable", "x-kubernetes-preserve-unknown-fields"):
        if before.get(key) and not now.get(key):
            yield f"{key} is gone"


def _adds_steps(rule: str, known: Iterable[str]) -> bool:
    """Whether a rule names the steps from state to state, all those that a known one names among them."""
    now = _steps_of(rule)
    return any(before <= now for each in known if (before := _steps_of(each)))


def _steps_of(rule: str) -> set[tuple[str, str]]:
    found = _STEPS.fullmatch(rule)
    return {(was, state) for was, after in ast.literal_eval(found[1]).items() for state in after} if found else set()


def _stricter(before: Facts, now: Facts) -> Iterator[str]:
    for keys, sign in ((_LEAST, 1), (_MOST, -1)):
        for key in keys:
            if key in now and (key not in before or sign * now[key] > sign * before[key]):
                yield f"{key} is {now[key]}, not {before.get(key)}"
    yield from (f"{key} is {now[key]!r}" for key in _FORMS if key in now and before.get(key) != now[key])
    if "enum" in now and not set(before.get("enum", [None])) <= set(now["enum"]):
        yield f"enum is {now['enum']}"


def present() -> Shape:
    """Return the shape of the chart's CRDs as they are."""
    shape = Shape()
    for path in sorted(CRDS.glob("*.yaml")):
        shape.update(shape_of(yaml.safe_load(path.read_text())))
    return shape


def released() -> Shape:
    """Return the shape of the last release."""
    return dict(json.loads(RELEASED.read_text())["shape"])


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(path)}: {json.dumps(facts, sort_keys=True)}" for path, facts in present().items())
    RELEASED.write_text(f'{{"version": "{__version__}", "shape": {{\n{lines}\n}}}}\n')
