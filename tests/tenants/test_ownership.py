"""The 50 percent rule: stepwise, in aggregate, with bounds; the examples of OFAC's FAQ 398 to 402."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from admission.api.policy import Fact
from admission.tenants.contradictions import contradiction_of
from admission.tenants.ownership import graph_of
from admission.tenants.standing import standing_of
from admission.tenants.ternary import Ternary
from tests.tenants.statements import Stated, among, graph, tenant

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec

YES, NO, OPEN = Ternary.TRUE, Ternary.FALSE, Ternary.UNKNOWN
ME = "tenant"


# Published examples: blocked persons x and y, entities a, b and c; whether the last entity is theirs. What OFAC's
# examples leave open is with others who are nobody's (h, a state), and the entity that is asked about is the tenant.
EXAMPLES: dict[str, tuple[list[Stated], str, Ternary]] = {
    "FAQ 399: 25 of X and 25 of Y are 50 in aggregate": ([("x", ME, 25), ("y", ME, 25), ("h", ME, 50)], "xy", YES),
    "FAQ 399: X alone has too little": ([("x", ME, 25), ("y", ME, 25), ("h", ME, 50)], "x", NO),
    "FAQ 401 example 1": ([("x", "a", 50), ("h", "a", 50), ("a", ME, 50), ("h", ME, 50)], "x", YES),
    "FAQ 401 example 2": (
        [
            *(("x", "a", 50), ("h", "a", 50), ("x", "b", 50), ("h", "b", 50)),
            *(("a", ME, 25), ("b", ME, 25), ("h", ME, 50)),
        ],
        "x",
        YES,
    ),
    "FAQ 401 example 3": ([("x", "a", 50), ("h", "a", 50), ("x", ME, 10), ("a", ME, 40), ("h", ME, 50)], "x", YES),
    "FAQ 401 example 4": (
        [
            *(("x", "a", 50), ("h", "a", 50), ("x", "b", 25), ("h", "b", 75)),
            *(("a", ME, 25), ("b", ME, 25), ("h", ME, 50)),
        ],
        "x",
        NO,
    ),
    "FAQ 401 example 5": (
        [("x", "a", 25), ("h", "a", 75), ("x", "b", 25), ("h", "b", 75), ("a", ME, 50), ("b", ME, 50)],
        "x",
        NO,
    ),
    "FAQ 402: X has sold down to less than half": ([("x", ME, 49), ("h", ME, 51)], "x", NO),
}


@pytest.mark.parametrize(("statements", "blocked", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_published_examples_of_the_50_percent_rule(
    statements: list[Stated], blocked: str, expected: Ternary
) -> None:
    assert graph(*statements, **dict.fromkeys("xyh", "State")).owned_by(among(*blocked)) is expected


@pytest.mark.parametrize(
    ("statements", "top", "expected"),
    [
        ([("a", ME, 100)], ME, "a"),
        ([("a", ME, 49), ("b", ME, 51)], ME, "b"),
        ([("a", ME, None)], ME, ""),
        ([("p", ME, 100)], ME, ""),
        ([("a", "p", 100), ("p", ME, 100)], ME, "a"),
        ([("a", ME, 100), (ME, "a", 100)], ME, "a"),
        ([("h", ME, 100)], "h", ""),
        ([("h", ME, 100), ("a", "h", 50)], "h", "a"),
        ([("h", ME, 100), ("p", "h", 100)], "h", ""),
        ([("h", ME, 100), ("a", "h", 60), ("h", "a", 60)], "h", ""),
        ([("h", ME, 50), ("a", ME, 50)], "h", ""),
        ([("h", ME, 49), ("a", ME, 51)], "h", "a"),
        ([("a", ME, 100), ("h", "b", 100)], "h", "a"),
        ([("a", ME, 100), ("h", "a", None)], "h", ""),
    ],
)
def test_who_owns_half_or_more_belies_that_another_is_at_the_top(
    statements: list[Stated], top: str, expected: str
) -> None:
    assert graph(*statements, h="SG", p="NaturalPerson").contradicts(top) == expected


@pytest.mark.parametrize(
    ("declared", "field"),
    [({"independent": True}, "independent"), ({"ultimateParent": "b"}, "ultimateParent"), ({}, "")],
)
def test_a_parent_that_the_statements_belie_is_told_by_its_field(declared: dict[str, Any], field: str) -> None:
    known = [{"id": each, "name": each, "headquarters": "SG"} for each in "ab"]
    found = contradiction_of(
        tenant({**declared, "parties": known, "ownership": [{"owner": "a", "share": {"exact": 50}}]}).spec
    )
    assert found[: found.find(" owns")] == (f"spec.{field}: a" if field else "")


CONTROL = {"interest": "Control"}
WHOLLY = {"share": {"exact": 100}}
POSING = {"id": "posing", "name": "A Holding Ltd", "type": "State", "headquarters": "SG"}


@pytest.mark.parametrize(
    ("stated", "top", "expected"),
    [
        ([("a", ME, CONTROL)], ME, "a"),
        ([("a", "b", CONTROL), ("b", ME, CONTROL)], ME, "a"),
        ([("a", "p", CONTROL), ("p", ME, WHOLLY)], ME, "a"),
        ([("p", ME, CONTROL)], ME, ""),
        ([("a", "b", CONTROL), ("b", ME, {"share": {"exact": 49}})], ME, ""),
        ([("h", ME, WHOLLY), ("a", "h", CONTROL)], "h", "a"),
        ([("h", ME, WHOLLY), ("a", "b", CONTROL), ("b", "h", CONTROL)], "h", "a"),
        ([("h", ME, WHOLLY), ("a", ME, CONTROL)], "h", "a"),
        ([("a", ME, CONTROL)], "h", "a"),
        ([("h", ME, WHOLLY), ("p", "h", CONTROL)], "h", ""),
        ([("a", ME, CONTROL), ("h", "a", CONTROL)], "h", ""),
        ([("a", ME, CONTROL), ("h", "a", {"share": {"exact": 60}})], "h", ""),
        ([("a", ME, CONTROL), ("h", "a", {})], "h", "a"),
        ([("a", ME, CONTROL), ("h", ME, CONTROL)], "h", "a"),
        ([("a", ME, CONTROL), ("h", ME, WHOLLY), ("h", ME, CONTROL)], "h", "a"),
        ([("a", "h", CONTROL), ("h", "a", CONTROL), ("h", ME, CONTROL)], "h", "a"),
        ([("a", ME, CONTROL), ("h", "a", CONTROL), ("h", ME, CONTROL)], "h", ""),
        ([("a", ME, CONTROL), ("p", ME, CONTROL), ("p", ME, WHOLLY)], "p", "a"),
    ],
)
def test_who_controls_belies_that_another_is_at_the_top(
    stated: list[tuple[str, str, dict[str, Any]]], top: str, expected: str
) -> None:
    known = [{"id": each, "name": each} for each in "abh"] + [{"id": "p", "name": "P", "type": "NaturalPerson"}]
    ownership = [{"owner": owner, "owned": owned, **what} for owner, owned, what in stated]
    declared = {"independent": True} if top == ME else {"ultimateParent": top}
    standing = standing_of(tenant({"parties": known, "ownership": ownership, **declared}))
    assert standing.graph.contradicts(top) == expected
    assert bool(standing.problem) is bool(expected)
    assert (standing.facts[Fact.UltimateParentHeadquarters] is None) is bool(expected or top == "h")


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"independent": True}, "independent"),
        ({}, "ultimateParent"),
        ({"ultimateParent": "firm"}, "ultimateParent"),
        ({"ultimateParent": "posing"}, "ultimateParent"),
        ({"ultimateParent": "state"}, ""),
    ],
)
@pytest.mark.parametrize("kind", ["StateBody", "Government"])
def test_a_state_body_and_a_government_name_their_state(declared: dict[str, Any], field: str, kind: str) -> None:
    known = [
        {"id": "firm", "name": "A Holding", "headquarters": "SG"},
        {"id": "state", "name": "A State", "type": "State", "headquarters": "SG"},
        *([POSING] if declared.get("ultimateParent") == "posing" else []),
    ]
    standing = standing_of(tenant({"kind": kind, "legalName": "An Office", "parties": known, **declared}))
    assert standing.problem.partition(":")[0] == (f"spec.{field}" if field else "")
    assert standing.facts[Fact.UltimateParentHeadquarters] == (None if field else frozenset({"SG"}))


def test_control_without_ownership_is_not_ownership() -> None:
    """FAQ 398: the rule speaks only to ownership and not to control."""
    known = [{"id": each, "name": each, "type": "State"} for each in "xh"]
    stated = [{"owner": "x", "interest": "Control"}, {"owner": "h", "share": {"exact": 100}}]
    assert graph_of(tenant({"parties": known, "ownership": stated}).spec).owned_by(among("x")) is NO


@pytest.mark.parametrize(
    ("statements", "blocked", "expected"),
    [
        ([("a", ME, 25), ("b", ME, 24.9), ("c", ME, 50.1)], "ab", NO),
        ([("a", ME, 50), ("b", ME, 50)], "a", YES),
        ([("a", ME, 0.3), ("b", ME, 32.3), ("c", ME, 17.4), ("d", ME, 50)], "abc", YES),
        ([("a", ME, 49.9999999), ("b", ME, 50.0000001)], "a", NO),
        ([("b", "a", 49.9), ("c", "a", 50.1), ("a", ME, 50), ("d", ME, 50)], "b", NO),
        # Cross-holdings and cycles end.
        ([("a", ME, 60), ("b", ME, 40), ("b", "a", 60), ("a", "b", 60), ("c", "a", 40), ("d", "b", 40)], "c", NO),
        ([("a", ME, 60), ("b", ME, 40), ("b", "a", 60), ("a", "b", 40), ("d", "b", 60), ("e", "a", 40)], "d", YES),
        ([("a", "b", 100), ("b", "a", 100), ("a", ME, 100)], "c", NO),
        ([("b", ME, 100), (ME, "a", 40), ("b", "a", 60)], "a", NO),
        # Ranges: the lower bound decides, the upper one doubts.
        ([("a", ME, (50, 75)), ("b", ME, (25, 50))], "a", YES),
        ([("a", ME, (25, 50)), ("b", ME, (50, 75))], "a", OPEN),
        ([("a", ME, (25, 49)), ("b", ME, (51, 75))], "a", NO),
        ([("a", ME, None), ("b", ME, 30), ("c", ME, 20)], "a", OPEN),
        ([("a", ME, None), ("b", ME, 51)], "a", NO),
        ([("a", ME, (25, 75)), ("b", ME, 40), ("c", ME, 20)], "a", NO),
        # Who is not named may be anybody, up to what is left.
        ([], "a", OPEN),
        ([("b", ME, 50)], "a", OPEN),
        ([("b", ME, 51)], "a", NO),
        ([("b", ME, 51), ("c", "b", 50)], "a", OPEN),
        # Owners that hold more than everything: nothing is known any more.
        ([("b", ME, 60), ("c", ME, 60)], "a", OPEN),
        ([("a", ME, 60), ("c", ME, 60)], "a", OPEN),
        ([("d", ME, 100), ("a", "b", 60), ("c", "b", 60)], "a", OPEN),
        # Open ends: more than 50 leaves less than half to everybody else, and less than 50 never is half.
        ([("a", ME, "<50"), ("b", ME, ">50")], "a", NO),
        ([("a", ME, "<50"), ("b", ME, (50, 100))], "a", OPEN),
        ([("a", ME, "<=50"), ("b", ME, (50, 100))], "a", OPEN),
        ([("b", ME, ">50")], "a", NO),
        ([("b", ME, (50, 100))], "a", OPEN),
        ([("a", ME, ">50")], "a", YES),
        ([("a", ME, ">49"), ("b", ME, "<=51")], "a", OPEN),
        ([("a", ME, "<25"), ("b", ME, "<25"), ("c", ME, 50)], "ab", OPEN),
        ([("b", ME, 33.4), ("c", ME, 33.3), ("d", ME, 33.3)], "a", NO),
    ],
)
def test_half_or_more_in_aggregate_step_by_step(statements: list[Stated], blocked: str, expected: Ternary) -> None:
    tops = {
        owner: "State"
        for owner, _, _ in statements
        if owner != ME and all(owner != owned for _, owned, _ in statements)
    }
    found = graph(*statements, **tops).owned_by(among(*blocked))
    assert found is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("NaturalPerson", NO), ("State", NO), ("US", OPEN)],
    ids=["a natural person", "a state", "an entity whose owners nobody names"],
)
def test_nobody_stands_above(kind: str, expected: Ternary) -> None:
    assert graph(("b", ME, 100), b=kind).owned_by(among("a")) is expected


def test_a_party_called_unnamed_is_a_party_like_any_other() -> None:
    assert graph(("unnamed", ME, 60), unnamed="CN").owned_by(among("unnamed")) is YES


KNOWN = [{"id": each, "name": each, "type": "State"} for each in "xyh"] + [{"id": "a", "name": "A"}]


def _spec(*stated: tuple[Any, ...], **spec: Any) -> TenantSpec:
    """Statements are (owner, owned, share, directness, interest), from the right on left out."""
    names = ("owner", "owned", "share", "directness", "interest")
    ownership = [dict(zip(names, each, strict=False)) for each in stated]
    return tenant({"parties": KNOWN, "ownership": ownership, **spec}).spec


def _exactly(percent: float) -> dict[str, float]:
    return {"exact": percent}


ALL, HALF, SOME = _exactly(100), _exactly(50), _exactly(30)
CHAIN = (("a", ME, SOME), ("h", ME, _exactly(70)), ("x", "a", HALF), ("h", "a", HALF))
"""X owns half of A, which has 30 percent of the tenant: the 30 are X's."""


