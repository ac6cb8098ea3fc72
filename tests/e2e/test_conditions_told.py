"""What `kubectl wait` reads of an installation: conditions that its replicas write, and that nobody else does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_troubles_told import SETTINGS, another_key
from tests.e2e.world import eventually
from tools.installation import NAMESPACE, Replica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.world import World
    from tools.authority import Certificate

GATE = ("computegates", "computegate", "-n", NAMESPACE)
ROLE = ("role", "computegate", "-n", NAMESPACE)
BINDING = ("ValidatingAdmissionPolicyBinding", "computegate-journals")


def said(world: World, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition of the installation."""
    found = [each for each in world.get(*GATE).get("status", {}).get("conditions", []) if each["type"] == kind]
    return (found[0]["status"], found[0]["reason"], found[0].get("message", "")) if found else ("", "", "")


def wait(world: World, condition: str) -> None:
    """What GitOps and people do."""
    world.kubectl("wait", f"--for=condition={condition}", "computegate/computegate", "-n", NAMESPACE, "--timeout=60s")


@pytest.fixture
def spare(world: World, tmp_path: Path, unique: str) -> Iterator[tuple[Replica, Certificate]]:
    """One more replica, with a certificate and a leave of its own."""
    issued = world.installed.plane.issue("conditions", ("localhost", "127.0.0.1"))
    issued.certificate.with_name("ca.crt").write_text(issued.authority)
    replica = Replica(world.installed.plane, tmp_path / unique, issued, SETTINGS)
    yield replica, issued
    replica.stop()


def test_an_installation_is_ready_and_what_is_taken_away_makes_it_not_so(world: World) -> None:
    wait(world, "Ready")
    held = world.get(*BINDING)
    world.kubectl("delete", *BINDING)
    wait(world, "GateIntact=False")
    status, reason, message = said(world, "GateIntact")
    assert (status, reason) == ("False", "GateMissing")
    assert message.startswith(f"{' '.join(BINDING)} is gone")
    assert said(world, "Ready") == ("False", "GateMissing", f"GateIntact: {message}")
    printed = world.kubectl("get", "cgate", "-n", NAMESPACE, "--no-headers").stdout.split()
    assert printed[:4] == ["computegate", "False", "GateMissing", "False"]
    held["metadata"] = {key: held["metadata"][key] for key in ("name", "labels")}
    world.kubectl("create", "-f", "-", stdin=json.dumps(held))
    wait(world, "Ready")


def test_a_replica_that_cannot_serve_its_new_certificate_is_named_and_goes_with_its_word(
    world: World, spare: tuple[Replica, Certificate]
) -> None:
    replica, certificate = spare
    wait(world, "Ready")
    replica.start()
    replica.wait()
    name = replica.directory.name
    another_key(certificate)
    wait(world, "CertificateCurrent=False")
    status, reason, message = said(world, "CertificateCurrent")
    assert (status, reason) == ("False", "CertificateUnusable")
    assert message.startswith(f"{name}: ")
    assert "key values mismatch" in message
    replica.stop()
    wait(world, "Ready")
    assert name not in [each["name"] for each in world.get(*GATE)["status"]["replicas"]]


def test_conditions_that_cannot_be_written_are_said_once_and_harm_nothing(
    world: World, spare: tuple[Replica, Certificate]
) -> None:
    replica, _ = spare
    wait(world, "Ready")
    role = world.get(*ROLE)
    kept = [each for each in role["rules"] if "computegates/status" not in each["resources"]]
    patch: dict[str, Any] = {"rules": kept}
    world.kubectl("patch", *ROLE, "--type=merge", "-p", json.dumps(patch))
    words = "conditions of the installation cannot be written"
    try:
        replica.start()
        replica.wait()
        eventually(replica.log.read_text, lambda text: words in text)
        assert replica.get("/readyz") == "ok"
    finally:
        world.kubectl("patch", *ROLE, "--type=merge", "-p", json.dumps({"rules": role["rules"]}))
    named = lambda: [each["name"] for each in world.get(*GATE)["status"]["replicas"]]  # noqa: E731
    eventually(named, lambda names: replica.directory.name in names)
    assert replica.log.read_text().count(f'"message":"{words}') == 1
