"""Which nodes happen to be up changes nothing of what a pod can reach."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.presence import MOST_GROUPS, MOST_LABELS, MOST_VALUES, AcceleratorPresence, SeenNodes
from admission.catalogue.catalogue import Catalogue
from admission.demand.inventory import Inventory, Node, Taint
from admission.demand.presence import sighted
from admission.demand.reach import reach
from admission.demand.taking import take_inventory
from tests.demand.cluster import A100, GPU, H100, PRODUCT, T4, inventory, node, pod, pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.api.accelerator import AcceleratorPool


def remembered(*parts: Node | AcceleratorPool, known: Mapping[str, Iterable[SeenNodes]] | None = None) -> Any:
    """Return what is remembered of nodes, one after the other."""
    found = {name: tuple(each) for name, each in (known or {}).items()}
    for part in parts:
        found |= sighted(inventory(part), found)
    return found


def after(seen: Mapping[str, Iterable[SeenNodes]], *parts: Node | AcceleratorPool) -> Inventory:
    """Return the inventory of these nodes and pools where others were seen before."""
    nodes = [part for part in parts if isinstance(part, Node)]
    pools = [part for part in parts if not isinstance(part, Node)]
    presences = [
        AcceleratorPresence.model_validate({"metadata": {"name": name}, "spec": {"nodes": list(each)}})
        for name, each in seen.items()
    ]
    return take_inventory(nodes, pools, Catalogue.builtin(), "DE", presences=presences)


def classes(found: Inventory, **spec: Any) -> tuple[str, ...]:
    return reach(GPU, pod(1, **spec).spec, found).classes


def affinity(key: str, operator: str, *values: str, field: bool = False) -> dict[str, Any]:
    term = {"matchFields" if field else "matchExpressions": [{"key": key, "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


GONE = (
    node("gone", H100, "dear", pool="big", zone="a"),
    node("gone-too", H100, "dear", pool="bigger", zone="b", spot="yes"),
)
HERE = node("here", A100, pool="big")
BOTH, ONE = ("a100-80gb", "h100-sxm"), ("a100-80gb",)
TOLERANT = {"tolerations": [{"operator": "Exists"}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (TOLERANT, BOTH),
        ({}, ONE),
        ({"tolerations": [{"key": "dear", "operator": "Exists"}]}, BOTH),
        ({**TOLERANT, "nodeSelector": {"pool": "big"}}, BOTH),
        ({**TOLERANT, "nodeSelector": {"pool": "small"}}, ("unknown",)),
        ({**TOLERANT, "nodeSelector": {"zone": "a"}}, ("h100-sxm",)),
        ({**TOLERANT, "nodeSelector": {"zone": "c"}}, ("unknown",)),
        ({**TOLERANT, "nodeSelector": {"nvidia.com/gpu.product": A100}}, ONE),
        ({**TOLERANT, "nodeSelector": {"kubernetes.io/hostname": "here"}}, ONE),
        ({**TOLERANT, "nodeSelector": {"kubernetes.io/hostname": "gone"}}, BOTH),
        ({**TOLERANT, **affinity("metadata.name", "In", "here", field=True)}, ONE),
        ({**TOLERANT, **affinity("metadata.name", "In", "gone", field=True)}, BOTH),
        ({**TOLERANT, **affinity("pool", "NotIn", "big")}, ("h100-sxm",)),
        ({**TOLERANT, **affinity("spot", "Exists")}, ("h100-sxm",)),
        ({**TOLERANT, **affinity("spot", "DoesNotExist")}, BOTH),
        ({**TOLERANT, **affinity("zone", "DoesNotExist")}, ONE),
        ({**TOLERANT, **affinity("never", "Exists")}, ("unknown",)),
    ],
)
def test_a_class_whose_nodes_have_left_is_reached_as_it_was(spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert classes(after(remembered(*GONE, HERE), HERE), **spec) == expected


def test_what_was_never_seen_of_a_class_or_was_removed_is_not_reached() -> None:
    assert classes(after({}, HERE)) == ONE
    assert remembered(pool("declared", "h100-sxm"), node("plain", resources=())) == {}


def test_a_class_that_the_catalogue_has_not_or_no_longer_is_not_remembered() -> None:
    strange = pool("odd", "mystery", nodeLabels={"pool": "odd"})
    assert sighted(inventory(strange, node("gone", pool="odd")), {}) == {}
    (seen,) = remembered(GONE[0]).values()
    assert classes(after({"mystery": seen}, HERE), **TOLERANT) == ONE


def test_a_node_that_has_not_announced_its_devices_is_remembered_with_them() -> None:
    waiting = node("gone", H100, resources=())
    assert classes(after(remembered(waiting), HERE)) == BOTH


def test_a_node_that_is_gone_is_no_name_for_what_it_never_announced() -> None:
    seen = remembered(node("gone", H100, resources=()))
    for here, expected in ((HERE, ("h100-sxm", "unknown")), (node("here", H100, resources=()), ("h100-sxm",))):
        assert reach("example.com/other", pod(1).spec, after(seen, here)).classes == expected


def test_remembered_nodes_stand_where_pools_like_theirs_do_and_else_at_the_default_place() -> None:
    seen = remembered(node("gone", H100, zone="a"), node("gone-too", H100, zone="b"))
    here, there = (pool(name, "h100-sxm", name, nodeLabels={"zone": zone}) for name, zone in (("FR", "a"), ("IT", "b")))

    def places(*parts: AcceleratorPool) -> set[str]:
        return {target.country for target in after(seen, *parts).targets if target.seen is not None}

    assert (places(), places(here), places(here, there)) == ({"DE"}, {"FR"}, {"FR", "IT"})


def test_what_is_remembered_is_bounded_and_leaves_open_what_it_does_not_keep() -> None:
    many = [
        Node(f"n{n}", {f"l{n}-{m}": "x" for m in range(40)}, (Taint(f"t{n}", "", "NoSchedule"),), frozenset({GPU}))
        for n in range(MOST_GROUPS + 2)
    ]
    many = [dataclasses.replace(each, labels={**each.labels, PRODUCT: H100}) for each in many]
    (groups,) = remembered(*many).values()
    assert len(groups) == MOST_GROUPS
    assert max(len(each.labels) for each in groups) <= MOST_LABELS
    same = [node(f"n{n}", H100, serial=str(n)) for n in range(MOST_VALUES + 1)]
    found = after(remembered(*same), HERE)
    assert classes(found, nodeSelector={"serial": "never seen"}) == ("h100-sxm",)
    assert "h100-sxm" in classes(after(remembered(*many), HERE), **TOLERANT, nodeSelector={"l0-0": "x"})


LABELS = st.dictionaries(st.sampled_from(["pool", "zone", "spot"]), st.sampled_from("abc"), max_size=3)
NODES = st.lists(
    st.tuples(st.sampled_from([H100, A100, T4]), LABELS, st.sets(st.sampled_from(["dear", "slow"]))),
    min_size=1,
    max_size=6,
)
SELECTORS = st.fixed_dictionaries(
    {"operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"])},
    optional={"key": st.sampled_from(["pool", "zone", "spot", "kubernetes.io/hostname"])},
)


@given(NODES, st.data())
def test_a_pod_reaches_no_fewer_classes_when_nodes_leave(nodes: list[Any], data: st.DataObject) -> None:
    made = [
        Node(
            f"n{place}",
            {"kubernetes.io/hostname": f"n{place}", "nvidia.com/gpu.product": product, **labels},
            tuple(Taint(key, "", "NoSchedule") for key in sorted(taints)),
            frozenset({GPU}),
        )
        for place, (product, labels, taints) in enumerate(nodes)
    ]
    left = [each for each in made if data.draw(st.booleans())]
    key = data.draw(st.sampled_from(["pool", "zone", "spot", "kubernetes.io/hostname"]))
    values = data.draw(st.lists(st.sampled_from(["a", "b", "n0", "n1"]), min_size=1, max_size=2))
    operator = data.draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    spec = {"tolerations": [{"key": "dear", "operator": "Exists"}], **affinity(key, operator, *values)}
    before = {*classes(inventory(*made), **spec)} - {"unknown"}
    assert before <= {*classes(after(remembered(*made), *left), **spec)}
