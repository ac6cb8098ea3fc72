"""What replicas find becomes conditions: the worst of all, since when, and nothing that has not lasted."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from admission.api.installation import ComputeGate
from admission.cli import looks
from admission.enforce.alarm.watch import Problem
from admission.enforce.audit.audit import Found, Lack
from admission.enforce.canary.reading import Outcome
from admission.enforce.canary.watch import Seen
from admission.enforce.installation import Finding, Steady, left, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.api.installation import ComputeGateStatus

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=5)
TYPES = ("ClockRight", "GateIntact")
GOOD = {kind: Finding(holds=True, reason="Good") for kind in TYPES}
GONE = Finding(holds=False, reason="GateMissing", message="a binding is gone")
UNSEEN = Finding(holds=None, reason="GateUnseen", message="nobody can tell")


def gate(status: ComputeGateStatus | None = None) -> ComputeGate:
    return ComputeGate(kind="ComputeGate") if status is None else ComputeGate(kind="ComputeGate", status=status)


def brief(status: ComputeGateStatus) -> dict[str, tuple[str, str, str]]:
    return {each.type: (each.status, each.reason, each.message) for each in status.conditions}


CASES = [
    pytest.param(
        {"a": GOOD, "b": GOOD},
        {"Ready": ("True", "Ready", ""), "ClockRight": ("True", "Good", ""), "GateIntact": ("True", "Good", "")},
        id="all is well",
    ),
    pytest.param(
        {"a": GOOD, "b": {**GOOD, "GateIntact": GONE}},
        {
            "Ready": ("False", "GateMissing", "GateIntact: b: a binding is gone"),
            "ClockRight": ("True", "Good", ""),
            "GateIntact": ("False", "GateMissing", "b: a binding is gone"),
        },
        id="one replica says otherwise, and is named",
    ),
    pytest.param(
        {"a": {**GOOD, "GateIntact": UNSEEN}, "b": {**GOOD, "GateIntact": GONE}},
        {
            "Ready": ("False", "GateMissing", "GateIntact: b: a binding is gone"),
            "ClockRight": ("True", "Good", ""),
            "GateIntact": ("False", "GateMissing", "b: a binding is gone"),
        },
        id="what is known to be wrong stands before what nobody knows",
    ),
    pytest.param(
        {"a": {"ClockRight": GOOD["ClockRight"]}},
        {
            "Ready": ("Unknown", "NotKnown", "GateIntact: no replica has told yet"),
            "ClockRight": ("True", "Good", ""),
            "GateIntact": ("Unknown", "NotKnown", "no replica has told yet"),
        },
        id="ready is nobody before all is known",
    ),
]


@pytest.mark.parametrize(("said", "expected"), CASES)
def test_an_installation_is_as_its_worst_replica(
    said: Mapping[str, Mapping[str, Finding]], expected: Mapping[str, tuple[str, str, str]]
) -> None:
    found = gate()
    for replica, findings in said.items():
        found = gate(told(found, replica, findings, TYPES, NOW))
    assert brief(found.status) == expected
    assert [each.name for each in found.status.replicas] == sorted(said)


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    before = told(gate(), "a", GOOD, TYPES, NOW)
    assert told(gate(before), "a", GOOD, TYPES, LATER) == before
    broken = told(gate(before), "a", {**GOOD, "GateIntact": GONE}, TYPES, LATER)
    since = {each.type: each.last_transition_time for each in broken.conditions}
    assert since == {"Ready": LATER, "ClockRight": NOW, "GateIntact": LATER}
    other = told(gate(broken), "a", {**GOOD, "GateIntact": GONE._replace(message="two")}, TYPES, LATER + (LATER - NOW))
    assert {each.type: each.last_transition_time for each in other.conditions} == since


def test_a_replica_that_is_gone_says_nothing_more_and_after_the_last_nothing_is_known() -> None:
    status = told(gate(), "b", {**GOOD, "GateIntact": GONE}, TYPES, NOW)
    status = told(gate(status), "a", GOOD, TYPES, NOW, gone=["b"])
    assert brief(status)["Ready"] == ("True", "Ready", "")
    status = left(gate(status), "a", TYPES, LATER)
    assert set(brief(status).values()) == {
        ("Unknown", "NoReplica", "ClockRight: the last replica was stopped"),
        ("Unknown", "NoReplica", "the last replica was stopped"),
    }


def test_what_the_leader_alone_says_stays_until_the_next_one_says_it_and_goes_where_it_is_not_asked_for() -> None:
    types = (*TYPES, "GateAnswers")
    status = told(gate(), "a", {**GOOD, "GateAnswers": Finding(holds=True, reason="AsItMust")}, types, NOW)
    status = told(gate(status), "a", GOOD, types, LATER)
    assert brief(status)["GateAnswers"] == ("True", "AsItMust", "")
    assert "GateAnswers" not in brief(told(gate(status), "a", GOOD, TYPES, LATER))


def test_what_is_not_good_counts_once_it_has_lasted_and_what_is_good_at_once() -> None:
    steady = Steady(20)
    seen = []
    found = [(0, GOOD["GateIntact"]), (2, GONE), (21, GONE), (22, GONE), (24, GONE._replace(message="two")), (26, None)]
    for now, each in [*found, (28, GONE), (30, GOOD["GateIntact"])]:
        steady.heed(each, now)
        seen.append(steady.counts)
    good, two = GOOD["GateIntact"], GONE._replace(message="two")
    assert seen == [good, good, good, GONE, two, None, None, good]


def test_what_is_not_good_for_one_reason_and_then_for_another_has_lasted_since_the_first() -> None:
    changed = GONE._replace(reason="GateChanged")
    cases = [
        ([(0, GONE), (19, changed), (20, changed)], changed),
        ([(0, GONE), (10, UNSEEN), (20, GONE)], GONE),
        ([(0, GONE), (20, GONE), (21, changed)], changed),
        ([(0, GONE), (20, GONE), (21, UNSEEN)], GONE),
        ([(0, GONE), (20, GONE), (21, UNSEEN), (41, UNSEEN)], UNSEEN),
        ([(0, GONE), (10, GOOD["GateIntact"]), (20, changed)], GOOD["GateIntact"]),
    ]
    for found, counts in cases:
        steady = Steady(20)
        for now, each in found:
            steady.heed(each, now)
        assert steady.counts == counts, found


KIND = "ValidatingAdmissionPolicyBinding"
LOOKS = [
    (looks.intact(None), None),
    (looks.intact(()), (True, "Intact")),
    (looks.intact([Problem("ConfigMap", "g", "unseen", "")]), (None, "GateUnseen")),
    (looks.intact([Problem("A", "g", "unseen", ""), Problem(KIND, "b", "missing", "")]), (False, "GateMissing")),
    (looks.answers({}), None),
    (looks.answers({"device": Seen(Outcome.Denied, ""), "plain": Seen(Outcome.Passed, "")}), (True, "AsItMust")),
    (
        looks.answers({"access": Seen(Outcome.Obscured, "x"), "device": Seen(Outcome.Admitted, "")}),
        (False, "GateAdmitted"),
    ),
    (looks.answers({"access": Seen(Outcome.Obscured, "x")}), (None, "GateObscured")),
    (looks.audited(None), None),
    (looks.audited({}), (True, "NothingLacks")),
    (looks.audited({Lack.Unseen: Found(1, ""), Lack.Trust: Found(1, "")}), (False, "LacksTrust")),
    (looks.audited({Lack.Unseen: Found(1, "")}), (None, "LacksUnseen")),
]


@pytest.mark.parametrize(("found", "expected"), LOOKS)
def test_a_look_says_what_is_wrong_by_the_word_of_its_event(
    found: Finding | None, expected: tuple[bool | None, str] | None
) -> None:
    assert (found and found[:2]) == expected
