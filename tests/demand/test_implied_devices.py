"""Devices that no count states: by qualifiers alone, and by annotations for a share."""

from __future__ import annotations

from typing import Any

import pytest

from admission.demand.fraction import fraction_devices
from admission.demand.pod import demand_of
from admission.demand.request import DemandError, implied_devices
from tests.demand.cluster import GPU, container, inventory, pod

MEMORY = container({"nvidia.com/gpumem": 4000})
CORES = container({"nvidia.com/gpucores": 30})
WHOLE = container({GPU: 1, "nvidia.com/gpumem": 4000})


@pytest.mark.parametrize(
    ("spec", "devices"),
    [
        ({"containers": [MEMORY]}, {"nvidia": 1}),
        ({"containers": [MEMORY, CORES]}, {"nvidia": 2}),
        ({"containers": [WHOLE]}, {}),
        ({"containers": [WHOLE, CORES]}, {"nvidia": 1}),
        ({"containers": [{"name": "m"}], "initContainers": [MEMORY]}, {"nvidia": 1}),
        ({"containers": [MEMORY], "initContainers": [CORES]}, {"nvidia": 1}),
        ({"containers": [MEMORY], "initContainers": [{**CORES, "restartPolicy": "Always"}]}, {"nvidia": 2}),
        ({"containers": [container({"nvidia.com/gpumem": 0})]}, {}),
        ({"containers": [container({"volcano.sh/vgpu-memory": 0, "nvidia.com/gpucores": 1})]}, {"nvidia": 1}),
        ({"containers": [container({"koordinator.sh/gpu": 50})]}, {}),
    ],
    ids=str,
)
def test_a_container_with_qualifiers_alone_obtains_a_device(spec: dict[str, Any], devices: dict[str, int]) -> None:
    assert implied_devices(pod(**spec).spec) == devices


def test_qualifiers_beside_another_containers_count_are_devices_of_their_own() -> None:
    demand = demand_of(pod(containers=[WHOLE, CORES]), inventory())
    assert [(each.resource, each.count) for each in demand.devices] == [
        ("nvidia.com/gpu", 1),
        ("nvidia.com/gpucores", 1),
    ]


@pytest.mark.parametrize(
    ("annotations", "devices"),
    [
        ({}, 0),
        ({"gpu": "1"}, 0),
        ({"gpu-fraction": "0.5"}, 1),
        ({"gpu-memory": "2000"}, 1),
        ({"gpu-fraction": "0.5", "gpu-fraction-num-devices": "2"}, 2),
        ({"gpu-fraction": "0.5", "gpu-fraction-num-devices": "0"}, 1),
        ({"gpu-fraction-num-devices": "3"}, 3),
    ],
    ids=str,
)
def test_an_annotation_for_a_share_is_demand_and_no_way_around_it(annotations: dict[str, str], devices: int) -> None:
    asking = pod({}, metadata={"annotations": annotations})
    demand = demand_of(asking, inventory())
    assert fraction_devices(asking, {}) == sum(each.count for each in demand.devices) == devices
    assert demand.access == ()


@pytest.mark.parametrize(("whole", "devices"), [(0, 2), (1, 2), (2, 2), (4, 4)])
def test_shares_are_of_no_more_devices_than_the_pod_requests_as_a_whole(whole: int, devices: int) -> None:
    annotations = {"gpu-fraction": "0.5", "gpu-fraction-num-devices": "2"}
    demand = demand_of(pod(whole, metadata={"annotations": annotations}), inventory())
    assert sum(each.count for each in demand.devices) == devices


def test_a_number_of_shared_devices_that_is_none_is_refused() -> None:
    with pytest.raises(DemandError, match=r"gpu-fraction-num-devices.*'many' is not a quantity"):
        fraction_devices(pod({}, metadata={"annotations": {"gpu-fraction-num-devices": "many"}}), {})
