"""Statements of the Beneficial Ownership Data Standard 0.4 become a Tenant's facts, or are refused with their place."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.api.identity import TenantSpec
from admission.tenants.imports import bods
from admission.tenants.imports.bods import read_bods
from admission.tenants.imports.fragment import ImportProblem, fragment_of

if TYPE_CHECKING:
    import pathlib

TODAY = dt.date(2026, 11, 26)
Statement = dict[str, Any]


def _statement(record: str, kind: str, details: dict[str, Any], **fields: Any) -> Statement:
    return {
        "statementId": f"statement-of-{record}-{'0' * 20}",
        "declarationSubject": "acme",
        "statementDate": "2026-01-31",
        "publicationDetails": {
            "publicationDate": "2026-02-01",
            "bodsVersion": "0.4",
            "publisher": {"name": "A register"},
        },
        "recordId": record,
        "recordStatus": "new",
        "recordType": kind,
        "recordDetails": {"isComponent": False, **details},
        **fields,
    }


def _entity(record: str, name: str, type_: str = "registeredEntity", **details: Any) -> Statement:
    return _statement(record, "entity", {"entityType": {"type": type_}, "name": name, **details})


def _person(record: str, name: str, type_: str = "knownPerson") -> Statement:
    born = {"birthDate": "1970-01", "nationalities": [{"name": "Atlantis", "code": "DE"}]}
    names = [{"type": "legal", "fullName": name}] if name else []
    return _statement(record, "person", {"personType": type_, "names": names, **born})


def _holds(owner: Any, owned: str, *interests: dict[str, Any], **fields: Any) -> Statement:
    details = {"subject": owned, "interestedParty": owner, "interests": list(interests)}
    return _statement(
        f"{owner}-in-{owned}" if isinstance(owner, str) else f"in-{owned}", "relationship", details, **fields
    )


def _shares(exact: float | None = None, direct: str = "direct", **share: Any) -> dict[str, Any]:
    stated = {"exact": exact, "minimum": exact, "maximum": exact} if exact is not None else share
    return {"type": "shareholding", "directOrIndirect": direct, "share": stated}


ACME = _entity("acme", "Acme Rechenhaus GmbH", identifiers=[{"scheme": "XI-LEI", "id": "529900ACMEACMEACME12"}])
HOLDING = _entity(
    "holding",
    "Harbour Holding B.V.",
    jurisdiction={"name": "Netherlands", "code": "NL"},
    addresses=[
        {"type": "registered", "country": {"name": "Netherlands", "code": "NL"}},
        {"type": "business", "country": {"name": "Singapore", "code": "SG"}},
    ],
    identifiers=[{"scheme": "NL-KVK", "id": "12345678"}, {"schemeName": "nobody knows"}],
)
STATE = _entity("state", "Free State of Erewhon", "state", jurisdiction={"name": "Norway", "code": "NO"})
PERSON = _person("person", "Vera Beispiel")
CHAIN = (
    ACME,
    HOLDING,
    STATE,
    PERSON,
    _holds("holding", "acme", _shares(80)),
    _holds(
        "state", "acme", _shares(exclusiveMinimum=15, maximum=20), {"type": "boardMember", "directOrIndirect": "direct"}
    ),
    _holds("person", "holding", _shares(100), {"type": "votingRights", "share": {"minimum": 75}}),
    _holds("person", "acme", _shares(80, "indirect")),
)
ELSEWHERE = (_entity("other", "Elsewhere Ltd."), _holds("person", "other", _shares(100)))
FRAGMENT: dict[str, Any] = {
    "parties": [
        {
            "id": "harbour-holding-b-v",
            "name": "Harbour Holding B.V.",
            "headquarters": "SG",
            "incorporation": "NL",
            "identifiers": [{"scheme": "NL-KVK", "id": "12345678"}],
        },
        {"id": "free-state-of-erewhon", "name": "Free State of Erewhon", "type": "State", "headquarters": "NO"},
        {"id": "vera-beispiel", "name": "Vera Beispiel", "type": "NaturalPerson"},
    ],
    "ownership": [
        {"owner": "harbour-holding-b-v", "share": {"exact": 80}},
        {"owner": "free-state-of-erewhon", "share": {"maximum": 20, "exclusiveMinimum": 15}},
        {"owner": "free-state-of-erewhon", "interest": "Control"},
        {"owner": "vera-beispiel", "directness": "Indirect", "share": {"exact": 80}},
        {"owner": "vera-beispiel", "owned": "harbour-holding-b-v", "share": {"exact": 100}},
        {
            "owner": "vera-beispiel",
            "owned": "harbour-holding-b-v",
            "interest": "VotingRights",
            "directness": "Unknown",
            "share": {"minimum": 75},
        },
    ],
    "ultimateParent": "vera-beispiel",
}


def _read(tmp_path: pathlib.Path, statements: Any, wanted: str = "acme") -> dict[str, Any]:
    path = tmp_path / "bods.json"
    path.write_text(statements if isinstance(statements, str) else json.dumps(statements))
    return fragment_of(read_bods(path, wanted, TODAY))


@pytest.mark.parametrize(
    "wanted", ["acme", "529900ACMEACMEACME12", "LEI:529900ACMEACMEACME12", ACME["statementId"]], ids=str
)
def test_a_chain_becomes_parties_and_ownership_of_the_tenant_that_is_meant(tmp_path: pathlib.Path, wanted: str) -> None:
    found = _read(tmp_path, [*CHAIN, *ELSEWHERE], wanted)
    assert found == FRAGMENT
    TenantSpec.model_validate({"legalName": "Acme", "kind": "Company", **found})


def test_statements_may_stand_one_a_line(tmp_path: pathlib.Path) -> None:
    assert _read(tmp_path, "\n\n" + "\n".join(map(json.dumps, CHAIN))) == FRAGMENT


def test_nothing_of_a_person_but_the_name_is_taken_over(tmp_path: pathlib.Path) -> None:
    assert "1970" not in json.dumps(_read(tmp_path, CHAIN))


def _again(statement: Statement, **fields: Any) -> Statement:
    return {**statement, "statementId": f"again-{statement['statementId']}", **fields}


def _of_acme(*statements: Statement) -> list[Statement]:
    return [ACME, HOLDING, PERSON, *statements]


AT_NINE = _holds("holding", "acme", _shares(80), statementDate="2026-01-31T09:00:00Z")
SOLD = _holds("holding", "acme", _shares(10), recordStatus="updated", statementDate="2026-06-30")


@pytest.mark.parametrize(
    ("statements", "ownership"),
    [
        ([_holds("holding", "acme", _shares(80)), _again(SOLD)], [{"exact": 10}]),
        ([_again(SOLD), _holds("holding", "acme", _shares(80))], [{"exact": 10}]),
        ([_again(SOLD, statementDate="2026-01-31T18:00:00Z"), AT_NINE], [{"exact": 10}]),
        ([_again(SOLD, statementDate="2026-01-31T11:00:00+03:00"), AT_NINE], [{"exact": 80}]),
        ([_holds("holding", "acme", _shares(80)), _again(SOLD, recordStatus="closed")], []),
        ([_holds("holding", "acme", _shares(80) | {"endDate": "2026-11-26"})], []),
        ([_holds("holding", "acme", _shares(80) | {"endDate": "2026-11-26T09:00:00Z"})], []),
        ([_holds("holding", "acme", _shares(80) | {"endDate": "2026-11-27"})], [{"exact": 80}]),
        ([_holds("holding", "acme")], [{}]),
        ([_holds("holding", "acme", {"type": "unknownInterest"})], [{}]),
        ([_holds("holding", "acme", {"type": "nominator"})], [{}]),
        ([_holds({"reason": "subjectUnableToConfirmOrIdentifyBeneficialOwner"}, "acme")], []),
    ],
    ids=[
        "the later statement counts",
        "whatever the order",
        "of one day by the time",
        "whatever the zone",
        "a closed record is gone",
        "an interest that has ended",
        "one that has, with a time",
        "one that will end",
        "no interest told",
        "an interest that nobody knows",
        "somebody behind a nominee",
        "nobody is named",
    ],
)
def test_what_is_in_force_counts_and_what_nobody_knows_stays_unknown(
    tmp_path: pathlib.Path, statements: list[Statement], ownership: list[dict[str, Any]]
) -> None:
    found = _read(tmp_path, _of_acme(*statements))
    assert [each.get("share", {}) for each in found.get("ownership", [])] == ownership


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ([_holds("holding", "acme", _shares(80) | {"endDate": "2026-11-26"})], "1 of its interests have ended"),
        (
            [_holds("holding", "acme", _shares(80)), _again(SOLD, recordStatus="closed")],
            "no open record says who holds",
        ),
        ([], "no open record says who holds acme; its owners stay unknown"),
        ([_holds("holding", "acme", _shares(80))], ""),
    ],
    ids=["ended", "closed", "absent", "held"],
)
def test_owners_that_are_none_any_more_are_told(tmp_path: pathlib.Path, statements: list[Statement], said: str) -> None:
    path = tmp_path / "bods.json"
    path.write_text(json.dumps(_of_acme(*statements)))
    notes = "\n".join(read_bods(path, "acme", TODAY).notes)
    assert said in notes if said else notes == ""


def test_who_is_unknown_has_no_name_and_stands_between_all_the_same(tmp_path: pathlib.Path) -> None:
    hidden = _entity("hidden", "", "unknownEntity")
    found = _read(
        tmp_path,
        [
            ACME,
            hidden,
            PERSON,
            _person("nobody", "Somebody Else", "anonymousPerson"),
            _holds("hidden", "acme", _shares(60)),
            _holds("person", "hidden", _shares(100)),
            _holds("nobody", "acme", _shares(40)),
        ],
    )
    assert [(each["id"], each["name"]) for each in found["parties"]] == [
        ("unnamed", ""),
        ("unnamed-2", ""),
        ("vera-beispiel", "Vera Beispiel"),
    ]


def test_names_in_other_scripts_get_ids_all_the_same(tmp_path: pathlib.Path) -> None:
    others = [_entity(key, name) for key, name in (("x", "示例控股"), ("y", "示例投资"), ("z", "tenant"))]
    found = _read(tmp_path, [ACME, *others, *(_holds(key, "acme", _shares(30)) for key in "xyz")])
    assert [each["id"] for each in found["parties"]] == ["party", "party-2", "tenant-2"]


def test_cross_holdings_are_taken_over(tmp_path: pathlib.Path) -> None:
    other = _entity("other", "Other AG")
    links = [_holds("holding", "acme", _shares(60)), _holds("other", "holding", _shares(60))]
    circle = [_holds("holding", "other", _shares(60)), _holds("acme", "holding", _shares(10))]
    found = _read(tmp_path, [ACME, HOLDING, other, *links, *circle])
    assert [each["owner"] for each in found["ownership"]] == [
        *("harbour-holding-b-v", "other-ag", "tenant", "harbour-holding-b-v")
    ]


def _in(statement: Statement, **details: Any) -> Statement:
    return {**statement, "recordDetails": {**statement["recordDetails"], **details}}


def _without(statement: Statement, field: str) -> Statement:
    return {name: value for name, value in statement.items() if name != field}


OWNS = _holds("holding", "acme", _shares(80))
TOO_MUCH = (_holds("state", "holding", _shares(100)), _holds("person", "holding", _shares(60, "indirect")))
REFUSED: dict[str, tuple[Any, str]] = {
    "cut short": (json.dumps(_of_acme(OWNS))[:-9], "bods.json: Input data was truncated"),
    "cut short over several lines": (
        json.dumps(_of_acme(OWNS), indent=1).rsplit("\n", 2)[0],
        f"bods.json: line {json.dumps(_of_acme(OWNS), indent=1).count(chr(10)) - 1}: Input data was truncated",
    ),
    "a comma too few": ("[{},\n{}\n{}]", "bods.json: line 3: JSON is malformed: expected ',' or ']'"),
    "cut in a line": ("\n".join(map(json.dumps, _of_acme(OWNS)))[:-9], "statement 4: Input data was truncated"),
    "empty": ("", "0 open records are meant by 'acme'"),
    "not JSON": ("[statement]", "bods.json: JSON is malformed"),
    "no array of objects": ("[1]", "statement 1: Expected `object`, got `int`"),
    "another version": (
        [{**ACME, "publicationDetails": {"bodsVersion": "0.2"}}],
        "statement 1: publicationDetails.bodsVersion: '0.2'",
    ),
    "a column gone": ([_without(ACME, "recordId")], "statement 1: Object missing required field `recordId`"),
    "a column renamed": ([{**_without(ACME, "statementId"), "statementID": "x"}], "required field `statementId`"),
    "a column of another type": ([{**ACME, "recordType": 3}], "got `int` - at `recordType`"),
    "a type that is not known": ([{**ACME, "recordType": "trust"}], "'trust' - at `recordType`"),
    "the same statement twice": ([ACME, ACME], "statement 2: statementId: 'statement-of-acme-"),
    "a record of two types": ([ACME, {**PERSON, "recordId": "acme"}], "statement 2: recordType: record 'acme'"),
    "a date in the future": ([{**ACME, "statementDate": "2026-11-27"}], "statementDate: 2026-11-27 is in the future"),
    "published in the future": (
        [{**ACME, "publicationDetails": {"publicationDate": "2027-01-01T00:00:00Z"}}],
        "statement 1: publicationDetails.publicationDate: 2027-01-01 is in the future",
    ),
    "no date": ([{**ACME, "statementDate": "yesterday"}], "statement 1: statementDate: 'yesterday' is no date"),
    "a date beside none": (
        [ACME, _without(_again(ACME, recordStatus="updated"), "statementDate")],
        "statement 2: statementDate: of record 'acme' one statement has none; which is the later?",
    ),
    "a time beside none of one day": (
        _of_acme(AT_NINE, _again(SOLD, statementDate="2026-01-31")),
        "statement 5: statementDate: of record 'holding-in-acme' one statement has no time of that day; which is the",
    ),
    "a date before all calendars": (
        [{**ACME, "statementDate": "0001-01-01T00:00:00+14:00"}],
        "statementDate: '0001-01-01T00:00:00+14:00' is no date",
    ),
    "an end before the beginning": (
        _of_acme(_holds("holding", "acme", _shares(80) | {"startDate": "2025-01-01", "endDate": "2024-01-01"})),
        "statement 4: recordDetails.interests[0].endDate: 2024-01-01 is before its startDate, 2025-01-01",
    ),
    "an interest in the future": (
        _of_acme(_holds("holding", "acme", _shares(80) | {"startDate": "2027-01-01"})),
        "statement 4: recordDetails.interests[0].startDate: 2027-01-01 is in the future",
    ),
    "an unknown country": (
        [_in(ACME, jurisdiction={"name": "Kosovo", "code": "XK"})],
        "statement 1: jurisdiction.code: 'XK' is no country",
    ),
    "an unknown country of an address": (
        [_in(ACME, addresses=[{"type": "business", "country": {"name": "UK", "code": "UK"}}])],
        "statement 1: addresses.country.code: 'UK' is no country",
    ),
    "a share over 100": (_of_acme(_holds("holding", "acme", _shares(101))), "statement 4: recordDetails.interests[0]"),
    "a share that is text": (
        _of_acme(_holds("holding", "acme", {"type": "shareholding", "share": {"exact": "80%"}})),
        "statement 4: recordDetails: Expected `float | null`, got `str` - at `interests[0].share.exact`",
    ),
    "a range upside down": (
        _of_acme(_holds("holding", "acme", _shares(minimum=60, maximum=50))),
        "statement 4: recordDetails.interests[0]: minimum is above maximum",
    ),
    "exact beside its bounds": (
        _of_acme(_holds("holding", "acme", {"type": "shareholding", "share": {"exact": 80, "maximum": 70}})),
        "recordDetails.interests[0].share.exact: 80 is not between its own bounds",
    ),
    "an interest that is none": (_of_acme(_holds("holding", "acme", {"type": "love"})), "at `interests[0].type`"),
    "over 100 together": (
        [*_of_acme(OWNS), _holds("person", "acme", _shares(30))],
        "110 percent of tenant are held directly together",
    ),
    "more than the chain has": (
        [*_of_acme(OWNS), STATE, *TOO_MUCH],
        "what is held indirectly of harbour-holding-b-v is more than its direct holders",
    ),
    "an owner without a record": ([ACME, OWNS], "recordDetails.interestedParty: there is no open record 'holding'"),
    "an owner whose record is closed": (
        [*_of_acme(OWNS), _again(HOLDING, recordStatus="closed", statementDate="2026-05-01")],
        "statement 4: recordDetails.interestedParty: there is no open record 'holding'",
    ),
    "an owner of itself": (_of_acme(_holds("acme", "acme", _shares(10))), "statement 4: recordDetails.interests[0]"),
    "two who are meant": ([ACME, _in(HOLDING, identifiers=[{"scheme": "A", "id": "acme"}])], "2 open"),
    "a person who is meant": ([_person("acme", "Acme")], "'acme' is a person"),
    "nested without end": ("[" * 100_000, "nested too deeply"),
    "a name without end": (_of_acme(_again(_in(HOLDING, name="x" * 300)), OWNS), "statement 4: name: "),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_taken_over_is_refused_with_record_and_field(
    tmp_path: pathlib.Path, statements: Any, says: str
) -> None:
    with pytest.raises(ImportProblem) as refused:
        _read(tmp_path, statements)
    assert says in str(refused.value)
    assert str(tmp_path / "bods.json") in str(refused.value)


@pytest.mark.parametrize(
    ("bound", "least", "says"),
    [
        ("LARGEST", 100, "an array of more than 100 bytes"),
        ("MOST_STATEMENTS", 3, "statement 4: more than 3 statements"),
        ("MOST_BYTES", 700, "more than 700 bytes"),
    ],
)
def test_a_huge_file_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, bound: str, least: int, says: str
) -> None:
    monkeypatch.setattr(bods, bound, least)
    with pytest.raises(ImportProblem, match=says):
        _read(tmp_path, CHAIN if bound == "LARGEST" else "\n".join(map(json.dumps, CHAIN)))


def test_a_line_without_end_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ImportProblem, match="a line of more than"):
        _read(tmp_path, "{" + " " * (2 << 20))


def test_more_parties_than_a_tenant_can_have_are_refused(tmp_path: pathlib.Path) -> None:
    owners = [_entity(f"o{number}", f"Owner {number}") for number in range(201)]
    links = [_holds(f"o{number}", "acme", _shares(0.1)) for number in range(201)]
    with pytest.raises(ImportProblem, match="more than 200 parties"):
        _read(tmp_path, [ACME, *owners, *links])


@given(st.integers(0, 5000), st.binary(max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_broken_file_is_refused_or_read_and_never_more(tmp_path: pathlib.Path, at: int, put: bytes) -> None:
    whole = json.dumps(CHAIN).encode()
    path = tmp_path / "broken.json"
    path.write_bytes(whole[: at % len(whole)] + put + whole[at % len(whole) + len(put) :])
    refusal = ""
    try:
        fragment_of(read_bods(path, "acme", TODAY))
    except ImportProblem as refused:
        refusal = str(refused)
    assert not refusal or str(path) in refusal
