"""The table of kinds: paths, counts, what an operator adds, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from admission.demand.workloads.answer import answer
from admission.demand.workloads.count import CountError
from admission.demand.workloads.paths import Element, count_at, elements
from admission.demand.workloads.table import TableError, builtin

OBJECT = {
    "spec": {
        "size": 4,
        "none": None,
        "text": "3",
        "placeholder": "${N}",
        "groups": [{"name": "a", "replicas": 2, "roles": [{"replicas": 5}]}, {"replicas": 1}],
        "map": {"x": {"n": 1}, "y": {"n": 2}},
    }
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".", [OBJECT]),
        ("spec.size", [4]),
        ("spec.none", []),
        ("spec.absent.deeper", []),
        ("spec.groups[].replicas", [2, 1]),
        ("spec.groups[].roles[].replicas", [5]),
        ("spec.map{}.n", [1, 2]),
        ("spec.size[]", []),
        ("spec.groups{}", []),
    ],
)
def test_a_path_leads_to_everything_that_stands_there(path: str, found: list[Any]) -> None:
    assert [each.value for each in elements(Element(OBJECT), path)] == found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("spec.size", 4),
        ("spec.absent", 1),
        ("spec.absent | spec.size | 9", 4),
        ("spec.absent | 9", 9),
        ("spec.text", 3),
        ("spec.placeholder", "?"),
        ("per-node", "per-node"),
        ("?", "?"),
        ("spec.size - 1", 3),
        ("spec.size - 9", 0),
        ("spec.placeholder - 1", "?"),
        ("min(spec.size, spec.text | 1)", 3),
        ("min(spec.absent, spec.size)", 4),
        ("min(spec.absent, spec.other)", 1),
        ("min(spec.size, spec.placeholder)", 4),
        ("max(spec.size, 9)", 9),
        ("max(spec.size, spec.placeholder)", "?"),
    ],
)
def test_a_count_is_read_as_it_is_written(text: str, count: int | str) -> None:
    assert count_at(OBJECT, Element(OBJECT), text) == count


def test_a_count_may_be_that_of_the_element_around_or_of_the_object() -> None:
    (role,) = elements(Element(OBJECT), "spec.groups[].roles[]")
    assert [count_at(OBJECT, role, text) for text in ("replicas", "^.replicas", "$.spec.size")] == [5, 2, 4]


@pytest.mark.parametrize("value", [-1, 1.5, True, [], {}, "-3"])
def test_what_is_no_count_is_named(value: Any) -> None:
    with pytest.raises(CountError, match=r"spec\.replicas: '.*' is no count of pods"):
        count_at({}, Element({"spec": {"replicas": value}}), "spec.replicas")


OWN = """
network_classes = ["nic.example.com"]

[[workload]]
kinds = ["example.com/Fleet"]
refers = ["spec.model"]
caveat = "ships may be added"
[[workload.role]]
name = "{name}"
each = "spec.ships[]"
spec = "crew"
pods = ["count | 1", "$.spec.fleets | 1"]
most = ["limit"]
"""
FLEET = {
    "apiVersion": "example.com/v7",
    "kind": "Fleet",
    "spec": {
        "fleets": 2,
        "ships": [
            {
                "name": "one",
                "count": 3,
                "limit": 9,
                "crew": {"containers": [{"resources": {"limits": {"amd.com/gpu": 2}}}]},
            },
            {"crew": {"containers": [{}]}},
        ],
    },
}


def test_an_operators_kinds_go_before_the_packaged_ones() -> None:
    found = answer(FLEET, builtin().adding(OWN), lambda _kind, _name: None)
    assert [(each.name, each.pods, each.most) for each in found.roles] == [("one", 6, 9), ("1", 2, None)]
    assert (found.per_pod, found.total, found.max_total) == (
        {"amd.com/gpu": 2},
        {"amd.com/gpu": 12},
        {"amd.com/gpu": 18},
    )
    assert found.notes == ("ships may be added",)
    other = builtin().adding('[[workload]]\nkinds = ["apps/Deployment"]\nother = true')
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [{}]}}}}
    assert answer(deployment, other, lambda _kind, _name: None).expected == "not-a-workload"
    assert answer(deployment, builtin(), lambda _kind, _name: None).expected == "none"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[workload", "Expected ']]'"),
        ("workload = 3", "Expected `array`, got `int`"),
        ('[[workload]]\nkinds = ["a/B"]\nrols = []', "unknown field `rols`"),
        ('[[workload]]\nkinds = ["Deployment"]', "a kind is written group/Kind"),
        ('[[workload]]\nkinds = ["a/B"]\nparticular = "magic"', "a/B: there is no code named 'magic'"),
        ('[[workload]]\nkinds = ["a/B"]\nwraps = ["spec.x[0]"]', "a/B: 'spec.x[0]' is no path"),
        ('[[workload]]\nkinds = ["a/B"]\n[[workload.role]]\nname = "x"\npods = ["replicas * 2"]', "is no path"),
        ("x" * (2 << 20), "larger than 1048576 bytes"),
    ],
    ids=lambda value: value[:40],
)
def test_a_table_that_cannot_be_used_is_refused_at_once(text: str, says: str) -> None:
    with pytest.raises(TableError) as refused:
        builtin().adding(text)
    assert says in str(refused.value)
