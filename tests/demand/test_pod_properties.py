"""What must hold of the demand of any pod: more in it never obtains less, and order without a meaning says nothing.

The order of init containers means something around sidecars: an init container runs beside the sidecars before it, so
that it is only the order of neighbours of one sort that changes nothing.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from admission.demand.claims import PodClaim
from admission.demand.pod import demand_of
from admission.review.claim import ClaimSpec
from admission.review.pod import Pod
from tests.demand.cluster import A100, GPU, H100, PRODUCT, T4, inventory, node, pool

if TYPE_CHECKING:
    import random

    from admission.demand.inventory import Inventory
    from admission.demand.pod import Demand

MEMORY, CORES, SHARE = "nvidia.com/gpumem", "nvidia.com/gpucores", "tencent.com/vcuda-core"
WORLD = inventory(
    node("t", T4, zone="a"),
    node("h", H100, "gpu", zone="a", resources=(GPU, CORES)),
    node("a", A100, zone="b", resources=("nvidia.com/mig-1g.10gb", MEMORY, SHARE)),
    node("u", "Next-Chip", zone="b", resources=("example.com/x", SHARE, "gpu.intel.com/monitoring")),
    pool("far", "h200", "FR", nodeLabels={"zone": "c"}, resources=[GPU, MEMORY, "amd.com/gpu"]),
)
NAMES = (
    *(GPU, MEMORY, CORES, SHARE, "nvidia.com/mig-1g.10gb", "nvidia.com/h100", "amd.com/gpu", "example.com/x"),
    *("rdma/hca", "cpu", "gpu.intel.com/monitoring", "koordinator.sh/gpu", "koordinator.sh/gpu-memory-ratio"),
)
AMOUNTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0, 1, 2, 7, 100, 250, "1k", "3000m"]), max_size=3)
OPENINGS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"env": [{"name": "PLAIN", "value": "1"}, {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]},
        {"env": [{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}, {"name": "HABANA_VISIBLE_MODULES", "value": "void"}]},
        {"securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN", "KILL"]}}},
        {"volumeMounts": [{"name": "v", "mountPath": p} for p in ("/var/run/nvidia-container-devices/0", "/data")]},
    ]
)
SELECTORS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"nodeSelector": {"zone": "a", "kubernetes.io/hostname": "h"}}, {"nodeSelector": {PRODUCT: A100, "zone": "b"}}]
)


def _term(*values: str) -> dict[str, Any]:
    wanted = {"key": "zone", "operator": "In", "values": list(values)}
    return {"matchExpressions": [wanted, {"key": PRODUCT, "operator": "NotIn", "values": ["x", T4]}]}


def _claim(name: str, **request: Any) -> PodClaim:
    asked = {"devices": {"requests": [{"name": "r", **request}]}}
    return PodClaim(name, msgspec.convert(asked, ClaimSpec), shared=name == "claim1")


KNOWN = {
    claim.name: claim
    for claim in (
        _claim("claim0", exactly={"deviceClassName": "gpu.example.com", "count": 2}),
        _claim("claim1", firstAvailable=[{"deviceClassName": "a", "count": 3}, {"deviceClassName": "b"}]),
        _claim("added", exactly={"deviceClassName": "gpu.example.com", "allocationMode": "All"}),
    )
}
"""Claims that are there; others are missing."""

CLAIMS = st.lists(st.builds(lambda n: {"name": f"claim{n}", "resourceClaimName": "c"}, st.integers(0, 3)), max_size=2)
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "tolerations": st.just([{"key": "other", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}]),
        "affinity": st.sampled_from([[_term("a")], [_term("a", "c"), _term("b")]]).map(
            lambda terms: {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            }
        ),
        "volumes": st.just([{"name": "v", "hostPath": {"path": p}} for p in ("/dev", "/etc/ssl")]),
        "resourceClaims": CLAIMS,
        "runtimeClassName": st.sampled_from(["nvidia", "gvisor"]),
        "overhead": AMOUNTS,
    },
)
SHARED = {"gpu-memory": "1", "gpu-fraction-num-devices": "3"}
ANNOTATIONS: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    [{}, {"team": "x", "cdi.k8s.io/x": "y"}, {"gpu-fraction": "0.5"}, SHARED]
)


@st.composite
def containers(draw: st.DrawFn, name: str, *, always: bool | None = False) -> dict[str, Any]:
    """A container; ``always`` is whether it is a sidecar, and None that it may be one."""
    made = {"name": name, "resources": {"limits": draw(AMOUNTS)}, **draw(OPENINGS)}
    stays = draw(st.booleans()) if always is None else always
    return {**made, "restartPolicy": "Always"} if stays else made


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    def some(name: str, *, always: bool | None) -> list[dict[str, Any]]:
        return [draw(containers(f"{name}{n}", always=always)) for n in range(draw(st.integers(0, 3)))]

    kinds = {"containers": some("c", always=False), "initContainers": some("i", always=None)}
    ephemeral = {"ephemeralContainers": some("e", always=False)}
    spec = {**kinds, **ephemeral, **draw(SELECTORS), **draw(FIELDS)}
    return {"metadata": {"name": "p", "annotations": draw(ANNOTATIONS)}, "spec": spec}


ADDITIONS: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    *(
        st.tuples(st.just(kind), containers("added", always=always))
        for kind, always in (
            ("containers", False),
            ("initContainers", False),
            ("initContainers", True),
            ("ephemeralContainers", False),
        )
    ),
    *(st.just(("resourceClaims", {"name": name, "resourceClaimName": "c"})) for name in ("added", "missing")),
)


def _demand(pod: dict[str, Any], world: Inventory = WORLD) -> Demand:
    return demand_of(msgspec.json.decode(msgspec.json.encode(pod), type=Pod), world, KNOWN)


def _by_class(demand: Demand) -> Counter[str]:
    """How many devices can be of each class."""
    counts: Counter[str] = Counter()
    for devices in demand.devices:
        counts.update(dict.fromkeys(devices.classes, devices.count))
    return counts


def _of(name: str) -> dict[str, Any]:
    return {"name": name, "resources": {"limits": {name: 1}}}


@settings(max_examples=400)
@given(pods(), ADDITIONS, st.integers(0, 3))
@example({"spec": {"containers": [_of(MEMORY)]}}, ("containers", _of(CORES)), 0)
@example({"metadata": {"annotations": SHARED}, "spec": {"containers": [_of("cpu")]}}, ("containers", _of(GPU)), 0)
def test_what_is_added_to_a_pod_never_lowers_its_demand(
    pod: dict[str, Any], addition: tuple[str, dict[str, Any]], place: int
) -> None:
    more = copy.deepcopy(pod)
    more["spec"].setdefault(addition[0], []).insert(place, addition[1])
    before, after = _demand(pod), _demand(more)
    assert _by_class(before) <= _by_class(after)
    assert set(before.missing) <= set(after.missing)
    # A device runtime is a way around asking until devices are asked for: then they are counted.
    gone = {access.way for access in set(before.access) - set(after.access)}
    assert not gone or (gone == {"runtimeClass"} and after.devices)


def _shuffled(value: Any, random: random.Random, key: str = "") -> Any:
    """Shuffle the keys of maps, and lists but for init containers, of which only neighbours of one sort change."""
    if isinstance(value, dict):
        return {each: _shuffled(value[each], random, each) for each in random.sample(list(value), len(value))}
    if not isinstance(value, list):
        return value
    inner = [_shuffled(each, random) for each in value]
    sorts = (
        itertools.groupby(inner, lambda each: each.get("restartPolicy")) if key == "initContainers" else [("", inner)]
    )
    return [each for _, group in sorts for each in _sampled(group, random)]


def _sampled(group: Any, random: random.Random) -> list[Any]:
    each = list(group)
    return random.sample(each, len(each))


@given(pods(), st.randoms(use_true_random=False))
def test_order_without_a_meaning_changes_nothing(pod: dict[str, Any], random: random.Random) -> None:
    before, after = _demand(pod), _demand(_shuffled(pod, random))
    assert sorted(before.devices, key=str) == sorted(after.devices, key=str)
    assert sorted(before.access) == sorted(after.access)
    assert (sorted(before.made), sorted(before.missing)) == (sorted(after.made), sorted(after.missing))
    assert (before.deadline_seconds, before.requests) == (after.deadline_seconds, after.requests)


@settings(max_examples=400)
@given(pods(), pods(), st.data())
def test_what_was_kept_of_one_pod_is_not_taken_for_another(
    pod: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    sidecars = [{**each, "restartPolicy": "Always"} for each in pod["spec"]["initContainers"]]
    parts = [*other["spec"].items(), ("initContainers", sidecars)]
    changed = {**pod, "spec": {**pod["spec"], **dict([data.draw(st.sampled_from(parts))])}}
    world = WORLD.apart()
    _demand(pod, world)
    assert _demand(changed, world) == _demand(changed, WORLD.apart())


def test_what_is_kept_of_pods_is_bounded() -> None:
    world = WORLD.apart()
    for number in range(5000):
        _demand({"spec": {"containers": [], "nodeName": f"n{number}"}}, world)
        _demand({"spec": {"containers": [], "nodeName": "x" * number}}, world)
    assert len(world.asked) == 4096
    assert max(map(len, world.asked)) <= 4096
