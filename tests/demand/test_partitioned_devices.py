"""What slices of a chip are counted as: by what each node says of its resources, and whole where that leaves doubt."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue.slices import class_of, with_slices
from admission.demand.claims import PodClaim
from admission.demand.devices import classes_in, counted
from admission.demand.inventory import Node
from admission.demand.pod import demand_of, requested_devices
from admission.review.claim import ClaimSpec
from admission.review.pod import Pod
from tests.demand.cluster import GPU, H100, inventory, node, pod, pool
from tests.demand.test_presence import after, remembered

ONE, THREE = "nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb"
WHOLE, TENTH, HALF = "h100-sxm", "h100-sxm/1g.10gb", "h100-sxm/3g.40gb"
MIG = f"{H100}-MIG-1g.10gb"
PRIVILEGED = {"securityContext": {"privileged": True}}


def mixed(name: str = "m", *resources: str, **told: str) -> Node:
    """Return a node of the strategy ``mixed``: each of its resources is told by a label of its own."""
    names = resources or (ONE, THREE)
    labels = {f"{each}.product": f"{H100}-MIG-{each.rpartition('mig-')[2]}" for each in names} | told
    made = node(name, H100, resources=names)
    return Node(made.name, {**made.labels, **labels}, made.taints, made.resources)


SINGLE = node("s", MIG)
FULL = node("w", H100)


def counts(wanted: Any, *parts: Any, **spec: Any) -> dict[str, int]:
    return dict(counted(demand_of(pod(wanted, **spec), inventory(*parts)).devices))


@pytest.mark.parametrize(
    ("wanted", "parts", "expected"),
    [
        (2, (SINGLE,), {TENTH: 2}),
        ({ONE: 3, THREE: 1}, (mixed(),), {TENTH: 3, HALF: 1}),
        (1, (FULL,), {WHOLE: 1}),
        (1, (SINGLE, FULL), {WHOLE: 1}),
        (1, (SINGLE, node("o", f"{H100}-MIG-3g.40gb")), {f"{TENTH}|{HALF}": 1}),
        (1, (SINGLE, node("t", "Tesla-T4")), {f"{TENTH}|t4": 1}),
        (1, (node("x", f"{MIG}-SHARED"),), {TENTH: 1}),
        (1, (node("x", f"{H100}-SHARED"),), {WHOLE: 1}),
        (1, (node("x", f"{H100}-MIG-9g.99gb"),), {WHOLE: 1}),
        ({ONE: 1}, (node("x", H100, resources=(ONE,)),), {WHOLE: 1}),
        ({ONE: 1}, (mixed("m", ONE, **{f"{ONE}.product": "Tesla-T4-MIG-1g.10gb"}),), {WHOLE: 1}),
        ({f"{ONE}.shared": 1}, (mixed("m", f"{ONE}.shared", **{f"{ONE}.product": f"{MIG}-SHARED"}),), {TENTH: 1}),
        ({ONE: 1}, (pool("p", WHOLE, resources=[ONE]),), {TENTH: 1}),
        (1, (pool("p", WHOLE, nodeLabels={"nvidia.com/gpu.product": MIG}),), {TENTH: 1}),
        (1, (pool("p", WHOLE),), {WHOLE: 1}),
        (1, (pool("p", WHOLE), SINGLE), {WHOLE: 1}),
        ({ONE: 1}, (pool("p", "h20", resources=[ONE]),), {"h20": 1}),
        ({ONE: 1}, (pool("p", WHOLE, resources=["nvidia.com/mig-1g.10gb.me"]), mixed()), {TENTH: 1}),
    ],
)
def test_devices_are_counted_as_the_slices_that_their_nodes_tell_of(
    wanted: Any, parts: tuple[Any, ...], expected: dict[str, int]
) -> None:
    assert counts(wanted, *parts) == expected


def test_rules_are_asked_of_the_whole_class() -> None:
    (devices,) = demand_of(pod(1), inventory(SINGLE, node("t", "Tesla-T4"))).devices

    assert (devices.classes, devices.every_class) == ((WHOLE, "t4"), frozenset({WHOLE, "t4"}))
    assert classes_in(devices.class_key) == ("h100-sxm", "t4")


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": "a", "resources": {"limits": {GPU: 1}}, **PRIVILEGED}]},
        {"containers": [{"name": "a", "resources": {"limits": {GPU: 1}}}, {"name": "b", **PRIVILEGED}]},
        {
            "containers": [{"name": "a", "resources": {"limits": {GPU: 1}}}],
            "volumes": [{"name": "v", "hostPath": {"path": "/dev"}}],
        },
        {
            "containers": [
                {"name": "a", "resources": {"limits": {GPU: 1}}},
                {"name": "b", "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]},
            ]
        },
    ],
)
def test_a_pod_that_reaches_devices_past_its_request_counts_whole_chips(spec: dict[str, Any]) -> None:
    """As it is judged, and as it is counted once it lives."""
    made, world = msgspec.convert({"metadata": {}, "spec": spec}, Pod), inventory(SINGLE)

    assert dict(counted(demand_of(made, world).devices)) == {WHOLE: 1}
    assert dict(counted(requested_devices(made, world))) == {WHOLE: 1}


def test_a_plain_pod_is_counted_alike_when_it_is_judged_and_when_it_lives() -> None:
    world, made = inventory(mixed()), pod({ONE: 2})

    assert counted(demand_of(made, world).devices) == counted(requested_devices(made, world)) == ((TENTH, 2),)


def test_what_a_claim_gives_is_a_whole_chip_as_any_pod_may_use_it() -> None:
    requests = [{"name": "r", "exactly": {"deviceClassName": "mig"}}]
    claim = PodClaim("c", msgspec.convert({"devices": {"requests": requests}}, ClaimSpec))
    made = pod({ONE: 1}, resourceClaims=[{"name": "c"}])
    devices = demand_of(made, inventory(mixed()), {"c": claim}).devices

    assert [(each.claim, each.has_slices) for each in devices] == [("", True), ("c", False)]


def test_a_node_that_has_not_announced_its_slices_yet_has_whole_chips() -> None:
    assert counts({ONE: 1}, mixed(), node("starting", H100, resources=())) == {WHOLE: 1}


@pytest.mark.parametrize(
    ("gone", "wanted", "expected"),
    [
        ((mixed(),), {ONE: 1}, {TENTH: 1}),
        ((mixed(), FULL), {ONE: 1}, {TENTH: 1}),
        ((FULL, mixed()), {ONE: 1}, {TENTH: 1}),
        ((SINGLE,), 1, {TENTH: 1}),
        ((SINGLE, FULL), 1, {WHOLE: 1}),
        ((FULL, SINGLE), 1, {WHOLE: 1}),
        ((SINGLE, node("o", f"{H100}-MIG-3g.40gb")), 1, {f"{TENTH}|{HALF}": 1}),
        ((mixed(), node("x", H100, resources=(ONE,))), {ONE: 1}, {WHOLE: 1}),
    ],
)
def test_nodes_that_have_left_are_remembered_with_their_slices(
    gone: tuple[Node, ...], wanted: Any, expected: dict[str, int]
) -> None:
    for known in (remembered(*gone), remembered(*gone, *gone)):
        assert dict(counted(demand_of(pod(wanted), after(known)).devices)) == expected


SLICES = ("1g.10gb", "3g.40gb", "7g.80gb", "2g.99gb", "1g.10gb-SHARED")
PRODUCTS = st.sampled_from([H100, *(f"{H100}-MIG-{each}" for each in SLICES)])


@given(st.lists(PRODUCTS, min_size=1, max_size=5), st.integers(min_value=0, max_value=4), st.booleans())
def test_no_pod_is_counted_as_less_than_on_any_node_where_it_can_run(
    products: list[str], chosen: int, privileged: bool
) -> None:
    nodes = [node(f"n{place}", product) for place, product in enumerate(products)]
    container = {"name": "a", "resources": {"limits": {GPU: 1}}, **(PRIVILEGED if privileged else {})}
    world = inventory(*nodes)
    (pending,) = demand_of(pod(container), world).devices
    (bound,) = demand_of(pod(container, nodeName=f"n{chosen % len(nodes)}"), world).devices
    weights = with_slices({WHOLE: 15832}, weighed=True)

    def weighs(key: str) -> int:
        return max(weights[each] for each in key.split("|"))

    assert weighs(bound.class_key) <= weighs(pending.class_key) <= weights[WHOLE]
    assert not privileged or pending.class_key == WHOLE
    assert {class_of(each) for each in pending.class_key.split("|")} == {WHOLE}
