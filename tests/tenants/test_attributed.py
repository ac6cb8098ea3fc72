"""How much of the tenant parties may have together, whoever stands between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.tenants.holdings import PERCENT, WHOLE
from admission.tenants.ownership import graph_of
from tests.tenants.statements import Stated, graph, tenant

ME = "tenant"
KNOWN = [{"id": each, "name": each, "type": "State"} for each in "xyz"] + [{"id": each, "name": each} for each in "ab"]
HOLDING = [("a", ME, 100), ("x", "a", 40), ("z", "a", 60)]
"""X has 40 percent of a holding that has everything."""


def _most(*stated: tuple[Any, ...], owners: str = "x") -> float:
    """Statements are (owner, owned, share, directness), the last left out where it is direct."""
    ownership = [
        {"owner": one, "owned": of, "share": share if isinstance(share, dict) else {"exact": share}}
        | ({"directness": how[0]} if how else {})
        for one, of, share, *how in stated
    ]
    spec = tenant({"independent": True, "parties": KNOWN, "ownership": ownership}).spec
    return graph_of(spec).most_held(owners) / PERCENT


@pytest.mark.parametrize(
    ("stated", "most"),
    [
        ([("x", ME, 40), ("z", ME, 60)], 40),
        ([("x", ME, {"maximum": 40}), ("z", ME, {"minimum": 80})], 20),
        (HOLDING, 40),
        ([*HOLDING, ("x", ME, 40, "Indirect")], 40),
        ([*HOLDING, ("x", ME, 30, "Indirect")], 40),
        ([("a", ME, 100), ("z", "a", 60), ("x", ME, 40, "Indirect")], 40),
        ([("x", ME, 10), ("a", ME, 90), ("z", "a", 60), ("x", ME, 20, "Indirect")], 30),
        ([("a", ME, 100), ("b", "a", 80), ("x", "b", 40), ("z", "b", 60), ("z", "a", 20)], 32),
        ([("a", ME, 50), ("z", ME, 50), ("x", "a", 50), ("z", "a", 50)], 50),
        ([("a", ME, 30), ("z", ME, 70), ("x", "a", 60), ("z", "a", 40), ("x", ME, 18, "Indirect")], 30),
        ([("a", ME, 100), ("x", "a", {"maximum": 30}), ("z", "a", {"minimum": 75})], 25),
        ([("a", ME, 100), ("b", "a", 50), ("a", "b", 60), ("x", "b", 40), ("z", "a", 50)], pytest.approx(200 / 7)),
        ([("a", ME, 100), ("b", "a", 100), ("a", "b", 100)], 0),
        ([("a", ME, 100)], 0),
        ([("x", ME, 20, "Unknown"), ("z", ME, 60)], 20),
    ],
    ids=[
        "directly",
        "no more than others leave",
        "by a holding in between",
        "the same stated",
        "less stated than the chain gives",
        "stated, and not through whom",
        "some itself, and some stated through others",
        "by two in between",
        "one of half counts whole",
        "the same stated, where it counts whole",
        "no more than others leave of the holding",
        "cross-holdings",
        "a circle that nobody leads to",
        "what nobody accounts for",
        "directly or not",
    ],
)
def test_a_holding_in_between_takes_nothing_away(stated: list[tuple[Any, ...]], most: Any) -> None:
    assert _most(*stated) == most


@pytest.mark.parametrize(
    ("stated", "most"),
    [
        ([*HOLDING[:2], ("y", "a", 5), ("z", "a", 55)], 45),
        ([*HOLDING, ("y", ME, 5, "Indirect")], 45),
        ([("x", ME, 15), ("a", ME, 40), ("z", ME, 45), ("y", "a", 40), ("z", "a", 60), ("y", ME, 10, "Indirect")], 31),
        ([("x", ME, 15), ("a", ME, 40), ("z", ME, 45), ("y", "a", 40), ("z", "a", 60), ("y", ME, 20, "Indirect")], 35),
    ],
    ids=["of one holding", "one by a holding, one as stated", "the chain gives more", "more is stated"],
)
def test_several_have_together_what_each_has(stated: list[tuple[Any, ...]], most: float) -> None:
    assert _most(*stated, owners="xy") == most


ABOVE = [(owner, owned) for owned, owners in ((ME, "abx"), ("a", "bx"), ("b", "x")) for owner in owners]
"""Who may own whom, step by step; what these leave of each is a state's."""


@given(st.lists(st.integers(0, 33), min_size=len(ABOVE), max_size=len(ABOVE)))
def test_it_is_no_less_than_the_products_of_the_shares_along_all_chains(parts: list[int]) -> None:
    share = dict(zip(ABOVE, parts, strict=True))
    of_a = share["x", "a"] + share["b", "a"] * share["x", "b"] / 100
    by_chains = share["x", ME] + share["a", ME] * of_a / 100 + share["b", ME] * share["x", "b"] / 100
    stated: list[Stated] = [(*pair, part) for pair, part in share.items()]
    found = graph(*stated, x="State").most_held("x")
    assert by_chains * PERCENT <= found + 1 <= WHOLE
