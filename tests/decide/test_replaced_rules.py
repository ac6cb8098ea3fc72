"""An operator's rule in the place of a profile's: what it changes, what it cannot, and where that is seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from admission.cli.profile import profiles
from tests.decide.questions import ALLOW, NOW, UNCONTROLLED, grant, party, policy, pool, rule, tenant, world
from tests.demand.cluster import pod

TRANSFER, REGULATED = (profiles()[name].policy for name in ("transfer-tests", "access-as-regulated"))
CN = tenant(headquarters="CN", incorporation="CN")
OWNED = tenant(
    parties=[party("top", "DE")],
    ownership=[{"owner": "top", "share": {"exact": 50}}],
    status={"screening": {"state": "Match", "matchedParties": ["top"]}, "kyc": {"level": 3}},
)
OFF = rule("ours", "Deny", replaces="access-as-regulated/affiliates", status="Stayed")


@pytest.mark.parametrize(
    ("objects", "reasons"),
    [
        ((REGULATED, OWNED), ["ListedParty"]),
        ((REGULATED, OWNED, policy(OFF, name="own")), []),
        ((REGULATED, OWNED, policy({**OFF, "status": "InForce"}, name="own")), ["JurisdictionNotAllowed"]),
        ((REGULATED, OWNED, policy(OFF, name="own", mode="observe")), ["ListedParty"]),
        ((REGULATED, OWNED, policy(OFF, name="own", mode="warn")), ["ListedParty"]),
        ((REGULATED, OWNED, policy({**OFF, "replaces": "access-as-regulated/affiliate"}, name="own")), ["ListedParty"]),
        ((REGULATED, OWNED, policy({**OFF, "status": "Proposed"}, name="own")), ["ListedParty"]),
        ((REGULATED, OWNED, policy({**OFF, "status": "NotEnforced"}, name="own")), []),
        ((REGULATED, OWNED, policy({**OFF, "effective": "2026-11-22T12:00:01Z"}, name="own")), ["ListedParty"]),
        ((REGULATED, OWNED, policy({**OFF, "expires": "2026-11-22T12:00:00Z"}, name="own")), ["ListedParty"]),
        ((REGULATED, OWNED, policy({**OFF, "expires": "2026-11-22T12:00:01Z"}, name="own")), []),
        ((TRANSFER, CN), ["AuthorizationRequired"]),
        ((TRANSFER, CN, policy(rule("deny", "Deny", ("Headquarters", "In", "CN")), name="own")), None),
    ],
    ids=[
        "the profile's rule",
        "a stayed rule in its place",
        "a rule in force in its place",
        "an observing policy replaces nothing",
        "nor does a warning one",
        "a misspelt name replaces nothing",
        "a proposed one waits",
        "one that is not enforced switches it off",
        "one that has not begun",
        "one that has ended",
        "one that ends in a second",
        "the profile asks for a licence",
        "a rule beside it only adds",
    ],
)
def test_a_rule_stands_in_the_place_of_one_of_another_policy(
    objects: tuple[Any, ...], reasons: list[str] | None
) -> None:
    expected = ["AuthorizationRequired", "JurisdictionNotAllowed"] if reasons is None else reasons

    assert world(*objects).reasons() == expected


def test_when_a_stayed_rule_begins_or_ends_is_announced() -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    dated = {"effective": begins.isoformat(), "expires": ends.isoformat()}
    one = world(REGULATED, OWNED, policy({**OFF, **dated}, name="own"))
    registry = one.registry()

    assert [registry.next_change(at) for at in (NOW, begins)] == [begins, ends]
    assert [one._replace(now=at).reasons() for at in (NOW, begins, ends)] == [["ListedParty"], [], ["ListedParty"]]


def test_every_decision_says_which_rule_stood_aside() -> None:
    checks = world(REGULATED, OWNED, policy(OFF, name="own")).verdict().checks

    assert [check.inputs for check in checks if check.name == "rule access-as-regulated/affiliates"] == [
        {"replacedBy": "own/ours"}
    ]
    assert not [check for check in world(REGULATED, OWNED).verdict().checks if "replacedBy" in check.inputs]


def test_what_would_be_if_an_observing_policy_enforced_is_told_as_its_proposal() -> None:
    rules = world(REGULATED, OWNED, policy(OFF, name="own", mode="observe")).question().rules

    assert (dict(rules.replaced), rules.proposed and dict(rules.proposed.replaced)) == (
        {},
        {"access-as-regulated/affiliates": "own/ours"},
    )


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (
            [policy(rule("a", "Allow", replaces="access/b"), rule("b", "Deny"))],
            "rule a replaces one of its own policy",
        ),
        (
            [policy(ALLOW), *(policy(rule("a", "Allow", replaces="access/allow"), name=name) for name in ("x", "y"))],
            "the rules x/a, y/a replace access/allow each; leave one",
        ),
        (
            [
                policy(rule("c", "Deny"), name="far"),
                policy(rule("b", "Allow", replaces="far/c"), name="near"),
                policy(rule("a", "Deny", replaces="near/b")),
            ],
            "the rule access/a replaces near/b, which replaces another",
        ),
    ],
    ids=["its own", "twice", "in a chain"],
)
def test_replacements_that_nobody_could_follow_hold_everything_back(policies: list[Any], words: str) -> None:
    assert words in world(*policies).registry().held_back_at(NOW)


def test_rules_that_follow_each_other_may_replace_the_same_one() -> None:
    until, since = ({key: NOW.isoformat()} for key in ("expires", "effective"))
    made = [
        policy(
            {**rule("r", "Allow", ("Screening", "In", "Match")), **dates, "replaces": "access-as-regulated/affiliates"},
            name=name,
        )
        for name, dates in (("before", until), ("after", since))
    ]
    registry = world(REGULATED, *made).registry()
    moments = NOW - timedelta(seconds=1), NOW

    assert registry.held_back_at(NOW) == ""
    assert [dict(registry.rules(each).replaced) for each in moments] == [
        {"access-as-regulated/affiliates": f"{name}/r"} for name in ("before", "after")
    ]


@pytest.mark.parametrize("effect", ["Deny", "Authorization", "Level", "Quota"])
def test_an_unknown_entry_is_restricted_like_the_strictest_and_permitted_only_by_name(effect: str) -> None:
    """Inferentia2 may be 3A090.a.2 by its published figures (die area unknown), so what restricts that restricts it."""
    rules = world(policy(rule("strict", effect, classes=["3A090.a.2"]), rule("open", "Allow", classes=["3A090.a.2"])))
    about = [each.name for each in rules.question().rules.about("inferentia2")]

    assert about == ["access/strict"]
    assert not rules.question().rules.class_permitted("inferentia2", ["3A090.a.2"])
    assert rules.question().rules.class_permitted("inferentia2", ["unknown"])


def test_a_letter_makes_a_chip_below_every_line_controlled_for_all_and_restricted_for_some() -> None:
    letter = rule("letter", "Authorization", ("Headquarters", "In", "CN"), status="ByLetter", classes=["h20"])
    before, after = (world(policy(*rules), grant(holder="other")) for rules in ([ALLOW], [ALLOW, letter]))

    assert [each.question().rules.controlled("h20") for each in (before, after)] == [False, True]
    assert [each.question().rules.controlled("t4") for each in (before, after)] == [False, False]
    asked: dict[str, Any] = {"pod": pod({"nvidia.com/gpu": 1}, nodeSelector={"pool": "h20"}), "labels": {}}
    unknown = [each._replace(objects=(*each.objects, pool("h20", "h20", "DE")), **asked) for each in (before, after)]
    assert [each.reasons() for each in unknown] == [[], ["TenantUnknown"]]


def test_a_letter_that_names_everything_makes_everything_controlled_for_all() -> None:
    letter = rule("letter", "Deny", ("Headquarters", "In", "CN"), status="ByLetter", classes=["*"])
    rules = policy(ALLOW, letter)
    revoked = tenant(status={"kyc": {"state": "Revoked"}})

    assert world(rules, pod=UNCONTROLLED).reasons() == []
    assert world(rules, pod=UNCONTROLLED, labels={}).reasons() == ["TenantUnknown"]
    assert world(rules, revoked, pod=UNCONTROLLED).reasons() == ["KYCSuspended"]
