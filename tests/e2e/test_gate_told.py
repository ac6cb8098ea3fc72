"""What a running server says when the gate is no longer what was installed: figures, log, and events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.world import eventually, samples, value
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from tests.e2e.world import World

BINDING = ("ValidatingAdmissionPolicyBinding", "computegate-journals")


def _problems(world: World) -> dict[str, str]:
    found = (dict(labels) for name, labels in samples(world.metrics()) if name == "computegate_gate_problems")
    return {each["object"]: each["problem"] for each in found}


def _notes(world: World, reason: str) -> set[str]:
    events = world.items("events.events.k8s.io", "-n", NAMESPACE)
    return {
        each["note"] for each in events if each["reason"] == reason and each["regarding"]["name"] == "computegate-gate"
    }


def test_a_binding_that_is_deleted_is_told_and_its_return_too(world: World) -> None:
    intact = lambda: value(world.metrics(), "computegate_gate_intact")  # noqa: E731
    eventually(intact, lambda figure: figure == 1)
    held = world.get(*BINDING)
    world.kubectl("delete", *BINDING)
    eventually(intact, lambda figure: figure == 0)
    assert _problems(world) == {"/".join(BINDING): "missing"}
    note = (
        f"{' '.join(BINDING)} is gone: what it saw, or refused, passes now; helm upgrade with the same values makes it "
        "again"
    )
    eventually(lambda: _notes(world, "GateMissing"), lambda notes: notes == {note})
    assert f"gate: {note}" in world.installed.replicas[0].log.read_text()
    held["metadata"] = {key: held["metadata"][key] for key in ("name", "labels")}
    world.kubectl("create", "-f", "-", stdin=json.dumps(held))
    eventually(intact, lambda figure: figure == 1)
    assert _problems(world) == {}
    eventually(lambda: _notes(world, "GateIntact"), lambda notes: notes != set())
