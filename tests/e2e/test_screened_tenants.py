"""A tenant that is screened in a running cluster: held up by a name, let go on by two people, refused by a number."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from admission.cli.main import main
from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.world import eventually, value
from tests.screening.lists import QUELLGRUND, TOLMAVIR, csv_text, write

if TYPE_CHECKING:
    import pathlib

    from tests.e2e.objects import Object
    from tests.e2e.world import World

MASTERS = ("system:masters",)
TODAY = time.time() // 86_400 * 86_400
"""The date of the lists: the example policy lets them count for 30 days."""


def _screen(world: World, name: str, folder: pathlib.Path, *entries: Object) -> None:
    path = write(folder, csv_text(*entries))
    os.utime(path, (TODAY, TODAY))  # for each the same
    kubeconfig = str(world.kubectl.plane.kubeconfig)
    options = ["--kubeconfig", kubeconfig, "--only", name, "--write", "--accept"]
    assert main(["screen", "--list", str(path), *options]) in {0, 1}


def _code(world: World, where: str) -> str:
    """The public code with which a pod is refused; "" where it is admitted."""
    return world.denial(gpu_pod("trainer", where), "--dry-run=server").partition("]")[0].removeprefix("[")


def test_a_name_is_judged_by_two_people_and_a_number_refuses_at_once(
    world: World, unique: str, country: str, tmp_path: pathlib.Path
) -> None:
    named = tenant(unique, country, legalName="Tolmavir Vytchislenia LLC")
    world.apply(quota(unique, country, 8), named, namespace(unique, unique, mode="enforce"))
    eventually(lambda: _code(world, unique), lambda code: code == "")
    _screen(world, unique, tmp_path, TOLMAVIR)
    eventually(lambda: _code(world, unique), lambda code: code == "UnderReview")
    assert value(world.metrics(), "computegate_screening_waiting_hits") == 1
    hit = world.get("tenants.computegate.io", unique)["status"]["screening"]["hits"][0]
    spec = {"tenant": unique, "reason": "founded elsewhere", "requestedBy": "admin"}
    spec |= {part: hit[part] for part in ("party", "entry", "covers")}
    dismissal = {"apiVersion": "computegate.io/v1alpha1", "kind": "ScreeningDismissal", "metadata": {"name": unique}}
    world.kubectl("create", "-f", "-", stdin=json.dumps({**dismissal, "spec": spec}))
    assert _code(world, unique) == "UnderReview", "nobody has approved it"
    approval = json.dumps({"status": {"approval": {"by": "second", "at": "2026-01-01T00:00:00Z"}}})
    approve = ("patch", "screeningdismissal", unique, "--subresource=status", "--type=merge", "-p", approval)
    world.kubectl(*approve, user="second", groups=MASTERS)
    eventually(lambda: _code(world, unique), lambda code: code == "")
    _screen(world, unique, tmp_path, {**TOLMAVIR, "alt_names": ["Tolmavir", "Tolmavir Vychislenie"]}, QUELLGRUND)
    eventually(lambda: _code(world, unique), lambda code: code == "UnderReview")
    numbered = tenant(unique, country, identifiers=[{"scheme": "INN", "id": "7700000001"}])
    world.apply(numbered)
    _screen(world, unique, tmp_path, TOLMAVIR)
    eventually(lambda: _code(world, unique), lambda code: code == "NotCleared")
    assert "e1" in json.dumps(world.record_of("trainer")), "the record has the entry"
    world.kubectl("delete", "tenants.computegate.io", unique, "--wait=false")
    world.kubectl("delete", "screeningdismissal", unique)