@pytest.mark.parametrize(
    ("stated", "blocked", "expected"),
    [
        (CHAIN, "x", NO),
        ((*CHAIN, ("x", ME, SOME, "Indirect")), "x", NO),
        ((*CHAIN, ("x", ME, SOME, "Unknown")), "x", NO),
        ((*CHAIN, ("x", ME, {}, "Indirect")), "x", NO),
        ((*CHAIN, ("x", ME, _exactly(60), "Indirect")), "x", OPEN),
        ((*CHAIN, ("y", ME, SOME, "Indirect")), "y", OPEN),
        ((*CHAIN, ("y", ME, {}, "Indirect")), "h", OPEN),
        ((("x", ME, _exactly(60), "Indirect"),), "x", YES),
        ((("x", ME, {"exclusiveMinimum": 50}, "Unknown"),), "x", YES),
        ((("x", ME, SOME, "Indirect"),), "x", OPEN),
        ((("x", ME, SOME, "Indirect"), ("h", ME, _exactly(60))), "x", NO),
        ((("x", ME, _exactly(10)), ("x", ME, _exactly(40), "Indirect"), ("h", ME, _exactly(40))), "x", YES),
        ((("x", ME, _exactly(40)), ("x", ME, _exactly(40), "Unknown"), ("h", ME, _exactly(60))), "x", NO),
        ((("x", ME, ALL), ("x", ME, {}, "Indirect")), "x", YES),
        ((("a", ME, _exactly(60)), ("h", ME, _exactly(40)), ("a", ME, SOME, "Indirect")), "a", OPEN),
        ((("x", ME, SOME, "Indirect"), ("y", ME, SOME, "Indirect"), ("h", ME, HALF)), "xy", OPEN),
        ((("x", ME, SOME, "Indirect"), ("y", ME, SOME, "Indirect"), ("h", ME, _exactly(51))), "xy", NO),
        ((("x", ME, _exactly(60), "Indirect"),), "h", OPEN),
    ],
    ids=[
        "the chain alone",
        "the chain said again",
        "the chain, perhaps said again",
        "through the chain, nobody knows how much",
        "more than the chain has",
        "another than the chain leads to",
        "another, nobody knows how much",
        "half and more, and no chain stated",
        "half and more, directly or not",
        "less, and no chain stated",
        "less than what others leave",
        "10 itself and 40 through others",
        "40 itself, perhaps said again",
        "all of it itself, and something through others",
        "through itself",
        "two who may hold through the same",
        "two who share what others leave",
        "what others hold indirectly leaves it open who stands between",
    ],
)
def test_an_indirect_share_is_neither_added_to_the_chain_nor_lost(
    stated: tuple[Any, ...], blocked: str, expected: Ternary
) -> None:
    assert graph_of(_spec(*stated)).owned_by(among(*blocked)) is expected


