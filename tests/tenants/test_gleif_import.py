"""GLEIF's level 2 data give control and the ultimate parent, never a share; what is wrong is refused with its line."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from admission.tenants.imports import elements, gleif
from admission.tenants.imports.fragment import ImportProblem, fragment_of
from admission.tenants.imports.gleif import REASONS, read_gleif
from admission.tenants.ownership import graph_of
from admission.tenants.ternary import Ternary
from tests.tenants.statements import tenant

if TYPE_CHECKING:
    import pathlib

TODAY = dt.date(2026, 11, 26)
ACME, MIDDLE, TOP, OTHER = (f"{word:0<18}12" for word in ("ACME", "MIDDLE", "TOP", "OTHER"))
DIRECT, ULTIMATE = "IS_DIRECTLY_CONSOLIDATED_BY", "IS_ULTIMATELY_CONSOLIDATED_BY"


def _relation(child: str, parent: str, kind: str = DIRECT, **changed: str) -> str:
    given = {"status": "ACTIVE", "registration": "PUBLISHED", "node": "LEI", "start": "2020-01-01T00:00:00Z", "end": ""}
    known = given | changed
    end = f"<rr:EndDate>{known['end']}</rr:EndDate>" if known["end"] else ""
    return f"""
<rr:RelationshipRecord><rr:Relationship>
<rr:StartNode><rr:NodeID>{child}</rr:NodeID><rr:NodeIDType>{known["node"]}</rr:NodeIDType></rr:StartNode>
<rr:EndNode><rr:NodeID>{parent}</rr:NodeID><rr:NodeIDType>LEI</rr:NodeIDType></rr:EndNode>
<rr:RelationshipType>{kind}</rr:RelationshipType>
<rr:RelationshipPeriods>
<rr:RelationshipPeriod><rr:StartDate>2026-01-01T00:00:00Z</rr:StartDate><rr:EndDate>2026-06-30T00:00:00Z</rr:EndDate>
<rr:PeriodType>ACCOUNTING_PERIOD</rr:PeriodType></rr:RelationshipPeriod>
<rr:RelationshipPeriod><rr:StartDate>{known["start"]}</rr:StartDate>{end}
<rr:PeriodType>RELATIONSHIP_PERIOD</rr:PeriodType></rr:RelationshipPeriod>
</rr:RelationshipPeriods>
<rr:RelationshipStatus>{known["status"]}</rr:RelationshipStatus>
<rr:RelationshipQuantifiers><rr:RelationshipQuantifier><rr:QuantifierAmount>1.00</rr:QuantifierAmount>
</rr:RelationshipQuantifier></rr:RelationshipQuantifiers>
</rr:Relationship>
<rr:Registration><rr:RegistrationStatus>{known["registration"]}</rr:RegistrationStatus></rr:Registration>
</rr:RelationshipRecord>"""


def _relations(*records: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rr:RelationshipData xmlns:rr="http://www.gleif.org/data/schema/rr/2016">'
        f"<rr:Header/><rr:RelationshipRecords>{''.join(records)}</rr:RelationshipRecords></rr:RelationshipData>"
    )


def _exception(lei: str, reason: str, kind: str = "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT") -> str:
    return (
        f"\n<x:Exception><x:LEI>{lei}</x:LEI><x:ExceptionCategory>{kind}</x:ExceptionCategory>"
        f"<x:ExceptionReason>{reason}</x:ExceptionReason></x:Exception>"
    )


def _exceptions(*records: str) -> str:
    return (
        '<x:ReportingExceptionData xmlns:x="http://www.gleif.org/data/schema/repex/2016"><x:ReportingExceptions>'
        f"{''.join(records)}</x:ReportingExceptions></x:ReportingExceptionData>"
    )


def _entity(lei: str, name: str, country: str, jurisdiction: str) -> str:
    return (
        f"\n<l:LEIRecord><l:LEI>{lei}</l:LEI><l:Entity><l:LegalName xml:lang='en'>{name}</l:LegalName>"
        f"<l:HeadquartersAddress><l:Country>{country}</l:Country></l:HeadquartersAddress>"
        f"<l:LegalJurisdiction>{jurisdiction}</l:LegalJurisdiction></l:Entity></l:LEIRecord>"
    )


def _entities(*records: str) -> str:
    return (
        '<l:LEIData xmlns:l="http://www.gleif.org/data/schema/leidata/2016"><l:LEIRecords>'
        f"{''.join(records)}</l:LEIRecords></l:LEIData>"
    )


CHAIN = (
    _relation(ACME, MIDDLE),
    _relation(ACME, TOP, ULTIMATE, registration="LAPSED"),
    _relation(MIDDLE, TOP),
    _relation(OTHER, MIDDLE),
    _relation(ACME, OTHER, ULTIMATE, status="INACTIVE"),
    _relation(ACME, OTHER, DIRECT, registration="ANNULLED"),
    _relation(MIDDLE, OTHER, ULTIMATE, end="2025-12-31T00:00:00Z"),
    _relation(TOP, OTHER, "IS_FUND-MANAGED_BY", status="NULL"),
)
NAMES = _entities(
    _entity(TOP, "Top &amp; Söhne AG", "CH", "CH"),
    _entity(MIDDLE, "Middle LLC", "US", "US-DE"),
    _entity(OTHER, "Other", "FR", "FR"),
)


def _read(tmp_path: pathlib.Path, *texts: str | bytes, lei: str = ACME) -> dict[str, Any]:
    paths = [tmp_path / f"{number}.xml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_gleif(paths, lei, TODAY)
    return {**fragment_of(found), "notes": found.notes}


def test_who_consolidates_whom_becomes_control_and_the_ultimate_parent(tmp_path: pathlib.Path) -> None:
    found = _read(tmp_path, _relations(*CHAIN), NAMES)
    notes = found.pop("notes")
    assert found == {
        "parties": [
            {
                "id": "middle-llc",
                "name": "Middle LLC",
                "headquarters": "US",
                "incorporation": "US",
                "identifiers": [{"scheme": "LEI", "id": MIDDLE}],
            },
            {
                "id": "party",
                "name": "Top & Söhne AG",
                "headquarters": "CH",
                "incorporation": "CH",
                "identifiers": [{"scheme": "LEI", "id": TOP}],
            },
        ],
        "ownership": [
            {"owner": "middle-llc", "interest": "Control"},
            {"owner": "party", "interest": "Control", "directness": "Indirect"},
            {"owner": "party", "owned": "middle-llc", "interest": "Control"},
        ],
        "ultimateParent": "party",
    }
    assert len(notes) == 1
    assert f"{ULTIMATE} {TOP} was not renewed" in notes[0]


def test_the_ultimate_parent_stands_above_the_direct_one_though_no_record_says_so(tmp_path: pathlib.Path) -> None:
    found = _read(tmp_path, _relations(_relation(ACME, MIDDLE), _relation(ACME, TOP, ULTIMATE)), NAMES)
    found.pop("notes")
    between = {"owner": "party", "owned": "middle-llc", "interest": "Control", "directness": "Unknown"}
    assert between in found["ownership"]
    assert graph_of(tenant(found).spec).contradicts("party") == ""


def test_nobodys_shares_are_known_from_it(tmp_path: pathlib.Path) -> None:
    found = _read(tmp_path, _relations(*CHAIN), NAMES)
    found.pop("notes")
    graph = graph_of(tenant(found).spec)
    assert graph.owned_by(lambda party: Ternary(2 * (party == "party"))) is Ternary.FALSE
    assert graph.owned_by(lambda party: Ternary.UNKNOWN if party == "?" else Ternary.FALSE) is Ternary.UNKNOWN
    assert graph.unnamed_from(25)


def test_without_names_parties_stay_unnamed(tmp_path: pathlib.Path) -> None:
    found = _read(tmp_path, _relations(*CHAIN))
    assert [(each["id"], each["name"], "headquarters" in each) for each in found["parties"]] == [
        ("unnamed", "", False),
        ("unnamed-2", "", False),
    ]


@pytest.mark.parametrize("reason", REASONS)
def test_no_reason_for_reporting_no_parent_clears_anybody(tmp_path: pathlib.Path, reason: str) -> None:
    found = _read(tmp_path, _exceptions(_exception(ACME, reason), _exception(OTHER, "NO_LEI")))
    notes = found.pop("notes")
    assert found == {}
    assert len(notes) == 1
    assert f"line 2: {reason}: {REASONS[reason]}; the parent stays unknown" in notes[0]


def _changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


ONE = _relations(_relation(ACME, MIDDLE))
BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">]>'
REFUSED: dict[str, tuple[tuple[str | bytes, ...], str]] = {
    "cut short": ((_relations(*CHAIN)[:-40],), "0.xml: line 130: unclosed token"),
    "cut in the middle": ((_relations(*CHAIN)[:1000],), "0.xml: line 14: unclosed token"),
    "empty": (("",), "0.xml: line 1: no element found"),
    "an archive": ((b"PK\x03\x04rest",), "0.xml: line 1: not well-formed"),
    "not UTF-8": ((ONE.encode()[:300] + b"\xff" + ONE.encode()[300:],), "0.xml: line "),
    **{
        f"in {encoding}": ((_changed(ONE, "UTF-8", encoding),), "0.xml: line 1: an encoding that is not read")
        for encoding in ("foo", "shift_jis", "utf-7", "idna", "hex")
    },
    "JSON": (("[]",), "0.xml: line 1: syntax error"),
    "another document": (("<html/>",), "0.xml: line 1: 'html' is none of RelationshipData"),
    "a document type": ((_changed(ONE, "<rr:RelationshipData", f"{BOMB}<rr:RelationshipData"),), "a document type"),
    "an element gone": (
        (_changed(ONE, f"<rr:RelationshipType>{DIRECT}</rr:RelationshipType>", ""),),
        "line 3: Relationship/RelationshipType: '' is not known",
    ),
    "an element renamed": ((_changed(ONE, "rr:NodeID>", "rr:Node>"),), "Relationship/StartNode/NodeID: '' is no LEI"),
    "a type that is not known": ((_relations(_relation(ACME, TOP, "IS_FRIEND_OF")),), "'IS_FRIEND_OF' is not known"),
    "a status that is not known": ((_relations(_relation(ACME, TOP, status="SO")),), "RelationshipStatus: 'SO'"),
    "an unknown registration": ((_relations(_relation(ACME, TOP, registration="")),), "RegistrationStatus: ''"),
    "no LEI": ((_relations(_relation("acme", TOP)),), "line 3: Relationship/StartNode/NodeID: 'acme' is no LEI"),
    "a node of another register": ((_relations(_relation(ACME, TOP, node="BIC")),), "NodeIDType: 'BIC' is not LEI"),
    "a date in the future": (
        (_relations(_relation(ACME, TOP, start="2026-11-27T00:00:00Z")),),
        "RelationshipPeriod/StartDate: 2026-11-27 is in the future",
    ),
    "no date": ((_relations(_relation(ACME, TOP, start="soon")),), "StartDate: 'soon' is no instant"),
    "above itself": ((_relations(_relation(ACME, ACME)),), f"line 3: EndNode: {ACME} stands above itself"),
    "a cycle": (
        (_relations(_relation(ACME, MIDDLE), _relation(MIDDLE, TOP), _relation(TOP, MIDDLE)),),
        "stands above itself",
    ),
    "a record twice": ((_relations(*[_relation(ACME, TOP)] * 2),), "the same relationship stands in"),
    "two ultimate parents": (
        (_relations(_relation(ACME, TOP, ULTIMATE), _relation(ACME, OTHER, ULTIMATE)),),
        "EndNode: another ultimate parent than in",
    ),
    "an ultimate parent below another": (
        (_relations(_relation(ACME, TOP, ULTIMATE), _relation(TOP, OTHER)),),
        "has a parent itself",
    ),
    "a parent that is excused": (
        (_relations(_relation(ACME, TOP, ULTIMATE)), _exceptions(_exception(ACME, "NO_LEI"))),
        "1.xml: line 2: ExceptionCategory: a parent is reported in",
    ),
    "a reason that is not known": ((_exceptions(_exception(ACME, "SHY")),), "line 2: ExceptionReason: 'SHY'"),
    "a category that is not known": ((_exceptions(_exception(ACME, "NO_LEI", "X")),), "line 2: ExceptionCategory: 'X'"),
    "an unknown country": (
        (ONE, _entities(_entity(MIDDLE, "Middle", "XK", "US"))),
        "1.xml: line 2: Entity/HeadquartersAddress/Country: 'XK' is no country",
    ),
    "an entity twice": ((ONE, _entities(*[_entity(MIDDLE, "Middle", "US", "US")] * 2)), "1.xml: line 3: LEI: MIDDLE"),
    "nothing about the tenant": ((_relations(_relation(OTHER, TOP)),), f"no record in force is about {ACME}"),
    "nested without end": (("<rr:RelationshipData xmlns:rr='x'>" + "<a>" * 40,), "more than 32 levels"),
    "a record without end": (
        (_changed(ONE, "<rr:RelationshipQuantifiers>", "<rr:RelationshipQuantifiers>" + "<q/>" * 5000),),
        "more than 4096 elements in one record",
    ),
    "a text without end": ((_changed(ONE, DIRECT, "x" * 300_000),), "characters in one record"),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_taken_over_is_refused_with_line_and_element(
    tmp_path: pathlib.Path, texts: tuple[str | bytes, ...], says: str
) -> None:
    with pytest.raises(ImportProblem) as refused:
        _read(tmp_path, *texts)
    assert says in str(refused.value)


def test_a_huge_file_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gleif, "MOST_RELATIONS", 2)
    with pytest.raises(ImportProblem, match="more than 2 records; cut out an extract"):
        _read(tmp_path, _relations(*CHAIN))


def test_records_are_read_in_pieces_and_only_one_is_kept(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "CHUNK", 7)
    path = tmp_path / "relations.xml"
    path.write_text(_relations(*CHAIN))
    reading = elements.records_of(path, frozenset({"RelationshipRecord"}))
    assert [each.word("Relationship/StartNode/NodeID") for each in reading] == [
        *(ACME, ACME, MIDDLE, OTHER, ACME, ACME, MIDDLE, TOP)
    ]
