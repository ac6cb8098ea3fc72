"""What a running server says when the gate is no longer what was installed: figures, log, and events."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from tests.e2e.conftest import VALUES
from tests.e2e.world import eventually, samples, value
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from tests.e2e.world import World

BINDING = ("ValidatingAdmissionPolicyBinding", "computegate-journals")


LEASE = ("lease", "computegate", "-n", NAMESPACE)


def _install(world: World, values: dict[str, str]) -> None:
    """Write what a release with these values says that it installed, as its upgrade begins."""
    rendered = world.installed.rendered({**VALUES, **values})
    config = next(each for each in rendered if each["metadata"]["name"] == "computegate-gate")
    world.apply(config)


def _problems(world: World) -> dict[str, str]:
    found = (dict(labels) for name, labels in samples(world.metrics()) if name == "computegate_gate_problems")
    return {each["object"]: each["problem"] for each in found}


def _notes(world: World, reason: str) -> list[str]:
    events = world.items("events.events.k8s.io", "-n", NAMESPACE)
    return [
        each["note"] for each in events if each["reason"] == reason and each["regarding"]["name"] == "computegate-gate"
    ]


def test_a_binding_that_is_deleted_is_told_and_its_return_too_each_time(world: World) -> None:
    intact = lambda: value(world.metrics(), "computegate_gate_intact")  # noqa: E731
    eventually(intact, lambda figure: figure == 1)
    held = world.get(*BINDING)
    note = (
        f"{' '.join(BINDING)} is gone: what it saw, or refused, passes now; helm upgrade with the same values makes it "
        "again"
    )
    gone, back = _notes(world, "GateMissing").count(note), len(_notes(world, "GateIntact"))
    for times in (1, 2):
        world.kubectl("delete", *BINDING)
        eventually(intact, lambda figure: figure == 0)
        assert _problems(world) == {"/".join(BINDING): "missing"}
        eventually(lambda: _notes(world, "GateMissing").count(note), (gone + times).__eq__)
        assert f"gate: {note}" in world.installed.replicas[0].log.read_text()
        held["metadata"] = {key: held["metadata"][key] for key in ("name", "labels")}
        world.kubectl("create", "-f", "-", stdin=json.dumps(held))
        eventually(intact, lambda figure: figure == 1)
        assert _problems(world) == {}
        eventually(lambda: len(_notes(world, "GateIntact")), (back + times).__eq__)


def test_an_upgrade_to_values_that_enforce_less_is_told(world: World) -> None:
    values = {"config.mode": "observe", "config.excludedNamespaces": "{teams}", "guards.weakening": "false"}
    since = lambda: value(world.metrics(), "computegate_release_weakened_timestamp_seconds")  # noqa: E731
    intact = lambda: value(world.metrics(), "computegate_gate_intact")  # noqa: E731
    eventually(lambda: "computegate.io/enforces" in str(world.get(*LEASE)["metadata"]), bool)
    begun = dt.datetime.now(dt.UTC).timestamp()
    _install(world, values)
    eventually(since, lambda instant: instant >= begun)
    note = (
        "the ConfigMap that says what was installed enforces less than before: namespaces without a mode are not "
        "enforced any more; namespaces left out: teams; guards gone: computegate-weaker-namespaces, "
        "computegate-weaker-policies; helm history tells of an upgrade, or a rollback, and the audit log of a "
        "change by hand"
    )
    eventually(lambda: _notes(world, "Weakened"), lambda notes: note in notes)
    assert f"release: {note}" in world.installed.replicas[0].log.read_text()
    _install(world, {})
    eventually(intact, lambda figure: figure == 1)
