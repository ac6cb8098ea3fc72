"""A release that somebody changed by hand, or switched off: how it becomes again what was installed, by real Helm."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.gate import Gate
from tests.chart.rendering import CHART, RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.upgrade.release import Release

LEDGERS = f"{RELEASE}-ledgers"
WEBHOOK, BINDING = "validatingwebhookconfiguration", "validatingadmissionpolicybinding"
NEVER = json.dumps([{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}])
NOBODY = json.dumps([{"op": "add", "path": "/webhooks/1/objectSelector/matchLabels", "value": {"nobody": "here"}}])
AUDIT = json.dumps([{"op": "replace", "path": "/spec/validationActions", "value": ["Audit"]}])


@pytest.fixture
def gate(release: Release) -> Iterator[Gate]:
    release.helm("uninstall", RELEASE, "--ignore-not-found")
    release.put("install", CHART)
    with contextlib.closing(Gate(release.kubectl, release.plane.kubeconfig)) as gate:
        gate.until(lambda found: found == frozenset())
        yield gate


def test_what_was_changed_by_hand_is_undone_as_the_alarm_says(release: Release, gate: Gate) -> None:
    release.kubectl("patch", WEBHOOK, RELEASE, "--type=json", "-p", NEVER)
    release.kubectl("patch", WEBHOOK, RELEASE, "--type=json", "-p", NOBODY)
    release.kubectl("patch", BINDING, LEDGERS, "--type=json", "-p", AUDIT)
    release.kubectl("delete", BINDING, f"{RELEASE}-screenings")
    found = gate.until(lambda found: found is not None and len(found) == 3)
    for each in found:
        if each.problem == "changed":
            release.kubectl("delete", each.kind, each.name)
    release.helm("upgrade", RELEASE, CHART, "--reuse-values")
    gate.until(lambda found: found == frozenset())


def test_what_was_overwritten_is_undone_without_a_gap_by_force(release: Release, gate: Gate) -> None:
    release.kubectl("patch", WEBHOOK, RELEASE, "--type=json", "-p", NEVER)
    gate.until(bool)
    with pytest.raises(AssertionError, match="conflict"):
        release.helm("upgrade", RELEASE, CHART, "--reuse-values")
    release.helm("upgrade", RELEASE, CHART, "--reuse-values", "--force-conflicts")
    gate.until(lambda found: found == frozenset())


class Switch:
    """`computegate off` and `on` of a release whose caBundle somebody else than Helm fills in."""

    def __init__(self, release: Release) -> None:
        self._release = release
        release.helm("uninstall", RELEASE, "--ignore-not-found")
        release.helm("install", RELEASE, CHART, "--create-namespace", "--set=config.mode=enforce")
        entry = {"op": "add", "value": base64.b64encode(release.plane.ca.read_bytes()).decode()}
        filled = [{**entry, "path": f"/webhooks/{number}/clientConfig/caBundle"} for number in range(4)]
        by = ("--field-manager=computegate-certificates", "--type=json", "-p", json.dumps(filled))
        release.kubectl("patch", WEBHOOK, RELEASE, *by)

    def turn(self, what: str, *flags: str) -> str:
        """Run the command; return why it did not, or nothing."""
        command = [
            sys.executable,
            "-m",
            "admission.cli.main",
            what,
            *flags,
            f"--kubeconfig={self._release.plane.kubeconfig}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == (2 if done.stderr else 0)
        return done.stderr

    def upgrade(self, seconds: int = 10) -> None:
        self._release.helm(
            "upgrade", RELEASE, CHART, "--reuse-values", f"--set=webhook.enforced.timeoutSeconds={seconds}"
        )

    def entries(self) -> list[tuple[int, dict[str, Any]]]:
        """Return time-out and address of each entry."""
        stored = json.loads(self._release.kubectl("get", WEBHOOK, RELEASE, "-o", "json").stdout)
        return [(entry["timeoutSeconds"], entry["clientConfig"]) for entry in stored["webhooks"]]


def test_what_was_off_and_on_again_goes_through_an_upgrade_as_if_it_had_not_been(release: Release) -> None:
    switch = Switch(release)
    before = switch.entries()
    assert all(address["caBundle"] for _, address in before)
    assert switch.turn("off", "--reason=a test") == ""
    assert switch.turn("on") == ""
    assert switch.entries() == before
    switch.upgrade()
    assert switch.entries() == before
    switch.upgrade(seconds=7)
    assert switch.entries() == [(2, before[0][1]), (7, before[1][1]), (2, before[2][1]), (5, before[3][1])]


def test_on_puts_nothing_back_that_an_upgrade_has_made_old(release: Release) -> None:
    switch = Switch(release)
    assert switch.turn("off", "--reason=a test") == ""
    assert switch.turn("on") == ""
    release.kubectl("delete", WEBHOOK, RELEASE)
    nothing = (
        "computegate on: nothing to put back in ConfigMap computegate-off of namespace computegate-system: "
        "give --name, or run helm upgrade instead\n"
    )
    assert switch.turn("on") == nothing
    switch.upgrade()
    assert switch.turn("off", "--reason=a test") == ""
    switch.upgrade(seconds=7)
    release.kubectl("delete", WEBHOOK, RELEASE)
    old = "computegate on: the release was changed since it was taken out: run helm upgrade instead\n"
    assert switch.turn("on") == old
