"""Values of the chart that enforce less than others: each is told from the objects that they render."""

import json
from itertools import pairwise

import pytest

from admission.enforce.alarm.coverage import coverage_of, losses
from tests.chart.rendering import RELEASE, Chart

EXCLUDED = "--set=config.excludedNamespaces={drivers}"
STRICT = ("--set=config.mode=enforce", EXCLUDED)
WEAKER = [
    pytest.param((EXCLUDED,), ["namespaces without a mode are not enforced any more"], id="mode"),
    pytest.param(
        ("--set=config.mode=enforce", "--set=config.excludedNamespaces={drivers,team-a,team-b}"),
        ["namespaces left out: team-a, team-b"],
        id="namespaces",
    ),
    pytest.param(
        (*STRICT, "--set=guards.weakening=false"),
        [f"guards gone: {RELEASE}-weaker-namespaces, {RELEASE}-weaker-policies"],
        id="a guard",
    ),
    pytest.param((*STRICT, "--set=guards.exec=true", "--set=webhook.bindings=true"), [], id="stricter"),
]


@pytest.mark.parametrize(("flags", "expected"), WEAKER)
def test_what_an_upgrade_to_these_values_no_longer_enforces(
    chart: Chart, flags: tuple[str, ...], expected: list[str]
) -> None:
    releases = (chart.render(*each)["ConfigMap", f"{RELEASE}-gate"] for each in (STRICT, flags))
    covered = [coverage_of(json.loads(each["data"]["expected.json"])) for each in releases]
    [(before, after)] = pairwise(covered)
    assert list(losses(before, after)) == expected
    assert list(losses(after, after)) == []
