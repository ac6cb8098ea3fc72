"""The 50 percent rule against its definition: by every world that the statements allow, and every set of parties."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from admission.tenants.ownership import UNNAMED, graph_of
from admission.tenants.ternary import Ternary
from tests.tenants.statements import Stated, among, graph, tenant

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

ME = "tenant"
PARTIES = "abcd"
STEPS = (0, 25, 50, 75, 100)
RANGES = [(low, high) for low in STEPS for high in STEPS if low <= high <= low + 50]
BETWEEN = st.tuples(st.sampled_from(PARTIES), st.sampled_from([ME, *PARTIES])).filter(lambda each: each[0] != each[1])


def _statements(most: int) -> st.SearchStrategy[list[Stated]]:
    stated = st.tuples(BETWEEN, st.sampled_from(RANGES)).map(lambda each: (*each[0], each[1]))
    return st.lists(stated, max_size=most, unique_by=lambda each: each[:2])


STATEMENTS = _statements(8)
MEMBERS = st.sets(st.sampled_from(PARTIES))


class World(NamedTuple):
    """Who holds how much of whom, where everything is known; whoever is not stated is one of the members or not."""

    shares: dict[tuple[str, str], int]
    members: frozenset[str]

    def owns(self) -> bool:
        """By definition: no set that keeps the members, and all that it holds half of, leaves the tenant out."""
        everybody = sorted({each for pair in self.shares for each in pair} | {ME})
        free = [each for each in everybody if each not in self.members]
        sets = (
            self.members | set(added) for size in range(len(free) + 1) for added in itertools.combinations(free, size)
        )
        return all(ME in each for each in sets if self._is_closed(each, everybody))

    def _is_closed(self, inside: frozenset[str] | set[str], everybody: list[str]) -> bool:
        return all(self._held(each, inside) < 50 for each in everybody if each not in inside)

    def _held(self, owned: str, inside: frozenset[str] | set[str]) -> int:
        return sum(share for (owner, of), share in self.shares.items() if of == owned and owner in inside)


def _worlds(statements: list[Stated], members: set[str]) -> Iterator[World]:
    """Every way in which the statements can be true, in steps of 25 percent."""
    owned = sorted({ME, *members, *(each for pair in statements for each in pair[:2])})
    ranges = [[step for step in STEPS if low <= step <= high] for _, _, (low, high) in statements]
    for amounts in itertools.product(*ranges):
        shares = {(owner, of): amount for (owner, of, _), amount in zip(statements, amounts, strict=True)}
        left = {of: 100 - sum(share for (_, each), share in shares.items() if each == of) for of in owned}
        if min(left.values()) < 0:
            continue
        for guilty in itertools.product((False, True), repeat=len(owned)):
            rest = {(f"rest of {of}", of): left[of] for of in owned}
            bad = {f"rest of {of}" for of, is_bad in zip(owned, guilty, strict=True) if is_bad}
            yield World({**shares, **rest}, frozenset(members | bad))


def _expected(statements: list[Stated], members: set[str]) -> Ternary:
    found = set()
    for world in _worlds(statements, members):
        found.add(world.owns())
        if len(found) > 1:
            break
    return {frozenset({True}): Ternary.TRUE, frozenset({False}): Ternary.FALSE}.get(frozenset(found), Ternary.UNKNOWN)


@given(_statements(4), MEMBERS)
def test_it_is_known_just_where_all_worlds_agree(statements: list[Stated], members: set[str]) -> None:
    stated = {owner for owner, _, _ in statements}
    assert graph(*statements).owned_by(among(*members)) is _expected(statements, members & stated)


def _narrowed(share: tuple[int, int], low: int, high: int) -> tuple[int, int]:
    first, last = sorted((min(max(low, share[0]), share[1]), min(max(high, share[0]), share[1])))
    return first, last


@given(STATEMENTS, MEMBERS, st.data())
def test_knowing_more_never_makes_unknown_what_was_known(
    statements: list[Stated], members: set[str], data: st.DataObject
) -> None:
    ends = st.integers(0, 100)
    narrower = [(owner, of, _narrowed(share, data.draw(ends), data.draw(ends))) for owner, of, share in statements]
    before, after = graph(*statements), graph(*narrower)
    assume(not before.contradictory and not after.contradictory)
    known = before.owned_by(among(*members))
    assert known in {Ternary.UNKNOWN, after.owned_by(among(*members))}


@given(STATEMENTS, MEMBERS, st.randoms())
def test_the_order_of_statements_means_nothing(
    statements: list[Stated], members: set[str], shuffler: random.Random
) -> None:
    shuffled = list(statements)
    shuffler.shuffle(shuffled)
    assert graph(*shuffled).owned_by(among(*members)) is graph(*statements).owned_by(among(*members))


@given(STATEMENTS, MEMBERS, st.sampled_from(PARTIES))
def test_another_member_never_makes_it_less(statements: list[Stated], members: set[str], more: str) -> None:
    found = graph(*statements)
    assert found.owned_by(among(*members, more)) >= found.owned_by(among(*members))


def _with_indirect(statements: list[Stated], owner: str, share: dict[str, int]) -> Any:
    stated = [
        {"owner": one, "owned": of, "share": {"minimum": low, "maximum": high}} for one, of, (low, high) in statements
    ]
    known = [{"id": each, "name": each} for each in PARTIES]
    indirect = {"owner": owner, "directness": "Indirect", "share": share}
    return graph_of(tenant({"parties": known, "ownership": [*stated, indirect]}).spec)


@given(STATEMENTS, MEMBERS, st.sampled_from(PARTIES), st.integers(0, 100))
def test_an_indirect_share_never_makes_it_less_and_below_half_adds_nothing(
    statements: list[Stated], members: set[str], owner: str, percent: int
) -> None:
    before, after = (
        graph(*statements, **dict.fromkeys(PARTIES, "US")),
        _with_indirect(statements, owner, {"exact": percent}),
    )
    assume(not before.contradictory)
    was, is_now = before.owned_by(among(*members)), after.owned_by(among(*members))
    direct = max((low for one, of, (low, _) in statements if (one, of) == (owner, ME)), default=0)
    if after.contradictory:
        assert is_now is Ternary.UNKNOWN
    elif direct + percent < 50:
        assert is_now is was
    else:
        assert is_now >= was


def _under_a_top(statements: list[Stated], share: dict[str, int], directness: str, top: str, kind: str) -> Any:
    """These statements, and one of c's share of the tenant; c is an entity, the others are of this type."""
    stated = [
        {"owner": one, "owned": of, "share": {"minimum": low, "maximum": high}} for one, of, (low, high) in statements
    ]
    known = [{"id": each, "name": each, "type": "Entity" if each == "c" else kind} for each in PARTIES]
    declared = {"independent": True} if top == ME else {"ultimateParent": top} if top else {}
    last = {"owner": "c", "directness": directness, "share": share}
    return graph_of(tenant({"parties": known, "ownership": [*stated, last], **declared}).spec)


