"""What `helm test` runs: the chart's hooks on a real cluster, and the pod's command under the account made for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.chart.rendering import Chart
from tests.e2e.objects import PRODUCTS, namespace, node, pool, quota, tenant
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.world import World

NAME = "computegate-test"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
CLEARED = "trial-cleared"


class Trial(NamedTuple):
    """The test's pod as the chart renders it."""

    kubeconfig: Path
    arguments: list[str]

    def run(self, *more: str) -> tuple[int, list[str]]:
        """Run what its container runs; return the exit code and what was said."""
        command = [sys.executable, "-m", "admission.cli.main", *self.arguments, *more]
        command += ["--kubeconfig", str(self.kubeconfig)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def trial(world: World, helm: Path) -> Iterator[Trial]:
    """The hooks before the pod, as helm makes them, and a cleared tenant's namespace."""
    world.apply(pool("trial", "h100-sxm", "LI"), node("trial", "trial", "h100-sxm"))
    world.apply(quota("trial", "LI", 4), tenant("trial", "LI"), namespace(CLEARED, "trial"))
    label = f"test.clearedNodeSelector.nvidia\\.com/gpu\\.product={PRODUCTS['h100-sxm']}"
    objects = Chart(helm).objects(f"--set=test.clearedNamespace={CLEARED}", f"--set={label}")
    hooks = [each for each in objects if each["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"]
    (asking,) = (each for each in hooks if each["kind"] == "Pod")
    world.apply(*(each for each in hooks if each["kind"] != "Pod"))
    account = f"system:serviceaccount:{NAMESPACE}:{asking['spec']['serviceAccountName']}"
    yield Trial(world.installed.plane.kubeconfig_for(account, GROUPS), asking["spec"]["containers"][0]["args"])
    world.kubectl("delete", "namespace", NAME, CLEARED, "--wait=false")
    world.kubectl("delete", "node", "trial")


def test_a_cluster_that_refuses_and_admits_what_it_must_passes(trial: Trial) -> None:
    code, said = trial.run()
    assert (code, [line.partition(":")[0] for line in said]) == (
        0,
        [
            "ok     a device for nobody must be refused",
            "ok     no device for nobody must be admitted",
            "ok     a device for a cleared tenant must be admitted",
        ],
    )
    assert "[InfoNeeded] namespace computegate-test belongs to no known tenant" in said[0]


def test_a_cluster_whose_webhook_nobody_answers_fails(world: World, trial: Trial) -> None:
    with world.installed.stopped():
        code, said = trial.run("--seconds=0")
    assert code == 1
    assert [line.split(maxsplit=1)[0] for line in said] == ["FAILED"] * 3
    assert all('failed calling webhook "enforced.computegate.io"' in line for line in said)


def test_a_cluster_that_is_not_enforced_fails(world: World, trial: Trial) -> None:
    world.observe(NAME)
    code, said = trial.run("--seconds=0")
    world.kubectl("label", "namespace", NAME, "computegate.io/mode=enforce", "--overwrite")
    assert code == 1
    assert said[0] == "FAILED a device for nobody must be refused: admitted"
