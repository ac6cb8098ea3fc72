"""What a Tenant states of its owners is held against what it declares of its parent, under the built-in rules."""

from __future__ import annotations

from typing import Any

import pytest

from admission.cli.profile import profiles
from tests.decide.questions import policy, rule, tenant, world

TRANSFER, REGULATED = (profiles()[name].policy for name in ("transfer-tests", "access-as-regulated"))
SCREENED = {"screening": {"state": "Clear", "listsAsOf": "2026-11-21T00:00:00Z"}}
CN = {"id": "cn", "name": "Zhulin Modellwerk Co. Ltd.", "headquarters": "CN", "othersBelow": 25}
SG = {"id": "h", "name": "Lagoon Holding Pte. Ltd.", "headquarters": "SG", "othersBelow": 25}
STATE = {"id": "cn", "name": "A State", "type": "State", "headquarters": "CN"}
PERSON = {"id": "p", "name": "A Person", "type": "NaturalPerson", "headquarters": "CN"}


def held(owner: str, owned: str = "tenant", percent: int = 100) -> dict[str, Any]:
    return {"owner": owner, "owned": owned, "share": {"exact": percent}}


OWNED: dict[str, tuple[dict[str, Any], bool]] = {
    "owned, and declared independent": ({"independent": True, "parties": [CN], "ownership": [held("cn")]}, True),
    "of a state, and declared independent": (
        {"independent": True, "parties": [STATE], "ownership": [held("cn")]},
        True,
    ),
    "the parent is owned itself": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", "h"), held("h")]},
        True,
    ),
    "the parent is owned, and its own share not stated": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", "h")]},
        True,
    ),
    "another owns it all": ({"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn")]}, True),
    "half and half": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", percent=50), held("h", percent=50)]},
        True,
    ),
    "the owner of half is not stated": ({"ultimateParent": "h", "parties": [SG]}, True),
    "the parent owns it all": ({"ultimateParent": "h", "parties": [SG], "ownership": [held("h")]}, False),
    "a person stands above the parent": (
        {"ultimateParent": "h", "parties": [SG, PERSON], "ownership": [held("h"), held("p", "h")]},
        False,
    ),
    "a person alone": ({"independent": True, "parties": [PERSON], "ownership": [held("p")]}, False),
    "less than half": ({"independent": True, "parties": [CN], "ownership": [held("cn", percent=49)]}, False),
}


@pytest.mark.parametrize(("stated", "is_restricted"), OWNED.values(), ids=OWNED)
def test_a_stated_owner_is_seen_whatever_is_declared_of_the_parent(stated: dict[str, Any], is_restricted: bool) -> None:
    who = tenant(headquarters="SG", incorporation="SG", status=SCREENED, **{"independent": False, **stated})
    found = [world(each, who).reasons() for each in (TRANSFER, REGULATED)]

    assert found == ([["AuthorizationRequired"], ["KYCLevelTooLow"]] if is_restricted else [[], []])


@pytest.mark.parametrize("rules", [(TRANSFER,), (REGULATED,), (TRANSFER, REGULATED)])
def test_under_the_built_in_rules_no_device_goes_to_whom_nobody_has_identified(rules: tuple[Any, ...]) -> None:
    who = (tenant(status={**SCREENED, "kyc": {"level": level}}) for level in (0, 1))

    assert [world(*rules, each).reasons() for each in who] == [["KYCMissing"], []]


@pytest.mark.parametrize(
    ("screening", "reasons"),
    [
        ({"state": "Clear"}, ["NeedsReview"]),
        ({"state": "Clear", "listsAsOf": "2019-11-20T00:00:00Z"}, ["NeedsReview"]),
        ({"state": "Clear", "listsAsOf": "2026-11-15T11:59:59Z"}, ["NeedsReview"]),
        ({"state": "Clear", "listsAsOf": "2026-11-15T12:00:00Z"}, []),
    ],
)
def test_the_built_in_rules_ask_for_a_list_of_this_week(screening: dict[str, Any], reasons: list[str]) -> None:
    assert world(REGULATED, tenant(status={"screening": screening, "kyc": {"level": 3}})).reasons() == reasons


@pytest.mark.parametrize(
    ("stated", "reasons"),
    [
        ({"parties": [SG], "ownership": [held("h")]}, ["OwnershipNotCleared"]),
        ({"parties": [SG], "ownership": [held("h", percent=49)]}, ["OwnerUnknown"]),
        ({"independent": False}, ["OwnerUnknown"]),
        ({"independent": True}, []),
    ],
    ids=["known", "half is not stated", "nobody says", "nobody"],
)
def test_whether_there_are_owners_is_not_known_where_nobody_says(stated: dict[str, Any], reasons: list[str]) -> None:
    rules = policy(rule("allow", "Allow"), rule("owned", "Deny", ("OwnerHeadquarters", "Exists")))
    who = tenant(**{"independent": False, **stated})

    assert world(rules, who).reasons() == reasons
