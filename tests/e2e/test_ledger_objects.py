"""What happens to a ledger behind our back: damaged, newer than this version, or passed by."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from admission.ledger.objects import object_name
from admission.review import notices
from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tests.e2e.world import World

CONFIGURATION = "computegate"
DELETED = "deleted"
"""What an operator does with a ledger of a version that is not to come back."""


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        pytest.param('{"status":{"used":"no ledger at all"}}', "", id="damaged: counted anew"),
        pytest.param('{"status":{"format":99}}', '{"status":{"format":1}}', id="newer: left alone until it is not"),
        pytest.param('{"status":{"format":99}}', DELETED, id="newer: deleted, and counted anew"),
    ],
)
def test_a_ledger_that_cannot_be_read_denies_and_is_exact_once_it_was_counted_anew(
    world: World, country: str, unique: str, damage: str, repair: str
) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("first", unique, 3))
    world.await_use(unique, 3)
    patch = ("patch", "quotaledger", object_name(country), "--subresource=status", "--type=merge", "-p")
    epoch = world.ledger(country)["epoch"]
    world.kubectl(*patch, damage)
    said = world.denial(gpu_pod("too-many", unique, 2))
    assert said.startswith(("[TryAgain] ", "exceeded quota: ")), said
    if repair:
        eventually(lambda: world.denial(gpu_pod("any", unique)), lambda line: line.startswith("[TryAgain] "))
        undo = ("delete", "quotaledger", object_name(country)) if repair == DELETED else (*patch, repair)
        world.kubectl(*undo)
    else:
        eventually(lambda: world.ledger(country), lambda now: now["initialized"] and now["epoch"] == epoch + 1)
    eventually(lambda: world.denial(gpu_pod("second", unique)), lambda line: line == "")
    assert world.denial(gpu_pod("third", unique)).startswith(f"exceeded quota: {unique}, ")
    world.await_use(unique, 4)


def test_the_api_server_tracks_no_managers_of_a_ledgers_fields(world: World, country: str, unique: str) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("first", unique, 3))
    world.await_use(unique, 3)
    found = world.get("quotaledger", object_name(country), "--show-managed-fields")
    assert "managedFields" not in found["metadata"]
    assert "managedFields" in world.get("computequota", unique, "--show-managed-fields")["metadata"]


@contextlib.contextmanager
def _without_webhook(world: World) -> Iterator[None]:
    world.kubectl("delete", "validatingwebhookconfiguration", CONFIGURATION)
    try:
        yield
    finally:
        world.installed.apply()
        world.installed.wait_in_force()


def test_pods_created_while_no_review_was_asked_for_are_counted_at_once_and_told_of(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("reviewed", unique))
    world.await_use(unique, 1)
    assert _told(world, unique) == []
    with _without_webhook(world):
        eventually(lambda: world.denial(gpu_pod("past", unique, 6)), lambda line: line == "")
        world.await_use(unique, 7)
    assert world.denial(gpu_pod("next", unique)).startswith(f"exceeded quota: {unique}, ")
    (event,) = eventually(lambda: _told(world, unique))
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "CountedLate", "Recount")
    assert event["note"] == notices.counted_late(6)
    missed = "computegate_ledger_missed_devices_total"
    assert [value(world.metrics(), missed, scope=country, party=kind) for kind in ("tenant", "customer")] == [6, 0]


def _told(world: World, quota_name: str) -> list[Object]:
    events = world.items("events.events.k8s.io", "-n", "default")
    about = {"kind": "ComputeQuota", "name": quota_name}
    return [each for each in events if about.items() <= each["regarding"].items()]