@pytest.mark.parametrize(
    ("stated", "blocked", "expected"),
    [
        ((("x", ME, SOME), ("x", ME, _exactly(25), "Direct", "VotingRights"), ("h", ME, _exactly(70))), "x", NO),
        ((("x", ME, SOME), ("x", ME, _exactly(60), "Direct", "VotingRights"), ("h", ME, _exactly(70))), "x", YES),
        ((("x", ME, _exactly(60), "Direct", "VotingRights"), ("h", ME, _exactly(60))), "x", YES),
        ((("x", ME, _exactly(60), "Direct", "VotingRights"), ("h", ME, _exactly(60))), "h", YES),
        ((("x", ME, _exactly(60), "Direct", "VotingRights"), ("h", ME, _exactly(60))), "y", NO),
        ((("h", ME, ALL, "Direct", "VotingRights"),), "x", OPEN),
        ((("x", ME, _exactly(40), "Direct", "VotingRights"), ("h", ME, _exactly(45))), "x", OPEN),
        ((("x", ME, _exactly(40), "Direct", "VotingRights"), ("h", ME, _exactly(55))), "x", NO),
        ((("x", ME, ALL, "Direct", "Control"), ("h", ME, ALL)), "x", NO),
    ],
    ids=[
        "fewer votes than shares",
        "votes for half and more",
        "the votes of one",
        "the shares of the other",
        "nothing is left for a third",
        "votes for no shares",
        "votes for shares that may be half",
        "votes for shares that are not",
        "control alone",
    ],
)
def test_shares_and_votes_have_100_percent_each_and_control_none(
    stated: tuple[Any, ...], blocked: str, expected: Ternary
) -> None:
    assert graph_of(_spec(*stated)).owned_by(among(*blocked)) is expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ((("x", ME, {"exclusiveMaximum": 50}), ("h", ME, {"minimum": 50})), NO),
        ((("x", ME, {"maximum": 50}), ("h", ME, {"minimum": 50})), OPEN),
        ((("x", ME, SOME), ("h", ME, _exactly(40))), NO),
        ((("x", ME, SOME), ("x", ME, SOME), ("h", ME, _exactly(40))), OPEN),
    ],
    ids=["less than half", "half at most", "30", "twice 30"],
)
def test_what_is_left_of_an_independent_tenant_is_nobodys(stated: tuple[Any, ...], expected: Ternary) -> None:
    assert graph_of(_spec(*stated, independent=True)).owned_by(among("x")) is expected