@given(
    STATEMENTS,
    MEMBERS,
    st.sampled_from(RANGES),
    st.sampled_from(["Unknown", "Indirect"]),
    st.sampled_from(["", ME, "a"]),
)
def test_what_is_known_to_be_no_half_is_none_where_the_share_is_direct(
    statements: list[Stated], members: set[str], share: tuple[int, int], directness: str, top: str
) -> None:
    """An indirect one so where nobody is named who may stand between: else it is that one's, and adds nothing."""
    kind = "Entity" if directness == "Unknown" else "State"
    bounds = {"minimum": share[0], "maximum": share[1]}
    others = [each for each in statements if each[:2] != ("c", ME)]
    loose, direct = (_under_a_top(others, bounds, each, top, kind) for each in (directness, "Direct"))
    if loose.owned_by(among(*members)) is Ternary.FALSE:
        assert direct.owned_by(among(*members)) is Ternary.FALSE or direct.contradictory


@given(STATEMENTS, st.integers(1, 100), st.integers(1, 100))
def test_a_lower_threshold_asks_for_more_names(statements: list[Stated], one: int, other: int) -> None:
    found = graph(*statements)
    assert found.unnamed_from(min(one, other)) or not found.unnamed_from(max(one, other))


OWNERS = [(owner, owned) for owned, owners in ((ME, "abc"), ("a", "bc"), ("b", "c")) for owner in owners]
"""Who may own whom, step by step; what these leave of each is a state's, d's."""


@given(st.lists(st.integers(1, 33), min_size=len(OWNERS), max_size=len(OWNERS)), st.sampled_from([ME, "a", "b"]))
def test_the_unnamed_own_nothing_where_all_are_named_and_half_just_where_so_much_is_left(
    parts: list[int], gap: str
) -> None:
    shares: list[Stated] = [(*pair, part) for pair, part in zip(OWNERS, parts, strict=True)]
    left = {owned: 100 - sum(part for _, of, part in shares if of == owned) for owned in (ME, "a", "b")}
    closed = graph(*shares, *(("d", owned, rest) for owned, rest in left.items()), c="State", d="State")
    assert not closed.unnamed_from(1e-9)
    assert closed.owned_by(_unnamed) is Ternary.FALSE

    others = (("d", owned, rest) for owned, rest in left.items() if owned != gap)
    less = graph(*shares, *others, c="State", d="State")
    assert less.unnamed_from(1e-9)
    assert less.owned_by(_unnamed) is (Ternary.UNKNOWN if gap == ME and left[ME] >= 50 else Ternary.FALSE)


def _unnamed(party: str) -> Ternary:
    return Ternary.TRUE if party == UNNAMED else Ternary.FALSE
