"""Values of the chart that enforce less than others: each is told from the objects that they render."""

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from admission.cli.alarm import strict_of
from admission.enforce.alarm.coverage import Coverage, coverage_of, losses
from admission.server.settings import Settings
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
    loss, *likewise = losses(before, covered_by(chart, NEW, *STRICT, *flags))
    assert loss.startswith(words)
    assert likewise in ([], [f"policies that look at less: {RELEASE}-narrowed"])


@pytest.mark.parametrize(("flags", "expected"), WEAKER)
def test_what_an_upgrade_to_these_values_no_longer_enforces(
    chart: Chart, flags: tuple[str, ...], expected: list[str]
) -> None:
    releases = (chart.render(*each)["ConfigMap", f"{RELEASE}-gate"] for each in (STRICT, flags))
    covered = [coverage_of(json.loads(each["data"]["expected.json"])) for each in releases]
    [(before, after)] = pairwise(covered)
    assert list(losses(before, after)) == expected
    assert list(losses(after, after)) == []


Objects = dict[tuple[str, str], dict[str, Any]]


def entry(objects: Objects) -> dict[str, Any]:
    """The entry that denies."""
    webhooks = objects["ValidatingWebhookConfiguration", RELEASE]["webhooks"]
    return next(each for each in webhooks if each["name"].startswith("enforced."))


def policy(objects: Objects) -> dict[str, Any]:
    return objects["ValidatingAdmissionPolicy", f"{RELEASE}-ledgers"]["spec"]  # type: ignore[no-any-return]


def asked(objects: Objects) -> dict[str, Any]:
    return policy(objects)["matchConstraints"]["resourceRules"][0]  # type: ignore[no-any-return]


def binding(objects: Objects) -> dict[str, Any]:
    return objects["ValidatingAdmissionPolicyBinding", f"{RELEASE}-ledgers"]["spec"]  # type: ignore[no-any-return]


CONDITION = {"name": "not-team-x", "expression": "request.namespace != 'team-x'"}
LABELLED = {"matchLabels": {"a": "b"}}
LEFT_OUT = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["team-x"]}]}
OTHERS, LEDGERS = "asked under other conditions: ", f"policies that look at less: {RELEASE}-ledgers"
EDITS: list[tuple[Callable[[Objects], object], str]] = [
    (lambda held: entry(held)["matchConditions"].append(CONDITION), f"{OTHERS}matchCondition not-team-x"),
    (lambda held: entry(held)["matchConditions"][0].update(expression="false"), f"{OTHERS}matchCondition "),
    (lambda held: entry(held).update(failurePolicy="Ignore"), f"{OTHERS}failurePolicy Ignore"),
    (lambda held: entry(held).update(matchPolicy="Exact"), f"{OTHERS}matchPolicy Exact"),
    (lambda held: entry(held).update(objectSelector=LABELLED), f"{OTHERS}objectSelector a In b"),
    (lambda held: entry(held)["namespaceSelector"].update(LABELLED), f"{OTHERS}namespaceSelector a In b"),
    (lambda held: entry(held)["rules"][0].update(scope="Cluster"), f"{OTHERS}scope Cluster"),
    (lambda held: asked(held).update(operations=["CREATE"]), LEDGERS),
    (lambda held: asked(held).update(resourceNames=["one"]), LEDGERS),
    (lambda held: policy(held)["matchConstraints"].update(namespaceSelector=LEFT_OUT), LEDGERS),
    (lambda held: policy(held).update(failurePolicy="Ignore"), LEDGERS),
    (lambda held: policy(held).update(matchConditions=[CONDITION]), LEDGERS),
    (lambda held: binding(held).update(matchResources={"objectSelector": LABELLED}), LEDGERS),
    (lambda held: binding(held).update(policyName="other"), LEDGERS),
]


@pytest.mark.parametrize(("edit", "words"), EDITS)
def test_what_is_narrowed_in_the_objects_and_in_what_the_alarm_looks_for_is_told(
    chart: Chart, edit: Callable[[Objects], object], words: str
) -> None:
    said = chart.render(*STRICT)["ConfigMap", f"{RELEASE}-gate"]["data"]["expected.json"]
    edited = {(each["kind"], each["name"]): each for each in copy.deepcopy(json.loads(said))}
    edit(edited)
    before, after = coverage_of(json.loads(said)), coverage_of(edited.values())
    (loss,) = losses(before, after)
    assert loss.startswith(words)
    either = words.endswith(" ") or edit is EDITS[-1][0]
    assert list(losses(after, before)) == ([loss] if either else []), "of two others nobody knows which is wider"
    assert list(losses(Coverage(left_out=after.left_out), after)) == [], "an older memory says nothing of it"


def test_settings_that_go_off_are_told() -> None:
    strict = {"record": {"onFailure": "Deny"}, "workloads": {"deny": True}, "canary": {"seconds": 30}}
    more = {"enforcement": {"evict": True, "suspend": True}}
    before = coverage_of((), tuple(strict_of(Settings.model_validate({**strict, **more}))))
    after = coverage_of((), tuple(strict_of(Settings())))
    words = "canary.seconds, enforcement.evict, enforcement.suspend, record.onFailure=Deny, workloads.deny"
    assert list(losses(before, after)) == [f"settings off: {words}"]
    assert list(losses(after, before)) == list(losses(Coverage(), after)) == []