@pytest.mark.parametrize(
    ("others", "share", "directness", "expected"),
    [
        ((), {"minimum": 25, "maximum": 75}, "Direct", OPEN),
        ((), {"minimum": 25, "maximum": 75}, "Unknown", OPEN),
        ((), {"minimum": 25, "maximum": 75}, "Indirect", OPEN),
        ((), {"exclusiveMinimum": 25, "maximum": 50}, "Unknown", OPEN),
        ((), {"maximum": 60}, "Unknown", OPEN),
        ((), {}, "Unknown", OPEN),
        ((), {}, "Indirect", OPEN),
        ((), _exactly(40), "Unknown", NO),
        ((), _exactly(40), "Indirect", OPEN),
        (("b", SOME), SOME, "Indirect", NO),
        (("b", SOME), {"maximum": 75}, "Indirect", OPEN),
        (("h", SOME), SOME, "Indirect", OPEN),
        (("h", ALL), {}, "Unknown", NO),
        (("h", ALL), {"minimum": 10}, "Unknown", OPEN),
    ],
)
@pytest.mark.parametrize("top", [ME, "a"])
def test_a_share_of_who_is_at_the_top_that_may_be_direct_or_find_no_room_is_not_lost(
    top: str, others: tuple[Any, ...], share: dict[str, float], directness: str, expected: Ternary
) -> None:
    known = [*KNOWN, {"id": "b", "name": "B"}]
    below = () if top == ME else (("a", ME, ALL),)
    beside = ((others[0], top, others[1]),) if others else ()
    declared = {"independent": True} if top == ME else {"ultimateParent": top}
    spec = _spec(*below, *beside, ("x", top, share, directness), parties=known, **declared)
    assert graph_of(spec).owned_by(among("x")) is expected


