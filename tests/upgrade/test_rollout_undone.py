"""`kubectl rollout undo` of the server, past Helm: what its pods read comes back, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from admission.server.settings import read_settings
from tests.chart.gate import Gate
from tests.chart.rendering import CHART, NAMESPACE, RELEASE
from tests.upgrade.kubelets import Kubelets, pods

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.upgrade.release import Release

DEPLOYMENT = f"deployment/{RELEASE}"
FORMER, LATER = "former@example.com", "later@example.com"


@pytest.fixture
def upgraded(release: Release) -> Iterator[Release]:
    """A release whose contact was changed by an upgrade, with every pod ready."""
    release.helm("uninstall", RELEASE, "--ignore-not-found")
    with Kubelets(release.kubectl):
        release.put("install", CHART, f"--set=config.contact={FORMER}", "--set=config.drainSeconds=7")
        rolled_out(release)
        release.put("upgrade", CHART, f"--set=config.contact={LATER}")
        rolled_out(release)
        yield release


def rolled_out(release: Release) -> None:
    release.kubectl("rollout", "status", DEPLOYMENT, "-n", NAMESPACE, "--timeout=60s")


def read(release: Release, folder: Path) -> set[tuple[str, float]]:
    """Return what the pods that stay read at their start: the contact and the seconds of draining."""
    found = set()
    for pod in pods(release.kubectl):
        if "deletionTimestamp" not in pod["metadata"]:
            file = folder / "config.yaml"
            file.write_text(pod["metadata"]["annotations"]["computegate.io/config"])
            settings = read_settings(file)
            found.add((settings.contact, settings.drain_seconds))
    return found


def test_undo_brings_the_former_settings_back_until_an_upgrade_is_told_to_overwrite_them(
    upgraded: Release, tmp_path: Path
) -> None:
    assert read(upgraded, tmp_path) == {(LATER, 20)}
    registered = upgraded.registered()
    upgraded.kubectl("rollout", "undo", DEPLOYMENT, "-n", NAMESPACE)
    rolled_out(upgraded)
    assert read(upgraded, tmp_path) == {(FORMER, 7)}
    assert upgraded.registered() == registered
    gate = Gate(upgraded.kubectl, upgraded.plane.kubeconfig)
    gate.until(lambda found: found == frozenset())
    gate.close()
    with pytest.raises(AssertionError, match="conflict"):
        upgraded.put("upgrade", CHART, f"--set=config.contact={LATER}")
    upgraded.put("upgrade", CHART, f"--set=config.contact={LATER}", "--force-conflicts")
    rolled_out(upgraded)
    assert read(upgraded, tmp_path) == {(LATER, 20)}
