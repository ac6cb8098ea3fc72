"""What a live replica exposes: well-formed, and bounded however many tenants there are."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from admission.catalogue.catalogue import Catalogue
from tests.e2e.objects import gpu_pod, namespace, node, pool, quota, tenant
from tests.e2e.wire import Line, review, send
from tests.e2e.world import eventually, samples, value

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.world import World

LABELS = {
    *("entry", "mode", "decision", "reason", "accelerator_class", "outcome", "cause"),
    *("state", "fact", "override", "what", "certificate", "result", "object", "problem", "canary", "action", "kind"),
    *("resource", "scope", "party", "quota", "exemption", "figure", "sink", "clock", "run", "version", "le"),
}
"""Every label there is.  The last values but `run`, `version` and `le` are of the operator's objects or of the code."""


def test_the_exposition_passes_promtool(world: World, promtool: Path) -> None:
    send(world.installed.replicas[0], review(gpu_pod("any", "nowhere")))
    exposition = world.metrics()
    assert "computegate_decisions_total" in exposition
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exposition, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_quota_tells_of_its_tpp_and_of_the_longest_hold_that_goes_on(world: World, country: str, unique: str) -> None:
    world.apply(pool(unique, "h100-sxm"), node(unique, unique, "h100-sxm"))
    limits = quota(unique, country, None, limits={"tpp": 100_000, "longestHold": "12h"}, holdGap="2h")
    world.apply(limits, tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("trainer", unique, 2, activeDeadlineSeconds=3600, nodeName=unique))

    def figures() -> dict[tuple[str, str], float]:
        found = ((name, dict(labels), number) for (name, labels), number in samples(world.metrics()).items())
        mine = ((name, labels, number) for name, labels, number in found if labels.get("quota") == unique)
        return {(name.removeprefix("computegate_quota_"), has.get("figure", "")): number for name, has, number in mine}

    tpp = 2 * Catalogue.builtin().tpp("h100-sxm")
    found = eventually(figures, lambda found: found.get(("used_tpp", ""), 0) > 0 < found["hold_seconds", "longest"])
    assert (found["used_tpp", ""], found["reserved_tpp", ""], found["limit_tpp", ""]) == (tpp, 0, 100_000)
    assert found["hold_seconds", "limit"] == 12 * 3600
    assert found["hold_seconds", "longest"] < 3600
    world.kubectl("delete", "node", unique)


def test_no_tenant_or_namespace_adds_a_series(world: World, unique: str) -> None:
    world.apply(tenant(unique, "DE"), namespace(unique, unique))
    with Line(world.installed.replicas[0]) as line:
        for chip in ("t4", "h100-sxm"):
            line.send(review(gpu_pod("trainer", unique, chip=chip)))
    before = samples(world.metrics())
    many = [f"{unique}-{number}" for number in range(30)]
    world.apply(*(tenant(name, "DE", {"state": "Rejected"}) for name in many), *(namespace(n, n) for n in many))
    with Line(world.installed.replicas[0]) as line:
        for name in many:
            answer = line.send(review(gpu_pod("trainer", name, chip="t4")))
            assert answer.status == 200
            assert line.send(review(gpu_pod("trainer", name))).response["allowed"] is False
    after = samples(world.metrics())
    assert value(world.metrics(), "computegate_decisions_total", decision="denied") > len(many)
    assert {name for name, _ in after} == {name for name, _ in before}
    labels = {key for _, pairs in after for key, _ in pairs}
    assert labels <= LABELS
    assert not [pairs for _, pairs in after if any(text.startswith(unique) for _, text in pairs)]


def test_the_leader_tells_of_its_folds_and_of_devices_that_no_tenant_holds(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    before = world.metrics()
    world.admit(gpu_pod("trainer", unique), gpu_pod(unique, "kube-system", 3))
    world.await_use(unique, 1)
    assert _grown(before, world.metrics(), "computegate_ledger_folds_total") > 0
    eventually(lambda: _grown(before, world.metrics(), "computegate_unattributed_devices"), lambda held: held == 3)
    world.kubectl("delete", "pod", unique, "-n", "kube-system", "--force", "--grace-period=0")
    eventually(lambda: _grown(before, world.metrics(), "computegate_unattributed_devices"), lambda held: held == 0)
    assert (("party", "tenant"), ("scope", country)) in {
        pairs for name, pairs in samples(world.metrics()) if name.endswith("uncounted_devices")
    }


def _grown(before: str, after: str, name: str) -> float:
    return value(after, name) - value(before, name)


def test_a_quotas_series_go_with_the_quota(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4))
    assert f'quota="{unique}"' in world.metrics()
    world.kubectl("delete", "computequota", unique)
    eventually(lambda: f'quota="{unique}"' not in world.metrics())