@pytest.mark.parametrize(
    ("spec", "hides"),
    [
        (_spec(), True),
        (_spec(("h", ME, _exactly(75.1))), False),
        (_spec(("h", ME, _exactly(75))), True),
        (_spec(("h", ME, {"exclusiveMinimum": 75})), False),
        (_spec(independent=True), True),
        (_spec(othersBelow=25), False),
        (_spec(othersBelow=25.1), True),
        (_spec(("x", ME, {}), othersBelow=25), False),
        (_spec(("h", ME, ALL, "Direct", "VotingRights")), True),
        (_spec(("h", ME, ALL, "Direct", "VotingRights"), othersBelow=25), False),
        (_spec(("h", ME, ALL), ("h", ME, HALF, "Direct", "VotingRights")), True),
        (_spec(("a", ME, ALL)), True),
        (_spec(("a", ME, ALL), ("h", "a", ALL)), False),
        (_spec(("a", ME, _exactly(24.9)), ("h", ME, _exactly(75.1))), False),
        (_spec(("a", ME, {"exclusiveMaximum": 25}), ("h", ME, {"minimum": 75.1})), False),
        (_spec(("a", ME, {"maximum": 25}), ("h", ME, {"minimum": 75.1})), True),
        (_spec(("a", ME, {}), ("h", ME, _exactly(75.1)), othersBelow=25), True),
        (_spec(("a", ME, ALL), ("x", "a", _exactly(60)), ("y", "a", SOME)), False),
        (_spec(("a", ME, ALL), ultimateParent="a"), True),
        (_spec(("h", ME, ALL), kind="Individual", legalName="Ada Acme"), False),
        (_spec(kind="Government", legalName="Ministry of Acme"), False),
        (_spec(kind="Government"), True),
        (_spec(("h", ME, _exactly(60)), ("x", ME, _exactly(60))), True),
        (_spec(("x", ME, ALL, "Direct", "Control")), True),
        (_spec(("h", ME, ALL), parties=[{"id": "h", "name": " ", "type": "NaturalPerson"}]), True),
    ],
)
def test_whoever_may_hold_a_quarter_is_named_step_by_step(spec: TenantSpec, hides: bool) -> None:
    assert graph_of(spec).unnamed_from(25) is hides


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ((("x", ME, _exactly(60)), ("h", ME, _exactly(60))), "120 percent of tenant are held directly together"),
        ((("x", "a", _exactly(60)), ("h", "a", _exactly(60))), "120 percent of a are held directly together"),
        ((*CHAIN, ("y", ME, SOME, "Indirect")), "what is held indirectly of tenant is more than its direct holders"),
        (CHAIN, ""),
    ],
)
def test_statements_that_contradict_each_other_are_told(stated: tuple[Any, ...], says: str) -> None:
    told = contradiction_of(_spec(*stated))
    assert says in told
    assert bool(told) is bool(says)
