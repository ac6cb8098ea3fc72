"""What claims of dynamic resource allocation obtain: by class, by what drivers publish, in the worst case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue.catalogue import Catalogue
from admission.demand.claims import PodClaim, digest_of, wanted_of
from admission.demand.device import conditions_of
from admission.demand.pod import demand_of, demand_of_claim
from admission.demand.request import DemandError
from admission.demand.taking import take_inventory
from admission.review.claim import ClaimSpec, DeviceClass, ResourceClaim, ResourceSlice
from tests.demand.cluster import A100, GPU, H100, T4, node, pod, pool

if TYPE_CHECKING:
    from admission.demand.inventory import Inventory

DRIVER = "gpu.example.com"
IMPLICIT = "deviceclass.resource.kubernetes.io/"


def published(where: str, product: str, number: int = 1, **attributes: str) -> ResourceSlice:
    """Return what a driver publishes for a node: so many devices of a product."""
    named = {name: {"string": value} for name, value in {"productName": product, **attributes}.items()}
    devices = [{"name": f"gpu-{index}", "attributes": named} for index in range(number)]
    spec: dict[str, Any] = {"driver": DRIVER, "pool": {"name": where or "fabric"}, "devices": devices}
    spec |= {"nodeName": where} if where else {"allNodes": True}
    return msgspec.convert({"metadata": {"name": f"{where}-{product}"}, "spec": spec}, ResourceSlice)


def device_class(name: str, *expressions: str, resource: str | None = None) -> DeviceClass:
    selectors = [{"cel": {"expression": each}} for each in expressions]
    spec = {"selectors": selectors, "extendedResourceName": resource}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, DeviceClass)


BY_DRIVER = f'device.driver == "{DRIVER}"'
BIG = f"{BY_DRIVER} && device.attributes['{DRIVER}'].size == \"big\""
CLASSES = (
    device_class("gpu", BY_DRIVER, resource="example.com/gpu"),
    device_class("big", BIG),
    device_class("any"),
    device_class("h100s"),
    device_class("compute-domain-daemon.nvidia.com"),
)
SLICES = (published("h", H100, 8, size="big"), published("a", A100, 4, size="small"), published("t", T4))
NODES = tuple(node(name, resources=(), zone=name) for name in "hat")


def world(*pools: Any, nodes: Any = NODES, slices: Any = SLICES) -> Inventory:
    return take_inventory(nodes, pools, Catalogue.builtin(), "DE", device_classes=CLASSES, slices=slices)


def one(name: str = "gpu", number: int | None = None, **fields: Any) -> dict[str, Any]:
    """Return one request for devices of a class."""
    counted = {} if number is None else {"count": number}
    return {"name": "r", "exactly": {"deviceClassName": name, **counted, **fields}}


def first(*names: str, counts: tuple[int, ...] = ()) -> dict[str, Any]:
    counted = counts or (1,) * len(names)
    parts = [{"deviceClassName": name, "count": count} for name, count in zip(names, counted, strict=True)]
    return {"name": "r", "firstAvailable": parts}


def select(expression: str) -> list[dict[str, Any]]:
    return [{"cel": {"expression": expression}}]


def spec_of(*requests: dict[str, Any]) -> ClaimSpec:
    return msgspec.convert({"devices": {"requests": list(requests)}}, ClaimSpec)


def claim(*requests: dict[str, Any]) -> ResourceClaim:
    return ResourceClaim(spec=spec_of(*requests))


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([one()], [("gpu", 1, "a100-80gb|h100-sxm|t4")]),
        ([one(number=2), one("big", 3)], [("gpu", 2, "a100-80gb|h100-sxm|t4"), ("big", 3, "h100-sxm")]),
        ([one(selectors=select(BIG))], [("gpu", 1, "h100-sxm")]),
        ([one(selectors=select(f"!({BIG})"))], [("gpu", 1, "a100-80gb|h100-sxm|t4")]),
        ([one(selectors=select('device.driver == "other"'))], [("gpu", 1, "unknown")]),
        ([one("any")], [("any", 1, "a100-80gb|h100-sxm|t4")]),
        ([one("nowhere")], [("nowhere", 1, "unknown")]),
        ([one(allocationMode="All")], [("gpu", 8, "a100-80gb|h100-sxm|t4")]),
        ([one("big", allocationMode="All", selectors=select(BIG))], [("big", 8, "h100-sxm")]),
        ([one("nowhere", allocationMode="All")], [("nowhere", 32, "unknown")]),
        ([first("big", "gpu", counts=(1, 4))], [("big|gpu", 4, "a100-80gb|h100-sxm|t4")]),
        ([first("big", "nowhere")], [("big|nowhere", 1, "h100-sxm|unknown")]),
        ([one("compute-domain-daemon.nvidia.com")], []),
        ([first("compute-domain-daemon.nvidia.com", "big")], [("big", 1, "h100-sxm")]),
        ([{"name": "r", "deviceClassName": "big", "count": 2}], [("big", 2, "h100-sxm")]),
        ([], []),
    ],
)
def test_a_claim_obtains_every_device_that_its_requests_leave_open(
    requests: list[dict[str, Any]], expected: list[tuple[str, int, str]]
) -> None:
    devices = demand_of_claim(claim(*requests), world()).devices
    assert [(each.resource.removeprefix(IMPLICIT), each.count, each.class_key) for each in devices] == expected


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"resourceClassName": "gpu"}, "gone since Kubernetes 1.31"),
        ({"devices": {"requests": [one(allocationMode="Most")]}}, "allocationMode: 'Most' is not known here"),
        ({"devices": {"requests": [one(number=0)]}}, "0 is no number of devices"),
        ({"devices": {"requests": [one(number=-3)]}}, "-3 is no number of devices"),
        ({"devices": {"requests": [one("")]}}, "deviceClassName is missing"),
        ({"devices": {"requests": [{"name": "r"}]}}, "exactly one of exactly and firstAvailable"),
        ({"devices": {"requests": [{**one(), **first("gpu")}]}}, "exactly one of exactly and firstAvailable"),
        ({"devices": {"requests": [one(number=2**31)]}}, "at most 2147483647 can be counted"),
    ],
)
def test_a_claim_of_a_shape_that_is_not_known_is_refused(spec: dict[str, Any], problem: str) -> None:
    with pytest.raises(DemandError, match=problem):
        demand_of_claim(ResourceClaim(spec=msgspec.convert(spec, ClaimSpec)), world())


def test_access_as_administrator_is_a_way_around() -> None:
    demand = demand_of_claim(claim(one(adminAccess=True)), world())
    assert [(each.way, each.field) for each in demand.access] == [
        ("adminAccess", "spec.devices.requests[r].exactly.adminAccess")
    ]
    assert not any(each.charged for each in demand.devices)


def test_a_pods_claim_reaches_what_the_pod_can_land_on() -> None:
    wanted = PodClaim("gpu", spec_of(one(number=2)))
    found = demand_of(pod({}, nodeSelector={"zone": "a"}, resourceClaims=[{"name": "gpu"}]), world(), {"gpu": wanted})
    (devices,) = found.devices
    assert (devices.claim, devices.count, devices.classes, devices.charged) == ("gpu", 2, ("a100-80gb",), True)
    assert devices.class_key == "a100-80gb|h100-sxm|t4", "another pod may use the claim elsewhere"
    assert found.made == (("gpu", digest_of(wanted_of(spec_of(one(number=2))))),)


def test_a_claim_that_others_share_is_cleared_and_not_charged() -> None:
    shared = PodClaim("gpu", spec_of(one()), shared=True)
    found = demand_of(pod({}, resourceClaims=[{"name": "gpu"}]), world(), {"gpu": shared})
    assert [(each.charged, each.class_key) for each in found.devices] == [(False, "a100-80gb|h100-sxm|t4")]
    assert found.made == ()


@pytest.mark.parametrize("resource", ["example.com/gpu", f"{IMPLICIT}gpu", f"{IMPLICIT}any"])
def test_a_resource_that_a_class_stands_behind_is_the_class(resource: str) -> None:
    (devices,) = demand_of(pod({resource: 3}), world()).devices
    assert (devices.count, devices.class_key) == (3, "a100-80gb|h100-sxm|t4")


def test_what_the_node_says_stands_in_where_no_product_is_published() -> None:
    bare = (published("h", "a chip of tomorrow"),)
    labelled = (node("h", A100, resources=()),)
    assert demand_of_claim(claim(one()), world(nodes=labelled, slices=bare)).devices[0].class_key == "a100-80gb"
    assert demand_of_claim(claim(one()), world(slices=bare)).devices[0].class_key == "unknown"


def test_a_pool_scaled_to_zero_answers_for_a_class_that_it_declares() -> None:
    declared = pool("later", "h200", resources=[f"{IMPLICIT}gpu"])
    devices = demand_of_claim(claim(one(allocationMode="All")), world(declared)).devices
    assert (devices[0].count, devices[0].class_key) == (32, "a100-80gb|h100-sxm|h200|t4")


def test_devices_of_no_node_are_at_every_node() -> None:
    plain = (node("cpu", resources=()),)
    devices = demand_of_claim(claim(one()), world(nodes=plain, slices=(published("", H100),))).devices
    assert [(each.class_key, each.targets) for each in devices] == [("h100-sxm", ("cpu",))]


def test_a_plugged_resource_goes_on_being_what_its_node_is() -> None:
    plugged = (*NODES, node("p", H100, resources=(GPU,)))
    (devices,) = demand_of(pod(1), world(nodes=plugged)).devices
    assert devices.class_key == "h100-sxm"


@pytest.mark.parametrize(
    "expression",
    [
        f"{BY_DRIVER} || true",
        f"true || {BY_DRIVER}",
        f'x ? {BY_DRIVER} : device.driver == "a"',
        f"!({BY_DRIVER})",
        f"!(true && {BY_DRIVER} && true)",
        f"[{BY_DRIVER}].exists(x, !x)",
        f"{BY_DRIVER} == false",
        f'"a" + "&& {DRIVER}" == device.driver',
        r'device.driver == "a\"b"',
        f'device.driver != "{DRIVER}"',
        'device.driver in ["a"] // && device.driver == "b"',
        "x" * 5000 + f" && {BY_DRIVER}",
    ],
)
def test_an_expression_that_may_hold_for_any_device_excludes_none(expression: str) -> None:
    assert conditions_of(expression) == ()


@given(st.text("()[]{}?|&!\"' abx=.", max_size=40))
def test_what_stands_in_brackets_or_quotes_is_never_taken_for_a_condition(text: str) -> None:
    quoted = text.replace('"', "").replace("'", "")
    for wrapped in (
        f"!({BY_DRIVER} && {quoted.translate(str.maketrans('', '', '()[]{}'))})",
        f'"{quoted}" == "{BY_DRIVER[:6]}"',
    ):
        assert conditions_of(wrapped) == ()


def test_defaults_that_are_written_out_ask_for_the_same() -> None:
    same = [one(), one(number=1), one(allocationMode="ExactCount"), one(number=1, allocationMode="ExactCount")]
    assert len({digest_of(wanted_of(spec_of(each))) for each in same}) == 1
    others = [one(number=2), one("big"), one(allocationMode="All"), one(selectors=select("true")), first("gpu", "big")]
    assert len({digest_of(wanted_of(spec_of(each))) for each in [one(), *others]}) == 6
