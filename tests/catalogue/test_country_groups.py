"""Country groups by date, and the sets that are easily taken for one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admission.catalogue.jurisdictions import GROUPS, changes, members

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


DESTINATIONS_ALONE = "AM AZ BH EG GE JO KG KH KW KZ LA MD MN OM PK QA SA TJ TM UZ VN YE"
DESTINATION = ("ear-destinations", "ear-destinations-b")
PLACES = [
    ("MO", {"ear-d1", "ear-d4", *DESTINATION, "ear-headquarters"}),
    ("HK", {*DESTINATION, "ear-headquarters"}),
    ("CN", {"ear-d1", "ear-d4", "ear-d5", *DESTINATION, "ear-headquarters"}),
    ("IL", {"ear-a6", "ear-d4"}),
    ("TW", {"ear-a6"}),
    ("AE", {"ear-a5", "ear-destinations-b"}),
    ("KH", {"ear-d1", *DESTINATION}),
    ("VN", {"ear-d1", *DESTINATION}),
    ("AF", {"ear-d5", *DESTINATION, "ear-headquarters"}),
    *((code, set()) for code in ("MY", "TH", "ID", "PH")),
    ("SG", {"ear-a6"}),
    ("IN", {"ear-a1", "ear-a5"}),
    ("MX", {"ear-a1", "ear-a6"}),
    ("CY", {"ear-a6"}),
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


def test_destinations_are_what_stays_of_d1_d4_and_d5_without_a5_and_a6() -> None:
    """15 CFR 742.6(a)(6)(iii); of D:4, Israel drops out by A:6, and the Emirates would by A:5 had they not left it."""
    d1, d4, d5, a5, a6 = (members(f"ear-{group}", TODAY) for group in ("d1", "d4", "d5", "a5", "a6"))

    assert members("ear-destinations", TODAY) - {"HK"} == (d1 | d4 | d5) - (a5 | a6)
    assert (d1 | d4 | d5) & (a5 | a6) == {"IL"}


def test_the_entries_b_name_the_emirates_and_nobody_else_besides() -> None:
    """742.6(a)(6)(iii)(B) names the United Arab Emirates; before 91 FR 43034 they were among the others anyway."""
    extra = [members("ear-destinations-b", at) - members("ear-destinations", at) for at in (TODAY, EMIRATES - SECOND)]

    assert extra == [{"AE"}, set()]


def test_headquarters_places_are_all_destinations_and_most_destinations_are_no_headquarters_places() -> None:
    destinations, headquarters = members("ear-destinations", TODAY), members("ear-headquarters", TODAY)

    assert headquarters < destinations
    assert destinations - headquarters == {*DESTINATIONS_ALONE.split()}


SCOPES: list[tuple[str, datetime, set[str], set[str]]] = [
    ("before any", datetime(2022, 10, 20, 23, 59, 59, tzinfo=UTC), set(), set()),
    ("87 FR 62186", datetime(2022, 10, 21, tzinfo=UTC), {"CN", "HK"}, set()),
    ("a day before Macau", datetime(2023, 1, 17, tzinfo=UTC), {"CN", "HK"}, set()),
    ("88 FR 2821", datetime(2023, 1, 18, tzinfo=UTC), {"CN", "HK", "MO"}, set()),
    ("a second before 88 FR 73458", datetime(2023, 11, 16, 23, 59, 59, tzinfo=UTC), {"CN", "HK", "MO"}, set()),
]


@pytest.mark.parametrize(("rule", "at", "destinations", "headquarters"), SCOPES, ids=[row[0] for row in SCOPES])
def test_the_requirement_began_with_china_and_took_in_macau(
    rule: str, at: datetime, destinations: set[str], headquarters: set[str]
) -> None:
    assert members("ear-destinations", at) == destinations, rule
    assert members("ear-headquarters", at) == headquarters, rule


def test_88_fr_73458_brought_the_groups_and_the_headquarters_test() -> None:
    at = datetime(2023, 11, 17, tzinfo=UTC)

    assert {"VN", "SA", "AE", "CN", "MO"} < members("ear-destinations", at)
    assert {"CN", "MO", "HK", "KH"} < members("ear-headquarters", at)


def test_every_instant_at_which_a_group_changes_is_told() -> None:
    told = changes()

    days = ["2022-10-21", "2023-01-18", "2023-11-17", "2026-02-03", "2026-07-10"]
    assert [each.isoformat() for each in told] == [f"{day}T00:00:00+00:00" for day in days]
    for instant in told:
        before, after = ({group: members(group, at) for group in GROUPS} for at in (instant - SECOND, instant))
        assert before != after


def test_an_unknown_group_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="no built-in group 'ear-d9'; there are ear-a1"):
        members("ear-d9", TODAY)
