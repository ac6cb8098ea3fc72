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


_Reasons = list[list[str]]
CERTAIN: _Reasons = [["AuthorizationRequired"], ["KYCLevelTooLow"]]
"""What the transfer tests, and what is regulated today, ask of an owner in CN."""
BELIED: _Reasons = [[*reasons, "OwnerUnknown"] for reasons in CERTAIN]
"""The same where what is declared of the parent cannot be true beside it."""
UNKNOWN: _Reasons = [["OwnerUnknown"], ["OwnerUnknown"]]
FREE: _Reasons = [[], []]

OWNED: dict[str, tuple[dict[str, Any], _Reasons]] = {
    "owned, and declared independent": ({"independent": True, "parties": [CN], "ownership": [held("cn")]}, BELIED),
    "of a state, and declared independent": (
        {"independent": True, "parties": [STATE], "ownership": [held("cn")]},
        BELIED,
    ),
    "the parent is owned itself": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", "h"), held("h")]},
        BELIED,
    ),
    "the parent is owned, and its own share not stated": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", "h")]},
        UNKNOWN,
    ),
    "another owns it all": ({"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn")]}, BELIED),
    "half and half": (
        {"ultimateParent": "h", "parties": [SG, CN], "ownership": [held("cn", percent=50), held("h", percent=50)]},
        CERTAIN,
    ),
    "the owner of half is not stated": ({"ultimateParent": "h", "parties": [SG]}, UNKNOWN),
    "the parent owns it all": ({"ultimateParent": "h", "parties": [SG], "ownership": [held("h")]}, FREE),
    "a person stands above the parent": (
        {"ultimateParent": "h", "parties": [SG, PERSON], "ownership": [held("h"), held("p", "h")]},
        FREE,
    ),
    "a person alone": ({"independent": True, "parties": [PERSON], "ownership": [held("p")]}, FREE),
    "less than half": ({"independent": True, "parties": [CN], "ownership": [held("cn", percent=49)]}, FREE),
}


@pytest.mark.parametrize(("stated", "reasons"), OWNED.values(), ids=OWNED)
def test_a_stated_owner_is_seen_whatever_is_declared_of_the_parent(stated: dict[str, Any], reasons: _Reasons) -> None:
    who = tenant(headquarters="SG", incorporation="SG", status=SCREENED, **{"independent": False, **stated})
    found = [world(each, who).reasons() for each in (TRANSFER, REGULATED)]

    assert found == reasons


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
