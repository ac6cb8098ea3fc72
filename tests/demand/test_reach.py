"""Which classes and places a pod can land on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.chip import Chip
from admission.demand.pod import demand_of
from admission.demand.reach import UNKNOWN_CLASS, reach
from admission.demand.taking import take_inventory
from tests.demand.cluster import A100, GPU, H100, PRODUCT, T4, inventory, node, pod, pool

if TYPE_CHECKING:
    from admission.demand.devices import Devices
    from admission.demand.inventory import Node

INSTANCE = "node.kubernetes.io/instance-type"
WORLD = inventory(
    node("h1", H100, "gpu", zone="a", size="80"),
    node("a1", A100, "gpu", zone="b", size="40"),
    node("a2", A100, "gpu", "node.kubernetes.io/unreachable:NoExecute", zone="b", size="x"),
    node("t1", T4, "soft:PreferNoSchedule", zone="a"),
    node("cpu", resources=()),
    default_country="SG",
)
"""Two tainted classes, one that anything lands on, and a node without devices."""

TOLERANT = [{"key": "gpu", "operator": "Exists"}]
ALL = ("a100-80gb", "h100-sxm", "t4")
NAMED = "nvidia.com/a100"


def _reach(spec: dict[str, Any], world: Any = WORLD) -> Devices:
    (devices,) = demand_of(pod(1, **spec), world).devices
    return devices


def _terms(*terms: list[dict[str, Any]] | dict[str, Any]) -> dict[str, Any]:
    made = [{"matchExpressions": term} if isinstance(term, list) else term for term in terms]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": made}}
    return {"tolerations": TOLERANT, "affinity": {"nodeAffinity": required}}


def _is(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


PREFERRED = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}}


@pytest.mark.parametrize(
    ("spec", "classes"),
    [
        ({}, ("t4",)),
        ({"tolerations": TOLERANT}, ALL),
        ({"tolerations": [{"operator": "Exists"}]}, ALL),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]}, ALL),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]}, ("t4",)),
        ({"tolerations": [{"key": "gpu", "value": "", "effect": "NoSchedule"}]}, ALL),
        ({"tolerations": [{"key": "gpu", "operator": "Equal", "value": "other"}]}, ("t4",)),
        ({"tolerations": [{"key": "gpu", "operator": "Gt", "value": "1"}]}, ALL),
        ({"tolerations": [{"key": "other", "operator": "Exists"}]}, ("t4",)),
        ({"tolerations": [{"operator": "Equal", "value": ""}]}, ("t4",)),
        ({"tolerations": TOLERANT, "nodeSelector": {PRODUCT: H100}}, ("h100-sxm",)),
        ({"tolerations": TOLERANT, "nodeSelector": {"zone": "b"}}, ("a100-80gb",)),
        ({"tolerations": TOLERANT, "nodeSelector": {"zone": "a", PRODUCT: T4}}, ("t4",)),
        ({"tolerations": TOLERANT, "nodeSelector": {"zone": "z"}}, (UNKNOWN_CLASS,)),
        ({"tolerations": TOLERANT, "affinity": PREFERRED}, ALL),
        ({"tolerations": TOLERANT, "affinity": {}}, ALL),
        (_terms([_is("zone", "In", "b")]), ("a100-80gb",)),
        (_terms([_is("zone", "NotIn", "b")]), ("h100-sxm", "t4")),
        (_terms([_is("size", "NotIn", "80")]), ("a100-80gb", "t4")),
        (_terms([_is("size", "Exists")]), ("a100-80gb", "h100-sxm")),
        (_terms([_is("size", "DoesNotExist")]), ("t4",)),
        (_terms([_is("size", "Gt", "40")]), ("h100-sxm",)),
        (_terms([_is("size", "Lt", "80")]), ("a100-80gb",)),
        (_terms([_is("size", "Gt", "big")]), (UNKNOWN_CLASS,)),
        (_terms([_is("size", "Gt")]), (UNKNOWN_CLASS,)),
        (_terms([_is("zone", "In", "b")], [_is(PRODUCT, "In", H100)]), ("a100-80gb", "h100-sxm")),
        (_terms([_is("zone", "In", "a"), _is("size", "Exists")]), ("h100-sxm",)),
        (_terms([_is("zone", "In", "a"), _is("zone", "In", "b")]), (UNKNOWN_CLASS,)),
        (_terms([], [_is("zone", "In", "b")]), ("a100-80gb",)),
        (_terms([]), (UNKNOWN_CLASS,)),
        (_terms(), (UNKNOWN_CLASS,)),
        (_terms({"matchFields": [_is("metadata.name", "In", "h1")]}), ("h100-sxm",)),
        (_terms({"matchFields": [_is("metadata.name", "NotIn", "h1", "t1")]}), ("a100-80gb",)),
        ({"nodeName": "h1"}, ("h100-sxm",)),
        ({"nodeName": "h1", "nodeSelector": {"zone": "z"}}, ("h100-sxm",)),
        ({"nodeName": "cpu"}, (UNKNOWN_CLASS,)),
        ({"nodeName": "nowhere"}, (UNKNOWN_CLASS,)),
        ({"tolerations": TOLERANT, "nodeSelector": {"kubernetes.io/hostname": "a2"}}, ("a100-80gb",)),
    ],
)
def test_a_pod_reaches_every_class_that_the_scheduler_could_give_it(
    spec: dict[str, Any], classes: tuple[str, ...]
) -> None:
    assert _reach(spec).classes == classes


HOPPER = pool("hopper", "h100-sxm", "DE", nodeLabels={"pool": "hopper", PRODUCT: H100})
AMPERE = pool("ampere", "a100-40gb", "FR", taints=[{"key": "gpu", "effect": "NoSchedule"}])
EMPTY = inventory(HOPPER, AMPERE, default_country="SG")
"""Two pools, scaled to zero."""


@pytest.mark.parametrize(
    ("spec", "classes", "places"),
    [
        ({}, ("h100-sxm",), ("DE",)),
        ({"tolerations": TOLERANT}, ("a100-40gb", "h100-sxm"), ("DE", "FR")),
        ({"tolerations": TOLERANT, "nodeSelector": {"pool": "ampere"}}, ("a100-40gb",), ("FR",)),
        ({"tolerations": TOLERANT, "nodeSelector": {"undeclared": "x"}}, ("a100-40gb", "h100-sxm"), ("DE", "FR")),
        ({"tolerations": TOLERANT, "nodeSelector": {PRODUCT: H100}}, ("h100-sxm",), ("DE",)),
        ({"tolerations": TOLERANT, "nodeSelector": {PRODUCT: T4}}, (UNKNOWN_CLASS,), ("",)),
        ({"tolerations": TOLERANT, "nodeSelector": {PRODUCT: "Next-Chip"}}, ("a100-40gb",), ("FR",)),
        ({"tolerations": TOLERANT, "nodeSelector": {INSTANCE: "p5.48xlarge"}}, ("h100-sxm",), ("DE",)),
        (
            {"tolerations": TOLERANT, "nodeSelector": {"karpenter.k8s.aws/instance-gpu-name": "a100"}},
            ("a100-40gb", "h100-sxm"),
            ("DE", "FR"),
        ),
        (_terms([_is(PRODUCT, "NotIn", H100)]), ("a100-40gb",), ("FR",)),
        (_terms([_is(PRODUCT, "DoesNotExist")]), ("a100-40gb",), ("FR",)),
        (_terms({"matchFields": [_is("metadata.name", "In", "x")]}), ("a100-40gb", "h100-sxm"), ("DE", "FR")),
    ],
)
def test_a_pool_scaled_to_zero_answers_for_the_nodes_it_may_have(
    spec: dict[str, Any], classes: tuple[str, ...], places: tuple[str, ...]
) -> None:
    devices = _reach(spec, EMPTY)
    assert (devices.classes, devices.places) == (classes, places)


@pytest.mark.parametrize(
    ("parts", "default", "classes", "places"),
    [
        ((node("n", H100),), "", ("h100-sxm",), ("",)),
        ((node("n", H100),), "SG", ("h100-sxm",), ("SG",)),
        ((node("n", H100, pool="p"), pool("p", "h100-sxm", "DE")), "SG", ("h100-sxm",), ("DE",)),
        ((node("n", H100, pool="p"), pool("p", "t4", "DE")), "SG", ("h100-sxm", "t4"), ("DE",)),
        ((node("n", pool="p"), pool("p", "t4")), "SG", ("t4",), ("SG",)),
        ((node("n"),), "SG", (UNKNOWN_CLASS,), ("SG",)),
        ((node("n", "Next-Chip-9000"),), "SG", (UNKNOWN_CLASS,), ("SG",)),
        ((node("n", T4), node("m")), "SG", ("t4", UNKNOWN_CLASS), ("SG",)),
        (
            (
                node("n", T4, pool="p", row="1"),
                pool("p", "t4", "DE"),
                pool("q", "t4", "CN", nodeLabels={"row": "1"}, resources=["a/b"]),
            ),
            "SG",
            ("t4",),
            ("", "DE"),
        ),
        ((), "SG", (UNKNOWN_CLASS,), ("",)),
    ],
    ids=[
        "no place is known",
        "the default place",
        "the pool's place",
        "pool and label contradict each other",
        "the pool names the class",
        "no class is known",
        "no chip of that name",
        "one of two nodes is unknown",
        "two pools claim the node",
        "nothing to land on",
    ],
)
def test_what_nobody_knows_is_unknown(
    parts: tuple[Any, ...], default: str, classes: tuple[str, ...], places: tuple[str, ...]
) -> None:
    devices = _reach({}, inventory(*parts, default_country=default))
    assert (devices.classes, devices.places) == (classes, places)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"nvidia.com/h100": 2}, {("nvidia.com/h100", 2, "h100-sxm")}),
        ({"example.com/chip": 1}, {("example.com/chip", 1, "unknown")}),
        ({GPU: 1, "example.com/chip": 1}, {(GPU, 1, "t4"), ("example.com/chip", 1, "unknown")}),
        ({"nvidia.com/gpumem": 4000}, {("nvidia.com/gpumem", 1, "unknown")}),
        ({GPU: 2, "nvidia.com/gpumem": 4000}, {(GPU, 2, "t4")}),
        ({"devices.kubevirt.io/kvm": 1, "rdma/hca": 2}, set()),
    ],
)
def test_a_resource_is_counted_for_what_it_gives(limits: dict[str, int], expected: set[tuple[str, int, str]]) -> None:
    devices = demand_of(pod(limits), WORLD).devices
    assert {(each.resource, each.count, each.class_key) for each in devices} == expected


def _classes_of(resource: str, *parts: Any) -> tuple[str, ...]:
    chip = Chip("inhouse", "", (), "", (), None, None, data_center=True, certainty="M", source="")
    catalogue = Catalogue.builtin().adding([chip], {"example.com/inhouse": "inhouse"}, [("chip", "own", "inhouse")])
    return reach(resource, pod(1).spec, take_inventory(parts, (), catalogue)).classes


def _starting(product: str = H100, *resources: str, **labels: str) -> Node:
    return node("n", product, resources=resources, **labels)


@pytest.mark.parametrize(
    ("resource", "starting", "reached"),
    [
        (GPU, _starting(), True),
        ("nvidia.com/mig-1g.10gb", _starting(), True),
        ("volcano.sh/vgpu-number", _starting(), True),
        ("example.com/chip", _starting(), True),
        ("amd.com/gpu", _starting(), False),
        (GPU, _starting(H100, "rdma/hca", "smarter-devices/fuse"), True),
        (GPU, _starting(H100, "amd.com/gpu"), True),
        (GPU, _starting(H100, "nvidia.com/mig-1g.10gb"), False),
        (GPU, _starting(H100, "volcano.sh/vgpu-number"), False),
        (GPU, _starting("Next-Chip"), False),
        (GPU, _starting("", chip="own"), True),
        (GPU, _starting("", "example.com/inhouse", chip="own"), False),
    ],
    ids=[
        "no device yet",
        "a name that the plugin may give",
        "a name that a scheduler gives to any vendor's",
        "a name that nobody listed",
        "another vendor's",
        "no accelerator yet",
        "no device of that vendor yet",
        "devices are there, of another name",
        "devices are there, by a scheduler's name",
        "labels that name no chip",
        "a chip without a vendor",
        "a chip without a vendor is there",
    ],
)
def test_a_node_whose_device_plugin_has_still_to_start_is_a_place_to_land(
    resource: str, starting: Node, reached: bool
) -> None:
    chip = "inhouse" if "chip" in starting.labels else "h100-sxm"
    here = node("t", T4, resources=(resource,))
    assert _classes_of(resource, here, starting) == (tuple(sorted({"t4", chip})) if reached else ("t4",))


@pytest.mark.parametrize(
    ("key", "passes"),
    [
        ("node.cilium.io/agent-not-ready", True),
        ("ebs.csi.aws.com/agent-not-ready", True),
        ("example.com/not-ready", True),
        ("karpenter.sh/unregistered", True),
        ("node.example.com/uninitialized", True),
        ("example.com/startup", True),
        ("startup-taint.cluster-autoscaler.kubernetes.io/driver", True),
        ("example.com/ready", False),
        ("dedicated", False),
    ],
)
def test_a_taint_that_lasts_until_something_has_started_keeps_nobody_away(key: str, passes: bool) -> None:
    world = inventory(node("t", T4), node("h", H100, key))
    assert _reach({}, world).classes == (("h100-sxm", "t4") if passes else ("t4",))


@pytest.mark.parametrize(
    ("parts", "classes"),
    [
        ((), ("a100-80gb",)),
        ((node("n", A100, resources=(NAMED,)),), ("a100-80gb",)),
        ((node("n", H100, resources=(NAMED,)),), ("a100-80gb", "h100-sxm")),
        ((node("n", H100, resources=(NAMED,)), node("m", resources=(NAMED,))), ("a100-80gb", "h100-sxm")),
        ((node("n", resources=(NAMED,)),), ("a100-80gb",)),
    ],
    ids=["nowhere", "as named", "a node says otherwise", "one node says nothing", "the node says nothing"],
)
def test_a_name_for_one_chip_does_not_hide_what_the_nodes_have(
    parts: tuple[Any, ...], classes: tuple[str, ...]
) -> None:
    assert _classes_of(NAMED, *parts) == classes


def test_long_constraints_are_not_kept_and_short_ones_are() -> None:
    world = inventory(node("t", T4), node("h", H100, "gpu"))
    for size in (1, 1, 5000):
        spec = pod(1, **_terms([_is("zone", "NotIn", "x" * size)])).spec
        assert reach(GPU, spec, world).classes == ("h100-sxm", "t4")
    (key,) = world.reached
    assert len(key) < 4096, "the key is the constraints' text, so that it costs what it says"
    assert reach(GPU, pod(1).spec, world).classes == ("t4",)


def test_a_claim_that_nobody_found_is_missing() -> None:
    demand = demand_of(pod({}, resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "one-h100"}]), WORLD)
    assert (demand.devices, demand.missing, demand.is_empty) == ((), ("claim gpu",), False)


def test_a_narrowing_names_a_label_for_each_class() -> None:
    devices = _reach({"tolerations": TOLERANT})
    assert dict(devices.narrowing) == {
        "a100-80gb": f"{PRODUCT}={A100}",
        "h100-sxm": f"{PRODUCT}={H100}",
        "t4": f"{PRODUCT}={T4}",
    }
    assert devices.class_key == "a100-80gb|h100-sxm|t4"


def test_a_pod_without_devices_asks_for_nothing() -> None:
    assert demand_of(pod({"cpu": 4}), WORLD).is_empty
