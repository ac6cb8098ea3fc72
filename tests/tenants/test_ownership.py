"""The 50 percent rule: stepwise, in aggregate, with bounds; the examples of OFAC's FAQ 398 to 401."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.tenants.ownership import graph_of
from admission.tenants.ternary import Ternary
from tests.tenants.statements import Stated, among, graph, tenant

if TYPE_CHECKING:
    import random

YES, NO, OPEN = Ternary.TRUE, Ternary.FALSE, Ternary.UNKNOWN
ME = "tenant"


@pytest.mark.parametrize(
    ("statements", "blocked", "expected"),
    [
        # FAQ 401: X owns 50 of A, and A owns 50 of B: B is X's, though 25 percent is all that multiplying gives.
        ([("a", ME, 50), ("b", "a", 50), ("c", "a", 50), ("d", ME, 50)], "b", YES),
        ([("a", ME, 50), ("b", "a", 49.9), ("c", "a", 50.1), ("d", ME, 50)], "b", NO),
        # FAQ 401: X owns 50 of A and 10 of B, A owns 40 of B: A's shares count as X's, 50 in all.
        ([("b", "a", 50), ("c", "a", 50), ("b", ME, 10), ("a", ME, 40), ("d", ME, 50)], "b", YES),
        # FAQ 401: X owns 25 of A and of B, each of which owns half of C: neither is X's, and so C is not.
        ([("x", "a", 25), ("d", "a", 75), ("x", "b", 25), ("d", "b", 75), ("a", ME, 50), ("b", ME, 50)], "x", NO),
        # FAQ 399: two blocked persons with 25 each add up.
        ([("a", ME, 25), ("b", ME, 25), ("c", ME, 50)], "ab", YES),
        ([("a", ME, 25), ("b", ME, 24.9), ("c", ME, 50.1)], "ab", NO),
        # FAQ 400: 50 percent is enough, whatever the rest is.
        ([("a", ME, 50), ("b", ME, 50)], "a", YES),
        ([("a", ME, 0.3), ("b", ME, 32.3), ("c", ME, 17.4), ("d", ME, 50)], "abc", YES),
        # Cross-holdings and cycles end.
        ([("a", ME, 60), ("b", ME, 40), ("b", "a", 60), ("a", "b", 60), ("c", "a", 40), ("d", "b", 40)], "c", NO),
        ([("a", ME, 60), ("b", ME, 40), ("b", "a", 60), ("a", "b", 40), ("d", "b", 60), ("e", "a", 40)], "d", YES),
        ([("a", "b", 100), ("b", "a", 100), ("a", ME, 100)], "c", NO),
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
        ([("a", ME, 60), ("c", ME, 60)], "a", YES),
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


def test_control_never_adds_to_a_share_and_votes_of_the_same_owner_are_not_added_to_its_shares() -> None:
    state = [{"id": each, "name": each, "type": "State"} for each in "ab"]
    held = [
        {"owner": "a", "interest": "Shareholding", "share": {"exact": 30}},
        {"owner": "a", "interest": "VotingRights", "share": {"exact": 25}},
        {"owner": "a", "interest": "Control", "share": {"exact": 100}},
        {"owner": "b", "share": {"exact": 70}},
    ]
    assert graph_of(tenant({"parties": state, "ownership": held}).spec).owned_by(among("a")) is NO


def test_a_party_called_unnamed_is_a_party_like_any_other() -> None:
    assert graph(("unnamed", ME, 60), unnamed="CN").owned_by(among("unnamed")) is YES


PARTIES = "abcdefgh"
SHARES = st.none() | st.integers(0, 60) | st.tuples(st.integers(0, 50), st.integers(50, 100))
STATEMENTS = st.lists(
    st.tuples(st.sampled_from(PARTIES), st.sampled_from([ME, *PARTIES]), SHARES).filter(
        lambda each: each[0] != each[1]
    ),
    max_size=12,
    unique_by=lambda each: each[:2],
)


def _raised(share: int | tuple[int, int] | None, by: int) -> tuple[int, int] | int:
    low, high = share if isinstance(share, tuple) else (0, 100) if share is None else (share, share)
    return (min(100, low + by), max(high, min(100, low + by)))


@given(STATEMENTS, st.sets(st.sampled_from(PARTIES)), st.data())
def test_a_raised_lower_bound_never_turns_yes_into_anything_else(
    statements: list[Stated], blocked: set[str], data: st.DataObject
) -> None:
    if statements and graph(*statements).owned_by(among(*blocked)) is YES:
        at = data.draw(st.integers(0, len(statements) - 1))
        owner, owned, share = statements[at]
        statements[at] = (owner, owned, _raised(share, data.draw(st.integers(1, 100))))
        assert graph(*statements).owned_by(among(*blocked)) is YES


@given(STATEMENTS, st.sets(st.sampled_from(PARTIES)), st.randoms())
def test_the_order_of_statements_means_nothing(
    statements: list[Stated], blocked: set[str], shuffler: random.Random
) -> None:
    shuffled = list(statements)
    shuffler.shuffle(shuffled)
    assert graph(*shuffled).owned_by(among(*blocked)) is graph(*statements).owned_by(among(*blocked))


@given(STATEMENTS, st.sets(st.sampled_from(PARTIES)))
def test_never_no_while_somebody_unknown_may_hold_half(statements: list[Stated], blocked: set[str]) -> None:
    """Nobody is named for what of the tenant itself no statement accounts for: half of it open is never a no."""
    certain = sum(
        share if isinstance(share, int) else share[0] for _, owned, share in statements if owned == ME and share
    )
    if certain <= 50:
        assert graph(*statements).owned_by(among(*blocked)) is not NO


@given(STATEMENTS, st.sets(st.sampled_from(PARTIES)), st.sampled_from(PARTIES))
def test_another_blocked_party_never_makes_it_less(statements: list[Stated], blocked: set[str], more: str) -> None:
    graph_ = graph(*statements)
    assert graph_.owned_by(among(*blocked, more)) >= graph_.owned_by(among(*blocked))


@given(STATEMENTS, st.sets(st.sampled_from(PARTIES)))
def test_the_cascade_is_the_least_fixpoint(statements: list[Stated], blocked: set[str]) -> None:
    """Oracle: the smallest closed set, found by trying every subset of the parties."""
    lower: dict[str, dict[str, float]] = {}
    for owner, owned, share in statements:
        lower.setdefault(owned, {})[owner] = share[0] if isinstance(share, tuple) else share or 0
    everyone = [ME, *PARTIES]
    holders = {owner for owner, _, _ in statements}
    smallest = {*blocked & holders}
    for _ in everyone:
        smallest |= {each for each in everyone if sum(lower.get(each, {}).get(one, 0) for one in smallest) >= 50}
    assert (graph(*statements).owned_by(among(*blocked)) is YES) == (ME in smallest)
