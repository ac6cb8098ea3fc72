"""The scheduler's arithmetic: what a pod is charged for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.demand.request import MOST_CONTAINERS, DemandError, effective_request
from admission.review.quantity import LARGEST
from tests.demand.cluster import GPU, container, pod, sidecar

NIC = "example.com/nic"
RDMA = "rdma/hca"


def _asks(limits: dict[str, Any] | None, requests: dict[str, Any] | None) -> dict[str, Any]:
    return {"resources": {"limits": limits, "requests": requests}}


@pytest.mark.parametrize(
    ("containers", "spec", "expected"),
    [
        ([], {}, {}),
        ([{"cpu": 1, "memory": "1Gi"}], {}, {}),
        ([0], {}, {}),
        ([8], {}, {GPU: 8}),
        ([1, 2], {}, {GPU: 3}),
        ([{GPU: "1k"}], {}, {GPU: 1000}),
        ([{GPU: 1, NIC: 2}, {NIC: 1}], {}, {GPU: 1, NIC: 3}),
        ([{GPU: 1, "hugepages-2Mi": "1Gi", "x.kubernetes.io/y": 4}], {}, {GPU: 1}),
        ([_asks({GPU: 4}, {GPU: 4})], {}, {GPU: 4}),
        ([_asks({GPU: 4}, {"cpu": 1})], {}, {GPU: 4}),
        ([_asks({GPU: 4}, {GPU: 2})], {}, {GPU: 2}),
        ([_asks(None, {GPU: 2})], {}, {GPU: 2}),
        ([_asks({GPU: 0}, {GPU: 0})], {}, {}),
        ([{}], {"initContainers": [container(1)]}, {GPU: 1}),
        ([1], {"initContainers": [container(1)]}, {GPU: 1}),
        ([1], {"initContainers": [container(4), container(2)]}, {GPU: 4}),
        ([{}], {"initContainers": [sidecar(1)]}, {GPU: 1}),
        ([1], {"initContainers": [sidecar(1)]}, {GPU: 2}),
        ([1], {"initContainers": [sidecar(1), container(3)]}, {GPU: 4}),
        ([1], {"initContainers": [container(3), sidecar(1)]}, {GPU: 3}),
        ([1], {"initContainers": [sidecar(1), container(3), sidecar(2)]}, {GPU: 4}),
        ([{}], {"initContainers": [sidecar(1), sidecar(2), container(1)]}, {GPU: 4}),
        ([{NIC: 1}], {"initContainers": [container(2)]}, {GPU: 2, NIC: 1}),
        ([1], {"overhead": {GPU: 1, "cpu": "250m"}}, {GPU: 2}),
        ([{}], {"overhead": {GPU: "1"}, "initContainers": [container(1)]}, {GPU: 2}),
        ([{}], {"ephemeralContainers": [container(8)]}, {}),
        ([2**63, 2**63], {}, {GPU: LARGEST}),
    ],
)
def test_the_effective_request_is_the_schedulers(
    containers: list[Any], spec: dict[str, Any], expected: dict[str, int]
) -> None:
    assert effective_request(pod(*containers, **spec).spec) == expected


AMOUNTS = st.dictionaries(st.sampled_from([GPU, NIC, RDMA]), st.integers(0, 9), max_size=3)
INITS = st.lists(st.tuples(AMOUNTS, st.booleans()), max_size=5)


def _oracle(containers: list[dict[str, int]], inits: list[tuple[dict[str, int], bool]]) -> dict[str, int]:
    """Walk through the pod's life and note the most that runs at once, resource by resource."""
    most: dict[str, int] = {}
    for name in (GPU, NIC, RDMA):
        beside = 0
        peak = 0
        for wanted, stays in inits:
            peak = max(peak, beside + wanted.get(name, 0))
            beside += wanted.get(name, 0) if stays else 0
        peak = max(peak, beside + sum(wanted.get(name, 0) for wanted in containers))
        if peak:
            most[name] = peak
    return most


@given(st.lists(AMOUNTS, max_size=4), INITS)
def test_it_is_the_most_that_runs_at_once(
    containers: list[dict[str, int]], inits: list[tuple[dict[str, int], bool]]
) -> None:
    made = [sidecar(wanted) if stays else container(wanted) for wanted, stays in inits]
    assert effective_request(pod(*containers, initContainers=made).spec) == _oracle(containers, inits)


@given(
    st.lists(AMOUNTS, max_size=4), INITS, AMOUNTS, st.integers(0, 5), st.sampled_from(["container", "init", "sidecar"])
)
def test_another_container_never_asks_for_less(
    containers: list[dict[str, int]],
    inits: list[tuple[dict[str, int], bool]],
    added: dict[str, int],
    place: int,
    kind: str,
) -> None:
    made = [sidecar(wanted) if stays else container(wanted) for wanted, stays in inits]
    before = effective_request(pod(*containers, initContainers=list(made)).spec)
    if kind == "container":
        containers = [*containers[:place], added, *containers[place:]]
    else:
        made.insert(place, sidecar(added) if kind == "sidecar" else container(added))
    after = effective_request(pod(*containers, initContainers=made).spec)
    assert all(after.get(name, 0) >= amount for name, amount in before.items())


@pytest.mark.parametrize("quantity", ["-1", "eight", "1" * 500, "", -3, "NaN", "0x8"])
@pytest.mark.parametrize(
    ("where", "spec"),
    [
        ("spec.containers[main].resources.limits[nvidia.com/gpu]", "containers"),
        ("spec.initContainers[main].resources.limits[nvidia.com/gpu]", "initContainers"),
        ("spec.overhead[nvidia.com/gpu]", "overhead"),
    ],
)
def test_an_absurd_quantity_is_an_error_that_names_the_field(quantity: str | float, where: str, spec: str) -> None:
    value: Any = {GPU: quantity} if spec == "overhead" else [container({GPU: quantity})]
    with pytest.raises(DemandError) as caught:
        effective_request(pod(**{spec: value}).spec)
    assert str(caught.value).startswith(f"{where}: ")
    assert len(str(caught.value)) < 200


def test_an_absurd_quantity_of_no_device_is_not_our_business() -> None:
    assert effective_request(pod({"cpu": "lots", "memory": "-1"}).spec) == {}


def test_a_pod_of_thousands_of_containers_is_refused() -> None:
    with pytest.raises(DemandError, match="split the pod"):
        effective_request(pod(*[1] * (MOST_CONTAINERS + 1)).spec)
