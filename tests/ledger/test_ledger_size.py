"""How large the object is on which every reservation is decided: what an API server pays for at each."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from random import Random
from typing import Any

import msgspec
import pytest

from admission.api.policy import Mode
from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.decide.limits import Charge
from admission.decide.registry import Registry
from admission.decide.shards import shards_beside
from admission.demand.inventory import Node
from admission.ledger.codec import decode, encode
from admission.ledger.fold import fold
from admission.ledger.hours import HOUR, Terms
from admission.ledger.objects import COLLECTION, ObjectStore
from admission.ledger.pods import PodCensus
from admission.ledger.state import Entry, State
from admission.review.pod import Pod
from tests.ledger.records import charged

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PODS, TENANTS, NAMESPACES = 10_000, 200, 3
PRODUCTS = {
    "h100-sxm": "NVIDIA-H100-80GB-HBM3",
    "a100-80gb": "NVIDIA-A100-SXM4-80GB",
    "h200-sxm": "NVIDIA-H200",
    "t4": "Tesla-T4",
}
LARGEST = 20_000
"""Bytes of the whole object."""


@pytest.fixture
def census() -> PodCensus:
    """Ten thousand pods of two hundred tenants, each with pods of every class in several namespaces."""
    return _census(TENANTS, PODS)


TERMS = Terms(frozenset({30 * 24 * HOUR}), gap=HOUR)


def _over_time(state: State) -> State:
    """The same with as much as there can be: for every account also use in the window, and in this hour."""
    random = Random(7)  # noqa: S311 (no secret)
    past = {account: random.randrange(10**6, 10**8) for account in state.used}
    spent = {(*account, int(NOW.timestamp()) // HOUR): random.randrange(10**3, 10**6) for account in state.used}
    return state.following(dataclasses.replace(state.hours, past={30 * 24 * HOUR: past}, spent=spent, archived=99))


def _census(tenants: int, pods: int, shards: int = 0) -> PodCensus:
    registry = Registry(Catalogue.builtin(), default_mode=Mode.Enforce, shards=shards)
    spec = {"jurisdictions": ["DE"], "limits": {"devices": 100_000}, "perTenant": {"devices": 1000}}
    registry.put(ComputeQuota.model_validate({"metadata": {"name": "de"}, "spec": spec}))
    for name, product in PRODUCTS.items():
        registry.put_node(Node(name, {"nvidia.com/gpu.product": product}, resources=frozenset({"nvidia.com/gpu"})))
    census = PodCensus(registry, lambda: NOW)
    for number in range(tenants):
        name = f"customer-{number:03}"
        facts = {"legalName": name, "kind": "Company", "headquarters": "DE", "independent": True}
        registry.put(Tenant.model_validate({"metadata": {"name": name}, "spec": facts}))
        spaces = [f"{name}-{each}" for each in range(NAMESPACES)]
        for each in spaces:
            registry.put_namespace(each, {"computegate.io/tenant": name})
        census.charging.homes.take(charged(name, {name: "DE"}, dict.fromkeys(spaces, name), version=1 + number))
    census.charging.homes.version = tenants
    for number in range(pods):
        census.take(_pod(number, tenants))
    return census


def _pod(number: int, tenants: int = TENANTS) -> Pod:
    tenant, node = number % tenants, list(PRODUCTS)[number // tenants % len(PRODUCTS)]
    namespace = f"customer-{tenant:03}-{number % NAMESPACES}"
    limits = {"nvidia.com/gpu": "8"}
    spec: dict[str, Any] = {"nodeName": node, "containers": [{"name": "c", "resources": {"limits": limits}}]}
    spec["activeDeadlineSeconds"] = 3600 + 7919 * number % 86_400
    begun = NOW - dt.timedelta(seconds=7907 * number % 86_400)
    status = {"phase": "Running", "startTime": begun.isoformat().replace("+00:00", "Z")}
    metadata = {"uid": f"{number:036}", "namespace": namespace, "name": f"worker-{number}", "resourceVersion": "1"}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Pod)


def _promised(census: PodCensus, count: int) -> dict[str, Entry]:
    """Reservations of pods that were not seen yet."""
    made = (_pod(PODS + number) for number in range(count))
    return {
        pod.metadata.uid: Entry(
            pod.metadata.uid,
            pod.metadata.namespace,
            pod.metadata.name,
            Charge(census.charging.home(pod.metadata.namespace)[1], (("h100-sxm", 8),)),
            1_790_000_000,
            "0123456789ab.1f",
        )
        for pod in made
    }


class _Server:
    """Takes one write, and notes its size."""

    def __init__(self) -> None:
        self.size = 0

    async def request(self, method: str, path: str, *, body: bytes | None = None, **_: Any) -> bytes:  # noqa: ARG002
        assert path.startswith(COLLECTION)
        self.size = len(body or b"")
        return body or b""


async def _size(state: State) -> int:
    server = _Server()
    await ObjectStore(server).write("DE", state, 1, 1.0)
    return server.size


def test_ten_thousand_pods_of_two_hundred_tenants_are_a_small_object(census: PodCensus) -> None:
    promised = _promised(census, 50)
    state = fold(State(epoch=7, initialized=True, inflight=promised), "DE", census, ())
    assert state is not None
    assert sum(state.used.values()) == 8 * PODS
    assert (len({party for party, _ in state.used}), len(state.inflight)) == (TENANTS, 50)
    assert asyncio.run(_size(state)) < LARGEST


def test_device_hours_and_holds_of_all_of_them_fit_in_it_too(census: PodCensus) -> None:
    promised = _promised(census, 50)
    state = State(epoch=7, initialized=True, inflight=promised)
    counted = fold(state, "DE", census, (), terms=TERMS, now=int(NOW.timestamp()))
    assert counted is not None
    largest = _over_time(counted)
    hours = largest.hours
    accounts = [*map(len, (largest.used, hours.prepaid, *hours.past.values())), len(hours.spent), len(hours.holds)]
    assert accounts == [TENANTS * len(PRODUCTS)] * 5
    assert asyncio.run(_size(largest)) < LARGEST
    assert decode(encode(largest)) == largest


def test_what_one_more_tenant_and_one_more_promise_add_is_known(census: PodCensus) -> None:
    state = fold(State(epoch=7, initialized=True), "DE", census, ())
    assert state is not None
    assert len(encode(state).used) / TENANTS < 75
    entries = _promised(census, 100)
    with_entries = fold(State(epoch=7, initialized=True, inflight=entries), "DE", census, ())
    assert with_entries is not None
    assert len(encode(with_entries).inflight) / 100 < 140


def test_with_enough_shards_twenty_thousand_pods_of_two_thousand_tenants_are_small_objects() -> None:
    tenants, pods, shards = 2000, 20_000, 10
    census = _census(tenants, pods, shards)
    sizes, held, parties = [], {}, {}
    for scope in ("DE", *shards_beside("DE", shards, "tenants")):
        state = fold(State(epoch=7, initialized=True, shards=shards), scope, census, ())
        assert state is not None
        sizes.append(asyncio.run(_size(state)))
        held[scope], parties[scope] = sum(state.used.values()), {party for party, _ in state.used}
    assert held.pop("DE") == sum(held.values()) == 8 * pods
    assert parties.pop("DE") == {""}
    assert len(frozenset().union(*parties.values())) == sum(map(len, parties.values())) == tenants
    assert sizes[0] < LARGEST / 10
    assert max(sizes) < LARGEST
