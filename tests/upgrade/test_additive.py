"""A later CRD only adds: what an earlier version stored is accepted, and understood, by a later one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.upgrade.shape import losses, present, released, shape_of
from tools.node import later

if TYPE_CHECKING:
    from pathlib import Path

STEPS = "self == oldSelf || self in {'a': ['b'], 'b': []}[oldSelf]"
CRD: dict[str, Any] = {
    "spec": {
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "mode": {"type": "string", "enum": ["a", "b"], "maxLength": 8},
                                    "state": {"type": "string", "x-kubernetes-validations": [{"rule": STEPS}]},
                                    "many": {"type": "array", "maxItems": 4, "items": {"type": "integer"}},
                                    "named": {"type": "object", "additionalProperties": {"type": "string"}},
                                },
                                "x-kubernetes-validations": [{"rule": "true"}],
                            }
                        },
                    }
                },
            }
        ],
    }
}


def edited(path: str, value: Any) -> dict[str, Any]:
    """Return the CRD with the last key of a dotted path set, or taken away where the value is None."""
    made = copy.deepcopy(CRD)
    *way, last = path.split(".")
    place: Any = made["spec"]["versions"][0]
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return made


SPEC = "schema.openAPIV3Schema.properties.spec"


def test_nothing_that_was_released_is_taken_away() -> None:
    assert losses(released(), present()) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("served", False, "things/v1: is gone"),
        ("name", "v2", "things/v1 is gone"),
        ("storage", False, "storage is False"),
        (f"{SPEC}.properties.mode", None, "things/v1:.spec.mode is gone"),
        (f"{SPEC}.properties.mode.type", "integer", "type is 'integer', not 'string'"),
        (f"{SPEC}.properties.mode.enum", ["a"], "enum is ['a']"),
        (f"{SPEC}.properties.mode.pattern", "^a$", "pattern is '^a$'"),
        (f"{SPEC}.properties.mode.maxLength", 4, "maxLength is 4, not 8"),
        (f"{SPEC}.properties.mode.minLength", 1, "minLength is 1, not None"),
        (f"{SPEC}.properties.mode.default", "a", "default is 'a', not None"),
        (f"{SPEC}.properties.many.maxItems", 3, "maxItems is 3, not 4"),
        (f"{SPEC}.properties.many.items.minimum", 0, "things/v1:.spec.many[]: minimum is 0"),
        (f"{SPEC}.properties.many.x-kubernetes-list-type", "set", "x-kubernetes-list-type is 'set'"),
        (f"{SPEC}.properties.named.additionalProperties.enum", ["a"], "things/v1:.spec.named{}: enum is ['a']"),
        (f"{SPEC}.required", ["mode"], "required has ['mode'] besides"),
        (f"{SPEC}.x-kubernetes-validations", [{"rule": "false"}], "rules has ['false'] besides"),
        (
            f"{SPEC}.properties.state.x-kubernetes-validations",
            [{"rule": STEPS.replace("['b']", "['c']")}],
            "things/v1:.spec.state: rules has [",
        ),
    ],
)
def test_what_is_taken_away_is_named(path: str, value: Any, words: str) -> None:
    (found,) = losses(shape_of(CRD), shape_of(edited(path, value)))[:1]
    assert words in found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{SPEC}.properties.more", {"type": "string", "enum": ["x"], "maxLength": 1}),
        (f"{SPEC}.properties.mode.enum", ["a", "b", "c"]),
        (f"{SPEC}.properties.mode.enum", None),
        (f"{SPEC}.properties.mode.maxLength", 9),
        (f"{SPEC}.properties.many.maxItems", None),
        (f"{SPEC}.x-kubernetes-validations", None),
        (f"{SPEC}.properties.state.x-kubernetes-validations", [{"rule": STEPS.replace("[]", "['a', 'c']")}]),
        ("schema.openAPIV3Schema.required", []),
    ],
)
def test_what_is_added_is_not(path: str, value: Any) -> None:
    assert losses(shape_of(CRD), shape_of(edited(path, value))) == []


def test_the_later_version_of_the_cluster_test_adds_one_field_and_no_more(tmp_path: Path) -> None:
    crds = later.chart(later.write(tmp_path / "later")) / "files" / "crds"
    now = {path: facts for file in crds.iterdir() for path, facts in shape_of(yaml.safe_load(file.read_text())).items()}
    assert losses(present(), now) == []
    assert set(now) - set(present()) == {f"tenants/v1alpha1:.spec.{later.FIELD}"}
