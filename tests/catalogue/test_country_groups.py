"""Country groups by date, and the sets that are easily taken for one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admission.catalogue.jurisdictions import GROUPS, members

TODAY = datetime(2026, 11, 21, tzinfo=UTC)
CAMBODIA, EMIRATES = datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 7, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)

DESTINATIONS = (
    "AF AM AZ BH BY CD CF CN CU EG ER GE HT IQ IR JO KG KH KP KW KZ LA LB LY MD MM MN MO NI OM PK QA RU SA SD SO SS "
    "SY TJ TM UZ VE VN YE ZW"
)


def test_destinations_are_the_45_of_the_rule_and_hong_kong() -> None:
    assert len(DESTINATIONS.split()) == 45
    assert members("ear-destinations", TODAY) == {*DESTINATIONS.split(), "HK"}


def test_headquarters_places_are_d5_with_macau_and_hong_kong() -> None:
    assert members("ear-headquarters", TODAY) == members("ear-d5", TODAY) | {"MO", "HK"}
    assert len(members("ear-headquarters", TODAY)) == 24


@pytest.mark.parametrize(
    ("group", "size"),
    [("ear-a1", 40), ("ear-a5", 38), ("ear-a6", 8), ("ear-d1", 24), ("ear-d4", 21), ("ear-d5", 22)],
)
def test_each_group_has_its_published_size(group: str, size: int) -> None:
    assert size == len(members(group, TODAY))
    assert all(len(code) == 2 and code.isupper() for code in members(group, TODAY))


PLACES = [
    ("MO", {"ear-d1", "ear-d4", "ear-destinations", "ear-headquarters"}),
    ("HK", {"ear-destinations", "ear-headquarters"}),
    ("CN", {"ear-d1", "ear-d4", "ear-d5", "ear-destinations", "ear-headquarters"}),
    ("IL", {"ear-a6", "ear-d4"}),
    ("TW", {"ear-a6"}),
    ("AE", {"ear-a5"}),
    ("KH", {"ear-d1", "ear-destinations"}),
    ("VN", {"ear-d1", "ear-destinations"}),
    ("AF", {"ear-d5", "ear-destinations", "ear-headquarters"}),
    ("MY", set()),
    ("US", {"ear-a1"}),
]


@pytest.mark.parametrize(("country", "groups"), PLACES, ids=[row[0] for row in PLACES])
def test_places_that_are_easily_merged_stay_apart(country: str, groups: set[str]) -> None:
    assert groups == {group for group in GROUPS if country in members(group, TODAY)}


def test_cambodia_leaves_d5_and_the_headquarters_test_but_stays_a_destination() -> None:
    before, after = CAMBODIA - SECOND, CAMBODIA

    assert "KH" in members("ear-d5", before) & members("ear-headquarters", before)
    assert "KH" not in members("ear-d5", after) | members("ear-headquarters", after)
    assert "KH" in members("ear-destinations", before) & members("ear-destinations", after)


def test_the_emirates_stop_being_a_destination_on_their_day() -> None:
    before, after = EMIRATES - SECOND, EMIRATES

    assert "AE" in members("ear-d4", before) & members("ear-destinations", before)
    assert "AE" not in members("ear-d4", after) | members("ear-destinations", after)
    assert ("AE" in members("ear-a5", before), "AE" in members("ear-a5", after)) == (False, True)


def test_an_unknown_group_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="no built-in group 'ear-d9'; there are ear-a1"):
        members("ear-d9", TODAY)
