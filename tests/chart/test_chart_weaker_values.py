"""Values of the chart that enforce less than others: each is told from the objects that they render."""

import json
from itertools import pairwise

import pytest

from admission.enforce.alarm.coverage import Coverage, coverage_of, losses
from tests.chart.rendering import OUTSIDE, RELEASE, Chart

EXCLUDED = "--set=config.excludedNamespaces={drivers}"
STRICT = ("--set=config.mode=enforce", EXCLUDED)
MORE = ("--set=webhook.bindings=true", "--set=guards.blockWhenMissing=true", "--set=mutation.hideDevices=true")
NEW = "--kube-version=1.36.0"
FURTHER = [
    pytest.param(
        (*MORE[1:],), "not asked about any more: CREATE bindings, CREATE pods/binding", id="bindings are judged"
    ),
    pytest.param(
        (MORE[0], MORE[2]),
        f"nothing is refused any more while the configuration is missing: {RELEASE}-narrowed",
        id="closed while missing",
    ),
    pytest.param(MORE[:2], f"mutations gone: {RELEASE}-", id="devices are hidden"),
    pytest.param((*MORE, *OUTSIDE), "another server decides: https://127.0.0.1:8443/validate/enforced", id="address"),
]
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


def covered_by(chart: Chart, *flags: str) -> Coverage:
    return coverage_of(json.loads(chart.render(*flags)["ConfigMap", f"{RELEASE}-gate"]["data"]["expected.json"]))


@pytest.mark.parametrize(("flags", "words"), FURTHER)
def test_what_else_an_upgrade_takes_away_is_told(chart: Chart, flags: tuple[str, ...], words: str) -> None:
    before = covered_by(chart, NEW, *STRICT, *MORE)
    (loss,) = losses(before, covered_by(chart, NEW, *STRICT, *flags))
    assert loss.startswith(words)


@pytest.mark.parametrize(("flags", "expected"), WEAKER)
def test_what_an_upgrade_to_these_values_no_longer_enforces(
    chart: Chart, flags: tuple[str, ...], expected: list[str]
) -> None:
    releases = (chart.render(*each)["ConfigMap", f"{RELEASE}-gate"] for each in (STRICT, flags))
    covered = [coverage_of(json.loads(each["data"]["expected.json"])) for each in releases]
    [(before, after)] = pairwise(covered)
    assert list(losses(before, after)) == expected
    assert list(losses(after, after)) == []
