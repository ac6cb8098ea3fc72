"""The usage record of a real replica, with the rights that the chart gives it, in the log that it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from admission.ledger.usage.line import SCHEMA
from tests.e2e.objects import gpu_pod, namespace, node, pool, quota, tenant
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World

ENDED = ("--force", "--grace-period=0")


def _lines(world: World, name: str) -> list[Object]:
    return [line for line in world.records(SCHEMA) if line["holder"]["name"] == name]


def test_a_pods_use_is_in_the_log_once_it_ended_with_its_account_and_place(
    world: World, country: str, unique: str
) -> None:
    place = {"country": country, "site": "north"}
    world.apply(
        *(quota(unique, country, 8), tenant(unique, country), namespace(unique, unique)),
        *(pool(unique, "h100-sxm", country, place=place), node(unique, unique, "h100-sxm")),
    )
    world.admit(gpu_pod(unique, unique, 2, nodeName=unique), gpu_pod(f"{unique}-stray", "kube-system", nodeName=unique))
    world.await_use(unique, 2)
    eventually(lambda: value(world.metrics(), "computegate_usage_open_intervals"), lambda found: found >= 2)
    uid = world.get("pod", unique, "-n", unique)["metadata"]["uid"]
    world.kubectl("delete", "pod", unique, "-n", unique, *ENDED)
    world.kubectl("delete", "pod", f"{unique}-stray", "-n", "kube-system", *ENDED)
    (line,) = eventually(lambda: _lines(world, unique))
    assert (line["holder"]["uid"], line["how"], line["tenant"]) == (uid, "deleted", unique)
    assert (line["node"], line["country"], line["site"]) == (unique, country, "north")
    assert [(each["class"], each["count"]) for each in line["held"]] == [("h100-sxm", 2)]
    (stray,) = eventually(lambda: _lines(world, f"{unique}-stray"))
    assert (stray["tenant"], stray["held"][0]["class"]) == ("", "h100-sxm"), "what nobody is charged for is used too"
    log = str(world.installed.replicas[0].record)
    command = [sys.executable, "-m", "admission.cli.main", "usage", log, "-o", "json"]
    summed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [row["class"] for row in summed["rows"] if row["tenant"] == unique] == ["h100-sxm"]
    world.kubectl("delete", "node", unique)
