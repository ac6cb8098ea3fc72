"""Which tenants are of one ownership group: those under the same party at the top, by its registered name."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.tenants.group import Groups, Top
from admission.tenants.standing import standing_of
from tests.tenants.statements import tenant

if TYPE_CHECKING:
    import random


def _group(spec: dict[str, Any] | None = None) -> str:
    return standing_of(tenant(spec)).group


def _owned(*statements: tuple[str, str, int], **names: str) -> dict[str, Any]:
    """Return the facts of a tenant owned so; a party's name is its id unless ``names`` says another."""
    ids = sorted({each for owner, owned, _ in statements for each in (owner, owned)} - {"tenant"})
    return {
        "parties": [{"id": each, "name": names.get(each, each)} for each in ids],
        "ownership": [
            {"owner": owner, "owned": owned, "share": {"exact": share}} for owner, owned, share in statements
        ],
    }


def _itself(name: str) -> str:
    return _group({"legalName": name})


@pytest.mark.parametrize(
    ("spec", "top"),
    [
        ({}, "Acme Ltd."),
        (_owned(("a", "tenant", 49)), "Acme Ltd."),
        (_owned(("a", "tenant", 50)), "a"),
        (_owned(("a", "tenant", 100), ("b", "a", 60), ("c", "b", 50)), "c"),
        (_owned(("a", "tenant", 100), ("b", "a", 49)), "a"),
        (_owned(("a", "tenant", 30), ("b", "tenant", 25), ("a", "b", 100)), "a"),
        (_owned(("b", "tenant", 50), ("a", "tenant", 50)), "a"),
        (_owned(("b", "tenant", 50), ("a", "tenant", 50), a="Zulu", b="Bravo"), "Bravo"),
        (_owned(("a", "tenant", 100), ("b", "a", 60), ("a", "b", 60)), "a"),
        (_owned(("a", "tenant", 100), a="  PARENT co, Ｌtd"), "Parent Co., Ltd."),
        (_owned(("a", "tenant", 100), a="中芯集团"), "中芯集团"),
        (_owned(("a", "tenant", 100), ("b", "a", 10)) | {"ultimateParent": "b"}, "b"),
    ],
    ids=[
        "nobody named",
        "less than half",
        "half",
        "along the chain",
        "the chain ends where nobody has half",
        "in aggregate",
        "two halves: the name that sorts first",
        "whatever their ids",
        "owners of each other",
        "spelled otherwise",
        "in its own script",
        "the declared parent, whoever owns",
    ],
)
def test_a_group_is_that_of_the_party_at_the_top(spec: dict[str, Any], top: str) -> None:
    assert _group(spec) == _itself(top)


def test_other_names_are_other_groups() -> None:
    names = ["Acme", "Acme 2", "ACME GmbH", "-", "--", "中芯", ""]
    found = {_group(_owned(("a", "tenant", 100), a=name)) for name in names}
    assert len(found) == len(names)


LEI = "5299000J2N45DDNE4Y28"


def _top(name: str, *ids: str) -> Top:
    """Return the party at the top of a tenant that is owned by one of this name, with identifiers."""
    identifiers = [{"scheme": "LEI", "id": each} for each in ids]
    owner = {"parties": [{"id": "a", "name": name, "identifiers": identifiers}]}
    return standing_of(tenant(owner | {"ownership": [{"owner": "a", "share": {"exact": 100}}]})).top


def _joined(**tops: Top) -> set[frozenset[str]]:
    """Return which tenants are of one group, whatever the order in which they come."""
    found = set[frozenset[frozenset[str]]]()
    for order in itertools.permutations(tops):
        groups, known = Groups(), dict[str, str]()
        for name in order:
            known |= groups.put(name, tops[name])
        together = defaultdict[str, set[str]](set)
        for name, group in known.items():
            together[group].add(name)
        found.add(frozenset(map(frozenset, together.values())))
    (same,) = found
    return set(same)


def test_parties_that_share_an_identifier_are_one_however_their_names_are_spelled() -> None:
    assert _joined(a=_top("Rotkehl Holding AG", LEI), b=_top("ROTKEHL Hldg", LEI), c=_top("Rotkehl", LEI.lower())) == {
        frozenset("abc")
    }
    assert _joined(a=_top("A", LEI), b=_top("B"), c=_top("A", "OTHER-0001"), d=_top("D", "other0001")) == {
        frozenset("acd"),
        frozenset("b"),
    }
    assert _joined(a=_top("A", "N/A"), b=_top("B", "N/A"), c=_top("C", "")) == {*map(frozenset, "abc")}


def test_a_group_of_one_name_keeps_its_key_and_is_that_again_when_the_others_are_gone() -> None:
    one, other = _top("A", LEI), _top("B", LEI)
    groups = Groups()
    alone = groups.put("a", one)
    joined = groups.put("b", other)
    assert alone == {"a": _itself("A")}
    assert joined == dict.fromkeys("ab", min(one.identifiers))
    assert groups.put("c", _top("C", LEI)) == dict.fromkeys("abc", min(one.identifiers))
    assert groups.put("b", None).keys() | groups.put("c", None).keys() == {"a", "c"}
    assert groups.put("a", one) == alone


NAMED = st.sampled_from("abc")
TOPS = st.none() | st.builds(_top, NAMED, st.sampled_from(["", "number-1", "number-2", "number-3"]))


@given(st.lists(st.tuples(st.sampled_from("pqrst"), TOPS), max_size=12))
def test_whatever_comes_and_goes_the_groups_are_those_of_what_is_there(changes: list[tuple[str, Top | None]]) -> None:
    groups, known, there = Groups(), dict[str, str](), dict[str, Top]()
    for name, top in changes:
        known |= groups.put(name, top)
        there = {each: its for each, its in {**there, name: top}.items() if its is not None}
    anew, expected = Groups(), dict[str, str]()
    for name, its in there.items():
        expected |= anew.put(name, its)
    assert {name: known[name] for name in there} == expected


PARTIES = "abcdefgh"
STATEMENTS = st.lists(
    st.tuples(st.sampled_from(PARTIES), st.sampled_from(["tenant", *PARTIES]), st.sampled_from([20, 50, 60])).filter(
        lambda each: each[0] != each[1]
    ),
    max_size=16,
    unique_by=lambda each: each[:2],
)


@given(STATEMENTS, st.randoms())
def test_the_order_in_which_owners_are_stated_changes_no_group(statements: list[Any], shuffler: random.Random) -> None:
    shuffled = list(statements)
    shuffler.shuffle(shuffled)
    assert _group(_owned(*statements)) == _group(_owned(*shuffled))


@given(STATEMENTS)
def test_whoever_is_at_the_top_owns_the_tenant_and_is_owned_by_no_other_that_does(statements: list[Any]) -> None:
    graph = standing_of(tenant(_owned(*statements))).graph
    owning = {party for party in PARTIES if graph.owned_for_certain(party.__eq__)}
    assert graph.tops() <= owning
    assert bool(graph.tops()) is bool(owning)
