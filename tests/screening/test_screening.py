"""What hits come to: at once, while they wait for judgement, when somebody judged, and when a list grows old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.dismissal import ScreeningDismissal
from admission.api.policy import Fact
from admission.api.screening import Confirmation
from admission.cli.profile import profiles
from admission.review import fitting
from admission.screening.entry import Entry, Number
from admission.screening.index import Index
from admission.screening.screen import Searchable, screen
from admission.tenants.screening import OF_WHOM, Terms
from admission.tenants.standing import standing_of
from tests.decide.questions import ALLOW, NOW, party, policy, quota, rule, tenant, world

if TYPE_CHECKING:
    from admission.api.tenant import Tenant

ALIKE = Entry("e1", "list", "Entity", ("OOO Tolmavir Vychisleniya",), ())
NUMBERED = Entry("e2", "list", "Entity", ("Somebody Else",), (Number("LEI", "529900TOLMAVIR000012"),))
DAY = timedelta(days=1)
SEEN = NOW - DAY
"""When the first hit was seen; the tenants of these tests were verified before."""

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TOLMAVIR: dict[str, Any] = {"legalName": "Tolmavir Vychisleniya"}
LEI: dict[str, Any] = {"identifiers": [{"scheme": "LEI", "id": "5299 00TO LMAV IR00 0012"}]}
WIDE_LEI: dict[str, Any] = {"identifiers": [{"scheme": "LEI", "id": "\uff15\uff129900TOLMAVIR0000\u0661\u0662"}]}
"""The same in digits of full width, as Chinese forms have them, and in Arabic ones."""

REFUSING = rule("listed", "Deny", ("Screening", "NotIn", "Clear"))


def by(*entries: Entry, as_of: datetime = SEEN, digest: str = "list-1") -> Searchable:
    return Searchable(Index(entries), as_of, digest, len(entries))


def screened(of: Tenant, listed: Searchable, *dismissals: ScreeningDismissal, now: datetime = SEEN) -> Tenant:
    found = screen(of, listed, dismissals, now, "scr-1")
    return of.model_copy(update={"status": of.status.model_copy(update={"screening": found})})


def created(of: Tenant, at: datetime | None = LONG_AGO) -> Tenant:
    """A tenant that was never screened, as the API server has it."""
    metadata = of.metadata.model_copy(update={"creation_timestamp": at})
    return of.model_copy(update={"metadata": metadata, "status": of.status.model_copy(update={"screening": None})})


def verified(of: Tenant, **kyc: Any) -> Tenant:
    assert of.status.kyc is not None
    found = type(of.status.kyc).model_validate({**of.status.kyc.model_dump(), **kyc})
    return of.model_copy(update={"status": of.status.model_copy(update={"kyc": found})})


def dismissal(of: Tenant, by: str = "bob", at: datetime = SEEN, **changed: Any) -> ScreeningDismissal:
    screening = of.status.screening
    assert screening is not None
    hit = screening.hits[0]
    spec = {
        "tenant": of.name,
        "party": hit.party,
        "entry": hit.entry,
        "covers": hit.covers,
        "reason": "founded elsewhere",
        "requestedBy": "alice",
        **changed,
    }
    status = {"approval": {"by": by, "at": at}} if by else {}
    return ScreeningDismissal.model_validate({"metadata": {"name": "d"}, "spec": spec, "status": status})


CONFIRMED = Confirmation(by="carol", at=SEEN, reason="same address")


def judged_by(of: Tenant, confirmed: Confirmation) -> Tenant:
    """The same with each hit confirmed."""
    assert of.status.screening is not None
    hits = [hit.model_copy(update={"confirmed": confirmed}) for hit in of.status.screening.hits]
    screening = of.status.screening.model_copy(update={"hits": hits})
    return of.model_copy(update={"status": of.status.model_copy(update={"screening": screening})})


def value(of: Tenant, *dismissals: ScreeningDismissal, now: datetime = NOW, terms: Terms | None = None) -> str | None:
    found = standing_of(of, dismissals).screened(now, terms or Terms()).facts[Fact.Screening]
    return None if found is None else "".join(sorted(found - OF_WHOM))


@pytest.mark.parametrize(
    ("spec", "entries", "state", "parties"),
    [
        ({}, [ALIKE, NUMBERED], "Clear", []),
        (TOLMAVIR, [ALIKE], "Candidate", ["tenant"]),
        (LEI, [NUMBERED], "Match", ["tenant"]),
        (WIDE_LEI, [NUMBERED], "Match", ["tenant"]),
        ({"parties": [{**party("above"), "name": "Tolmavir Vychisleniya"}]}, [ALIKE], "Candidate", ["above"]),
        ({"parties": [{**party("above"), **LEI}]}, [NUMBERED], "Match", ["above"]),
        ({**TOLMAVIR, **LEI}, [ALIKE, NUMBERED], "Match", ["tenant", "tenant"]),
    ],
)
def test_a_number_is_a_match_and_a_name_a_candidate_of_the_tenant_and_of_each_party(
    spec: dict[str, Any], entries: list[Entry], state: str, parties: list[str]
) -> None:
    found = screened(tenant(**spec), by(*entries)).status.screening
    assert found is not None
    assert (found.state, [hit.party for hit in found.hits]) == (state, parties)
    assert found.lists_as_of == SEEN
    assert found.candidate_since == (SEEN if any(not hit.is_match for hit in found.hits) else None)


WEEK = Terms(review=7 * 86400)


@pytest.mark.parametrize(
    ("when", "terms", "now", "expected"),
    [
        ("2026-03-01T00:00:00Z", Terms(), NOW, "Candidate"),
        ("2026-03-01T00:00:00Z", WEEK, NOW, "Clear"),
        ("2026-03-01T00:00:00Z", WEEK, SEEN + 7 * DAY - timedelta(seconds=1), "Clear"),
        ("2026-03-01T00:00:00Z", WEEK, SEEN + 7 * DAY, "Candidate"),
        ("2026-11-22T00:00:00Z", WEEK, NOW, "Candidate"),
        (None, WEEK, NOW, "Candidate"),
    ],
    ids=["no time given", "in time", "the last second", "time is over", "verified since", "not verified"],
)
def test_a_candidate_holds_up_who_is_new_at_once_and_who_was_verified_before_after_the_review_period(
    when: str | None, terms: Terms, now: datetime, expected: str
) -> None:
    of = screened(created(tenant(**TOLMAVIR)), by(ALIKE))
    of = verified(of, verified_at=datetime.fromisoformat(when)) if when else verified(of, state="Pending")
    assert value(of, now=now, terms=terms) == expected


@pytest.mark.parametrize(
    ("reverification", "reasons"),
    [({"overdue": "Warn"}, []), ({"grace": "2d"}, []), ({}, ["NeedsReview"])],
    ids=["only warned of", "in the time that is left", "reviewed"],
)
def test_a_tenant_whose_verification_is_due_has_the_review_period_while_its_clearance_holds(
    reverification: dict[str, str], reasons: list[str]
) -> None:
    due = {"verified_at": LONG_AGO, "reverify_by": SEEN}
    of = screened(created(verified(tenant(**TOLMAVIR), **due)), by(ALIKE))
    rules = policy(ALLOW, REFUSING, screening={"reviewPeriod": "7d"}, reverification=reverification)
    assert world(of, rules, quota()).reasons() == reasons


BACKDATED = SEEN - 365 * DAY
"""What a delivery, or a CSV file, may say of a verification that nobody saw before."""


def test_a_verification_that_is_dated_back_buys_no_time_to_wait() -> None:
    pending = screened(verified(created(tenant(**TOLMAVIR)), state="Pending"), by(ALIKE))
    later = verified(pending, state="Verified", verified_at=BACKDATED)
    assert value(later, terms=WEEK) == "Candidate"
    assert value(screened(later, by(ALIKE), now=NOW), terms=WEEK) == "Candidate"


@pytest.mark.parametrize(
    ("at", "expected"), [(LONG_AGO, "Clear"), (SEEN, "Candidate"), (NOW, "Candidate"), (None, "Candidate")]
)
def test_who_came_after_the_list_is_new_whatever_its_verification_says(at: datetime | None, expected: str) -> None:
    of = verified(created(tenant(**TOLMAVIR), at), verified_at=BACKDATED)
    first = screened(of, by(ALIKE), now=SEEN + DAY / 2)
    assert value(first, terms=WEEK) == expected
    assert value(screened(first, by(ALIKE, digest="list-2"), now=NOW), terms=WEEK) == expected


def test_a_clearance_that_lapsed_begins_anew() -> None:
    of = screened(created(tenant(**TOLMAVIR)), by(NUMBERED))
    lapsed = screened(verified(of, state="Pending"), by(ALIKE, digest="list-2"), now=SEEN + DAY / 2)
    again = screened(verified(lapsed, state="Verified"), by(ALIKE, digest="list-2"), now=NOW)
    assert value(again, terms=WEEK) == "Candidate"


@pytest.mark.parametrize(
    ("since", "cleared", "expected"),
    [
        (SEEN, LONG_AGO, "Clear"),
        (SEEN - 7 * DAY, LONG_AGO, "Candidate"),
        (None, LONG_AGO, "Candidate"),
        (SEEN, None, "Candidate"),
        (SEEN, SEEN, "Candidate"),
    ],
)
def test_what_another_integration_writes_waits_since_it_says(
    since: datetime | None, cleared: datetime | None, expected: str
) -> None:
    of = tenant(status={"screening": {"state": "Candidate", "candidateSince": since, "clearedSince": cleared}})
    assert value(of, terms=WEEK) == expected


def test_of_whom_a_match_is_stands_beside_it() -> None:
    above = {"parties": [{**party("above"), **LEI}], "ownership": [{"owner": "above", "share": {"exact": 50}}]}
    for spec, whom in (
        (LEI, {"MatchItself"}),
        (above, {"MatchOwners"}),
        ({**LEI, **above}, {"MatchItself", "MatchOwners"}),
    ):
        of = screened(tenant(**spec), by(NUMBERED))
        assert standing_of(of).facts[Fact.Screening] == frozenset({"Match", *whom})


FUND: dict[str, Any] = {"independent": False, "ultimateParent": "fund"}


def votes(owner: str, exact: int) -> dict[str, Any]:
    """Votes that an owner has, beside its shares."""
    return {"owner": owner, "interest": "VotingRights", "share": {"exact": exact}}


def part(owner: str, exact: int) -> dict[str, Any]:
    """What an owner has of the firm in between."""
    return {"owner": owner, "owned": "firm", "share": {"exact": exact}}


def through(owner: str, exact: int) -> dict[str, Any]:
    """What an owner says to have of the tenant through others."""
    return {"owner": owner, "directness": "Indirect", "share": {"exact": exact}}


LITTLE = {"Match", "MatchMinority"}
SIGNIFICANT = {*LITTLE, "MatchSignificantMinority"}
SHARES: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "five percent": ({"above": {"exact": 5}, "fund": {"exact": 95}}, FUND, {"Match", "MatchMinority"}),
    "less than half": ({"above": {"maximum": 49}, "fund": {"minimum": 51}}, FUND, SIGNIFICANT),
    "a quarter": ({"above": {"exact": 25}, "fund": {"exact": 75}}, FUND, SIGNIFICANT),
    "less than a quarter": ({"above": {"exclusiveMaximum": 25}, "fund": {"minimum": 75}}, FUND, LITTLE),
    "a quarter together": ({"above": {"exact": 15}, "aside": {"exact": 10}, "fund": {"exact": 75}}, FUND, SIGNIFICANT),
    "no more than the others leave": ({"above": {"maximum": 40}, "fund": {"minimum": 80}}, FUND, LITTLE),
    "a quarter through a firm of theirs": (
        {"firm": {"exact": 30}, "fund": {"exact": 70}},
        {**FUND, "ownership": [{"owner": "above", "owned": "firm", "share": {"exact": 60}}]},
        SIGNIFICANT,
    ),
    "a quarter by a holding in between": (
        {"firm": {"exact": 100}},
        {**FUND, "ownership": [part("above", 25), part("fund", 75)]},
        SIGNIFICANT,
    ),
    "the same stated": (
        {"firm": {"exact": 100}},
        {**FUND, "ownership": [part("above", 25), part("fund", 75), through("above", 25)]},
        SIGNIFICANT,
    ),
    "less than a quarter by a holding in between": (
        {"firm": {"exact": 60}, "fund": {"exact": 40}},
        {**FUND, "ownership": [part("above", 40), part("fund", 60)]},
        LITTLE,
    ),
    "a quarter of the votes": (
        {"above": {"exact": 5}, "fund": {"exact": 95}},
        {**FUND, "ownership": [votes("above", 30), votes("fund", 70)]},
        SIGNIFICANT,
    ),
    "half": ({"above": {"exact": 50}, "fund": {"exact": 50}}, FUND, {"Match", "MatchOwners"}),
    "two of them": (
        {"above": {"exact": 30}, "aside": {"exact": 25}, "fund": {"exact": 45}},
        FUND,
        {"Match", "MatchOwners"},
    ),
    "perhaps half": ({"above": {"minimum": 5, "maximum": 50}, "fund": {"minimum": 40}}, FUND, {"Candidate"}),
    "nobody knows": ({"above": {}, "fund": {"exact": 50}}, FUND, {"Candidate"}),
    "nobody named has the rest": ({"above": {"exact": 5}}, FUND, {"Candidate"}),
    "nobody knows who owns the rest": (
        {"above": {"exact": 5}, "fund": {"exact": 95}},
        {"independent": False},
        {"Candidate"},
    ),
    "more than all": ({"above": {"exact": 5}, "fund": {"exact": 96}}, FUND, {"Candidate"}),
    "the parent itself": (
        {"above": {"exact": 5}, "fund": {"exact": 95}},
        {"independent": False, "ultimateParent": "above"},
        {"Candidate"},
    ),
}


def owned(shares: dict[str, dict[str, Any]], **spec: Any) -> Tenant:
    """A tenant of which `above` and `aside` are on the list."""
    ended = spec.get("ultimateParent") == "above"
    fund = {**party("fund"), "type": "State" if ended else "Entity"}
    parties = [{**party("above"), **LEI}, {**party("aside"), **LEI}, fund, party("firm")]
    held = [{"owner": each, "share": share} for each, share in shares.items()]
    return tenant(**{**spec, "parties": parties, "ownership": [*held, *spec.get("ownership", [])]})


@pytest.mark.parametrize(("shares", "spec", "values"), SHARES.values(), ids=SHARES)
def test_listed_owners_of_less_than_half_are_told_from_those_of_whom_nobody_knows(
    shares: dict[str, dict[str, Any]], spec: dict[str, Any], values: set[str]
) -> None:
    of = screened(owned(shares, **spec), by(NUMBERED))
    assert standing_of(of).screened(NOW, Terms()).facts[Fact.Screening] == frozenset(values)


LESS = SHARES["five percent"][0]


@pytest.mark.parametrize(("percent", "is_significant"), [(None, False), (5.1, False), (5, True)])
def test_from_which_share_on_a_listed_owner_is_significant_is_the_operators_to_say(
    percent: float | None, is_significant: bool
) -> None:
    of = screened(created(owned(LESS, **FUND)), by(NUMBERED))
    says = ("Screening", "In", "MatchSignificantMinority")
    terms = {"significantFrom": percent} if percent else {}
    found = world(of, policy(ALLOW, rule("deeper", "Deny", says), screening=terms)).reasons()
    assert found == (["ListedParty"] if is_significant else [])


def test_a_listed_owner_of_less_than_half_who_controls_the_tenant_is_under_review() -> None:
    of = owned(LESS, **FUND)
    control = [{"owner": "above", "interest": "Control"}]
    stated = of.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    controlled = type(of.spec).model_validate({**stated, "ownership": [*stated["ownership"], *control]})
    assert value(screened(of, by(NUMBERED))) == "Match"
    assert value(screened(of.model_copy(update={"spec": controlled}), by(NUMBERED))) == "Candidate"


def test_a_listed_owner_of_less_than_half_hides_no_name_that_waits_nor_an_old_list() -> None:
    of = screened(created(owned(LESS, **FUND, **TOLMAVIR)), by(NUMBERED, ALIKE))
    (name,) = [hit for hit in of.status.screening.hits if hit.by == "Name"] if of.status.screening else []
    other = dismissal(of, party="tenant", entry=name.entry, covers=name.covers)

    def found(*dismissals: ScreeningDismissal, terms: Terms) -> frozenset[str] | None:
        return standing_of(of, dismissals).screened(NOW, terms).facts[Fact.Screening]

    less = frozenset({"Match", "MatchMinority"})
    assert [found(terms=Terms()), found(terms=WEEK), found(other, terms=Terms())] == [less | {"Candidate"}, less, less]
    assert found(other, terms=Terms(oldest=3600)) is None


@pytest.mark.parametrize(
    ("level", "shares", "reasons"),
    [
        (3, LESS, []),
        (2, LESS, ["ListedParty"]),
        (4, {"above": {}, "fund": {"exact": 50}}, ["NeedsReview"]),
        (4, {"above": {"exact": 55}, "fund": {"exact": 45}}, ["ListedParty"]),
    ],
    ids=["verified deeper", "not deep enough", "nobody knows how much", "more than half"],
)
def test_a_listed_owner_of_five_percent_needs_a_deeper_verification_and_no_review_without_an_end(
    level: int, shares: dict[str, dict[str, Any]], reasons: list[str]
) -> None:
    of = screened(owned(shares, **FUND, declaredUse=["Inference"], status={"kyc": {"level": level}}), by(NUMBERED))
    assert world(of, profiles()["access-as-regulated"].policy, quota()).reasons() == reasons


def test_a_match_has_no_time_to_wait() -> None:
    assert value(screened(tenant(**LEI), by(NUMBERED)), terms=WEEK) == "Match"


def test_a_dismissal_by_two_people_takes_one_hit_away_and_what_changes_brings_it_back() -> None:
    of = screened(tenant(**TOLMAVIR), by(ALIKE))
    assert value(of, dismissal(of)) == "Clear"
    for other in (
        dismissal(of, by=""),
        dismissal(of, by="alice"),
        dismissal(of, at=NOW + DAY),
        dismissal(of, tenant="beta"),
        dismissal(of, party="above"),
        dismissal(of, entry="e9"),
        dismissal(of, covers=f"sha256:{'0' * 64}"),
    ):
        assert value(of, other) == "Candidate", other
    given = dismissal(of)
    again = screened(of, by(ALIKE, digest="list-2"), given, now=NOW)
    assert again.status.screening is not None
    assert (again.status.screening.state, value(again, given)) == ("Clear", "Clear")
    renamed = of.model_copy(update={"spec": of.spec.model_copy(update={"legal_name": "Tolmavir Vychislenia"})})
    assert value(screened(renamed, by(ALIKE)), given) == "Candidate"
    alias = ALIKE._replace(names=(*ALIKE.names, "Tolmavir"))
    assert value(screened(of, by(alias, digest="list-2")), given) == "Candidate"


@pytest.mark.parametrize(
    ("written", "dismissed", "undismissed"),
    [
        ({"state": "Match", "matched_parties": ["above"]}, "Match", "Match"),
        ({"state": "Match", "matched_parties": ["above", "tenant"]}, "Match", "Match"),
        ({"state": "Clear", "matched_parties": ["above"]}, "Match", "Match"),
        ({"state": "Match", "matched_parties": []}, "Match", "Match"),
        ({"state": "Match", "matched_parties": ["tenant"]}, "Clear", "Candidate"),
        ({"state": "Match", "matched_parties": ["aside"]}, "Match", "CandidateMatch"),
        ({"state": "Candidate"}, "Clear", "Candidate"),
    ],
    ids=["an owner", "an owner too", "whatever the state", "nobody named", "by the hit alone", "a small owner", "no"],
)
def test_whom_an_integration_calls_listed_is_not_cleared_by_dismissing_a_hit_of_another(
    written: dict[str, Any], dismissed: str, undismissed: str
) -> None:
    shares = {"above": 90, "aside": 10}
    above: dict[str, Any] = {
        "parties": [party(each) for each in shares],
        "ownership": [{"owner": each, "share": {"exact": share}} for each, share in shares.items()],
    }
    of = screened(tenant(**TOLMAVIR, **above), by(ALIKE))
    assert of.status.screening is not None
    screening = of.status.screening.model_copy(update=written)
    of = of.model_copy(update={"status": of.status.model_copy(update={"screening": screening})})
    assert (value(of, dismissal(of)), value(of)) == (dismissed, undismissed)


def test_a_hit_that_somebody_confirmed_is_a_match_until_two_people_dismiss_just_that() -> None:
    found = screened(tenant(**TOLMAVIR), by(ALIKE))
    of = judged_by(found, CONFIRMED)
    given = dismissal(of, confirmedAt=CONFIRMED.at)
    assert value(of, given) == "Clear"
    for other in (dismissal(of), dismissal(of, confirmedAt=NOW), dismissal(of, by="alice", confirmedAt=CONFIRMED.at)):
        assert value(of, other, terms=WEEK) == "Match"
    anew = judged_by(found, CONFIRMED.model_copy(update={"at": NOW}))
    assert (value(anew, given), value(found, given)) == ("Match", "Candidate")
    assert value(screened(of, by(ALIKE, digest="list-2"), given, now=NOW), given) == "Clear"


def test_no_new_list_undoes_what_somebody_confirmed() -> None:
    of = judged_by(screened(tenant(**TOLMAVIR), by(ALIKE)), CONFIRMED)
    alias = ALIKE._replace(names=(*ALIKE.names, "Tolmavir"))
    again = screened(of, by(alias, digest="list-2"), now=NOW).status.screening
    assert again is not None
    assert (again.state, again.hits[0].confirmed) == ("Match", CONFIRMED)


OWNED_BY: dict[str, Any] = {"ownership": [{"owner": "above", "share": {"exact": 90}}]}
REBRANDED: dict[str, tuple[dict[str, Any], dict[str, Any], Entry]] = {
    "its name": (TOLMAVIR, {"legalName": "Brise Compute Pte. Ltd."}, ALIKE),
    "its name on paper alone": (TOLMAVIR, {"legalName": "Tolmavir Vychislenia"}, ALIKE),
    "an owner's name": (
        {"parties": [{**party("above"), "name": "Tolmavir Vychisleniya"}], **OWNED_BY},
        {"parties": [{**party("above"), "name": "Brise Holding Pte. Ltd."}], **OWNED_BY},
        ALIKE,
    ),
    "an owner's id": (
        {"parties": [{**party("above"), "name": "Tolmavir Vychisleniya"}], **OWNED_BY},
        {
            "parties": [{**party("over"), "name": "Tolmavir Vychisleniya"}],
            "ownership": [{"owner": "over", "share": {"exact": 90}}],
        },
        ALIKE,
    ),
    "the alias of the entry": (TOLMAVIR, TOLMAVIR, ALIKE._replace(names=("Sino Horizon Works",))),
}


@pytest.mark.parametrize(("spec", "later", "entry"), REBRANDED.values(), ids=REBRANDED)
def test_a_confirmed_hit_stays_whatever_is_renamed_until_it_is_dismissed_or_the_list_has_the_entry_no_more(
    spec: dict[str, Any], later: dict[str, Any], entry: Entry
) -> None:
    of = judged_by(screened(tenant(**spec), by(ALIKE)), CONFIRMED)
    renamed = of.model_copy(update={"spec": tenant(**later).spec})
    again = screened(renamed, by(entry, digest="list-2"), now=NOW)
    assert (value(again), value(renamed)) == ("Match", "Match")
    assert value(screened(judged_by(again, CONFIRMED), by(entry, digest="list-3"), now=NOW)) == "Match"
    assert value(screened(again, by(NUMBERED, digest="list-3"), now=NOW)) == "Clear"


@pytest.mark.parametrize("name", ["Somebody Else", "Brise Compute Pte. Ltd."], ids=["the name stays", "so does it not"])
def test_a_match_by_a_number_stays_when_the_number_is_taken_out_until_two_people_dismiss_it(name: str) -> None:
    of = screened(tenant(legalName=name, **LEI), by(NUMBERED))
    renamed = of.model_copy(update={"spec": tenant(legalName=name).spec})
    again = screened(renamed, by(NUMBERED, digest="list-2"), now=NOW)
    assert (value(again), value(again, dismissal(again))) == ("Match", "Clear")
    assert value(screened(again, by(ALIKE, digest="list-3"), now=NOW)) == "Clear"
    dismissed = screened(renamed, by(NUMBERED, digest="list-2"), dismissal(of), now=NOW)
    assert value(dismissed) == ("Candidate" if name == "Somebody Else" else "Clear")


def test_a_match_of_a_ship_that_took_the_id_of_a_company_is_not_kept() -> None:
    of = judged_by(screened(tenant(**TOLMAVIR), by(ALIKE)), CONFIRMED)
    assert value(screened(of, by(ALIKE._replace(type="Vessel"), digest="list-2"), now=NOW)) == "Clear"


def test_a_new_list_gives_no_new_time_to_who_is_under_review() -> None:
    of = screened(tenant(**TOLMAVIR), by(ALIKE), now=SEEN)
    other = screened(of, by(ALIKE._replace(id="e7"), digest="list-2"), now=NOW).status.screening
    assert other is not None
    assert (other.hits[0].entry, other.hits[0].seen_at) == ("e7", SEEN)
    gone = screened(of, by(NUMBERED, digest="list-2"), now=NOW).status.screening
    assert gone is not None
    assert (gone.state, gone.hits) == ("Clear", [])


@pytest.mark.parametrize(
    ("terms", "as_of", "expected"),
    [
        (Terms(), NOW - 900 * DAY, "Clear"),
        (Terms(oldest=86400), NOW - DAY, "Clear"),
        (Terms(oldest=86400), NOW - DAY - timedelta(seconds=1), None),
        (Terms(oldest=86400), None, None),
        (Terms(), NOW + timedelta(seconds=1), None),
    ],
    ids=["any age", "just in time", "too old", "without a date", "of tomorrow"],
)
def test_past_its_age_a_list_clears_nobody(terms: Terms, as_of: datetime | None, expected: str | None) -> None:
    of = tenant(status={"screening": {"state": "Clear", "listsAsOf": as_of}})
    assert value(of, terms=terms) == expected


def test_an_old_list_goes_on_refusing_whom_it_names() -> None:
    of = screened(tenant(**LEI), by(NUMBERED, as_of=datetime(2020, 1, 1, tzinfo=UTC)))
    assert value(of, terms=Terms(oldest=86400)) == "Match"


def test_names_that_were_not_searched_for_are_not_cleared() -> None:
    of = screened(tenant(), by(ALIKE))
    assert value(of) == "Clear"
    assert value(of.model_copy(update={"spec": tenant(legalName="Another Ltd.").spec})) is None


@pytest.mark.parametrize(
    ("terms", "when", "reasons"),
    [
        ([{}], NOW, ["NeedsReview"]),
        ([{"reviewPeriod": "3d"}], NOW, []),
        ([{"reviewPeriod": "9999999d"}], NOW, []),
        ([{"reviewPeriod": "3d"}], SEEN + 3 * DAY, ["NeedsReview"]),
        ([{"reviewPeriod": "3d"}, {"reviewPeriod": "12h"}], NOW, ["NeedsReview"]),
        ([{"reviewPeriod": "3d", "maxAge": "12h"}], NOW, ["NeedsReview"]),
    ],
    ids=[
        "no time given",
        "in time",
        "longer than any calendar",
        "time is over",
        "the shorter of two policies",
        "the list too old",
    ],
)
def test_policies_say_how_long_and_the_same_request_is_judged_anew_as_time_passes(
    terms: list[dict[str, str]], when: datetime, reasons: list[str]
) -> None:
    of = screened(created(tenant(**TOLMAVIR)), by(ALIKE))
    allowing = rule("allow", "Allow")
    policies = [policy(REFUSING, allowing, name=f"p{place}", screening=each) for place, each in enumerate(terms)]
    assert world(of, *policies, now=when).reasons() == reasons


@pytest.mark.parametrize(("spec", "entry", "code"), [(TOLMAVIR, ALIKE, "UnderReview"), (LEI, NUMBERED, "NotCleared")])
def test_a_tenant_reads_no_more_than_its_code_and_the_record_has_the_hit(
    spec: dict[str, Any], entry: Entry, code: str
) -> None:
    of = screened(tenant(**spec), by(entry))
    (finding,) = world(of, policy(REFUSING, rule("allow", "Allow"))).verdict().findings
    line = fitting.denial([finding], "0123456789", "access@example.com")
    assert line.startswith(f"[{code}] ")
    told = (entry.id, entry.source, *entry.names, "scr-1", "list", "match", "hit", "screen", str(finding.reason))
    assert [word for word in told if word.lower() in line.lower()] == []
    assert entry.id in finding.detail


OWNED: dict[str, Any] = {
    "parties": [party("above"), party("aside")],
    "ownership": [{"owner": "above", "share": {"exact": 60}}, {"owner": "aside", "share": {"exact": 5}}],
}
FOUND: dict[str, dict[str, Any] | None] = {
    "itself": {"state": "Match", "matchedParties": ["tenant"]},
    "an owner": {"state": "Match", "matchedParties": ["above"]},
    "both": {"state": "Match", "matchedParties": ["above", "tenant"]},
    "a candidate": {"state": "Candidate"},
    "a small owner": {"state": "Match", "matchedParties": ["aside"]},
    "a list of tomorrow": {"state": "Clear", "listsAsOf": NOW + DAY},
    "never": None,
}
_OF_OWNERS = ("Screening", "In", "MatchOwners", "MatchMinority")
RULES = {
    "denied": (rule("listed", "Deny", ("Screening", "NotIn", "Clear")),),
    "owners by a level": (
        rule("listed", "Deny", ("Screening", "In", "MatchItself", "Candidate")),
        rule("owners", "Level", _OF_OWNERS, level=3),
    ),
    "owners denied and by a level": (
        rule("listed", "Deny", ("Screening", "In", "Match", "Candidate")),
        rule("owners", "Level", _OF_OWNERS, level=3),
    ),
    "all by a level": (rule("listed", "Level", ("Screening", "NotIn", "Clear"), level=3),),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_a_line_does_not_tell_a_listed_owner_from_a_listed_tenant_nor_a_hit_from_no_screening(
    rules: tuple[dict[str, Any], ...],
) -> None:
    lines: dict[str, set[str]] = {"NotCleared": set(), "UnderReview": set()}
    for found in FOUND.values():
        of = tenant(status={"screening": found}, **OWNED)
        verdict = world(of, policy(*rules, rule("allow", "Allow"))).verdict()
        line = fitting.denial(verdict.findings, "0123456789", "access@example.com")
        is_match = found is not None and "matchedParties" in found
        lines["NotCleared" if is_match else "UnderReview"].add(line)
        assert "level" not in line
    for code, (line,) in lines.items():
        assert (line.count("["), line.startswith(f"[{code}] ")) == (1, True)


def test_a_level_that_a_clear_tenant_needs_is_told() -> None:
    asks = rule("all", "Level", ("Screening", "In", "Clear", "Candidate"), level=3)
    verdict = world(tenant(), policy(asks, rule("allow", "Allow"))).verdict()
    assert [finding.reason for finding in verdict.findings] == ["KYCLevelTooLow"]


def test_a_dismissal_that_comes_back_for_another_tenant_leaves_the_first_one_without() -> None:
    first, other = (screened(tenant(name, **TOLMAVIR), by(ALIKE)) for name in ("first", "other"))
    registry = world(first, other, dismissal(first)).registry()
    registry.put(dismissal(other))
    values = {name: each.screened(NOW, Terms()).facts[Fact.Screening] for name, each in registry.standings.items()}
    assert values == {"first": frozenset({"Candidate"}), "other": frozenset({"Clear"})}


@pytest.mark.parametrize(
    ("until", "expected"),
    [(None, "Clear"), (NOW + timedelta(seconds=1), "Clear"), (NOW, "Candidate"), (SEEN, "Candidate")],
)
def test_a_dismissal_that_says_when_it_ends_does_so_and_the_hit_waits_as_long_as_it_was_seen(
    until: datetime | None, expected: str
) -> None:
    of = screened(created(tenant(**TOLMAVIR)), by(ALIKE))
    given = dismissal(of, validUntil=until)
    refusing = policy(REFUSING, rule("allow", "Allow"))
    assert value(of, given) == expected
    assert world(of, refusing, given).reasons() == ([] if expected == "Clear" else ["NeedsReview"])
    again = screened(of, by(ALIKE, digest="list-2"), given, now=NOW).status.screening
    assert again is not None
    assert (again.state, again.hits[0].seen_at) == (expected, SEEN)
    assert world(of, refusing, given).registry().next_change(SEEN) == (until if until != SEEN else None)


def test_a_dismissal_ends_within_a_year_where_it_says_when() -> None:
    of = screened(tenant(**TOLMAVIR), by(ALIKE))
    assert dismissal(of, validUntil=SEEN + 366 * DAY).spec.valid_until == SEEN + 366 * DAY
    with pytest.raises(ValueError, match="more than 366 days away"):
        dismissal(of, validUntil=SEEN + 366 * DAY + timedelta(seconds=1))


def test_a_dismissal_counts_as_it_comes_and_goes() -> None:
    of = screened(tenant(**TOLMAVIR), by(ALIKE))
    given = dismissal(of)
    refusing = policy(REFUSING, rule("allow", "Allow"))
    assert world(of, refusing, given).reasons() == []
    assert world(given, of, refusing).reasons() == []
    registry = world(of, refusing, given).registry()
    registry.drop(ScreeningDismissal, given.name)
    assert registry.standings["acme"].screened(NOW, Terms()).facts[Fact.Screening] == frozenset({"Candidate"})
