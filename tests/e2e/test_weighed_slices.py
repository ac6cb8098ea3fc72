"""Slices of a chip under limits of TPP, from the node's labels to the quota's status."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tests.e2e.objects import PRODUCTS, namespace, of, quota, tenant
from tests.e2e.world import eventually
from tools.installation import pod

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World

SLICE = "nvidia.com/mig-1g.10gb"
WHOLE, PART = 15832, 2262
"""TPP of an H100, and a seventh of it rounded up."""


def sliced_pool(name: str) -> Object:
    """Return a pool of H100 whose nodes offer slices, each announced by a resource of its own."""
    declared = {
        "nodeLabels": {"pool.example.com/name": name},
        "acceleratorClass": "h100-sxm",
        "resources": [SLICE],
        "place": {"country": "DE"},
    }
    return of("AcceleratorPool", name, declared)


def sliced_node(name: str, pool_name: str) -> Object:
    """Return a node of the pool as GPU feature discovery labels it, onto which the scheduler puts nothing by itself."""
    product = PRODUCTS["h100-sxm"]
    labels = {
        "pool.example.com/name": pool_name,
        "nvidia.com/gpu.product": product,
        f"{SLICE}.product": f"{product}-MIG-1g.10gb",
    }
    spec = {"taints": [{"key": "example.com/by-name-only", "effect": "NoSchedule"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}


def slices_pod(name: str, where: str, pool_name: str, slices: int) -> Object:
    return pod(name, where, {SLICE: str(slices)}, {"nodeSelector": {"pool.example.com/name": pool_name}})


def await_tpp(world: World, name: str, held: int) -> None:
    """Wait until a quota shows this much TPP held, and nothing still promised."""
    eventually(
        lambda: world.get("computequotas", name)["status"]["tpp"],
        lambda tpp: (tpp["used"], tpp["reserved"]) == (held, 0),
    )


def test_seven_slices_of_one_chip_fit_a_quota_that_weighs_them(world: World, country: str, unique: str) -> None:
    """One whole chip's TPP and 2 more: seven sevenths, each rounded up.  Counted whole, one slice would fill it."""
    whole, weighed = f"{unique}-whole", f"{unique}-weighed"
    limits = {"tpp": 7 * PART}
    world.apply(
        quota(whole, country, None, limits=limits),
        quota(weighed, country, 7, limits=limits, slices="Weighed"),
        *(tenant(unique, country), namespace(unique, unique), sliced_pool(unique)),
    )
    eventually(lambda: world.denial(slices_pod("one", unique, unique, 1)), lambda line: line == "")
    line = world.denial(slices_pod("two", unique, unique, 1))
    assert f"exceeded quota: {whole}, requested: tpp={WHOLE}, used: tpp={WHOLE}, limited: tpp={7 * PART}" in line
    world.apply(quota(whole, country, None, limits=limits, slices="Weighed"))
    eventually(lambda: world.denial(slices_pod("six", unique, unique, 6)), lambda line: line == "")
    for name in (whole, weighed):
        await_tpp(world, name, 7 * PART)
    assert world.ledger(country)["used"] == f"{unique},h100-sxm/1g.10gb:7"
    line = world.denial(slices_pod("eight", unique, unique, 1))
    assert f"exceeded quota: {whole}, requested: tpp={PART}, used: tpp={7 * PART}, limited: tpp={7 * PART}" in line
    assert f"exceeded quota: {weighed}, requested: {SLICE}=1, used: {SLICE}=7, limited: {SLICE}=7" in line
    eventually(
        lambda: world.get("allowances", "compute", "-n", unique)["status"].get("use"),
        lambda use: use == [{"acceleratorClass": "h100-sxm/1g.10gb", "used": 7}],
    )


def test_a_bound_pod_counts_as_its_node_says_and_one_that_nobody_labelled_counts_whole(
    world: World, country: str, unique: str
) -> None:
    labelled, silent = sliced_node(f"{unique}-labelled", unique), sliced_node(f"{unique}-silent", unique)
    del silent["metadata"]["labels"][f"{SLICE}.product"]
    world.apply(
        quota(unique, country, None, limits={"tpp": 10 * WHOLE}, slices="Weighed"),
        *(tenant(unique, country), namespace(unique, unique), sliced_pool(unique), labelled, silent),
    )
    try:
        for each in (labelled, silent):
            status = f'{{"status":{{"capacity":{{"{SLICE}":"7"}},"allocatable":{{"{SLICE}":"7"}}}}}}'
            name = each["metadata"]["name"]
            world.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", status)
        for each, key, tpp in ((labelled, "h100-sxm/1g.10gb", PART), (silent, "h100-sxm", WHOLE)):
            made = slices_pod("bound", unique, unique, 1)
            made["spec"]["nodeName"] = each["metadata"]["name"]
            eventually(functools.partial(world.denial, made), lambda line: line == "")
            eventually(lambda: world.ledger(country)["used"], f"{unique},{key}:1".__eq__)
            await_tpp(world, unique, tpp)
            world.kubectl("delete", "pod", "bound", "-n", unique, "--force", "--grace-period=0", check=False)
            eventually(lambda: world.ledger(country)["used"], lambda used: used == "")
    finally:
        world.kubectl("delete", "node", labelled["metadata"]["name"], silent["metadata"]["name"])
