"""Sums that are carried along from one state to the next are those of what the state counts, added up from nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from admission.decide.limits import Charge, Limit, Parties, computing, either, supplying, whole
from admission.ledger.draft import Ask, Caps, Drafter, Withdrawal
from admission.ledger.fold import fold
from admission.ledger.hours import HOUR, Stay, Terms
from admission.ledger.state import State
from tests.ledger.test_hours import NOW, WINDOW, Here

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from admission.decide.limits import Account
    from admission.ledger.state import Entry

PARTS = (computing, supplying, either, whole)
NAMES = ("acme", "kumo", "other")
PARTY = st.sampled_from(("acme", "kumo", "other", "kumo/acme", "kumo/other", "acme/acme", "acme/kumo"))
COUNTS = st.dictionaries(st.sampled_from(("h100", "a100", "a100|h100")), st.integers(1, 9), min_size=1)
UID = st.sampled_from("uvwxyz")
WEIGHTS = {"h100": 5, "a100": 3}
TERMS = Terms(frozenset({WINDOW}))


def _varying(party: str) -> Mapping[str, int]:
    return {"h100": len(party), "a100": 1}


def _limits() -> list[Limit]:
    """A limit of everybody, and of parties told by whichever part, in every unit that is summed."""
    told = [Parties.of(parts, *names) for parts in PARTS for names in (("acme",), ("kumo", "other"), ("kumo/acme",))]
    own = itertools.cycle(told[::-1])
    return [
        Limit("q", unit, 100, WEIGHTS, parties, next(own), WINDOW, varying=varying)
        for unit in ("devices", "deviceHours")
        for parties in (None, *told)
        for varying in (None, _varying)
    ]


LIMITS = _limits()
ROOM = LIMITS[0]._replace(amount=10**6)


class Live(Here):
    """A census of objects that are there, which settles what was promised to them."""

    def settled(self, entry: Entry) -> bool:
        return self.live(entry.uid)

    def charges(self, scope: str, promised: Collection[str]) -> Mapping[Account, int]:
        found: Counter[Account] = Counter()
        for stay in self.stays(scope, promised):
            found.update({(stay.party, key): count for key, count in stay.counts})
        return found


def _reserved(state: State, uid: str, party: str, counts: dict[str, int]) -> State:
    ask = Ask(uid, "ns", uid, Charge(party, tuple(counts.items()), (), HOUR), (ROOM,), "r.1")
    return Drafter(state, Caps(), NOW).draft([ask], []).state or state


def _withdrawn(state: State, uid: str) -> State:
    return Drafter(state, Caps(), NOW + HOUR).draft([], [Withdrawal(uid, None)]).state or state


def _folded(state: State, live: dict[str, tuple[str, dict[str, int]]]) -> State:
    stays = [Stay(uid, party, "", tuple(counts.items()), HOUR, NOW) for uid, (party, counts) in live.items()]
    return fold(state, "DE", Live(*stays), (), terms=TERMS, now=NOW) or state


STEP = st.one_of(
    st.tuples(st.just(_reserved), UID, PARTY, COUNTS),
    st.tuples(st.just(_withdrawn), UID),
    st.tuples(st.just(_folded), st.dictionaries(UID, st.tuples(PARTY, COUNTS))),
)


def _added_up(limit: Limit, accounts: Iterable[tuple[Account, int]], parties: Parties | None) -> int:
    return sum(
        limit.measure_of(party, [(key, count)])
        for (party, key), count in accounts
        if limit.counts(party) and (parties is None or parties.has(party))
    )


def _agree(state: State) -> bool:
    """Say whether a tally of a state tells under every limit what adding up its accounts does."""
    tally = state.tally(NOW)
    devices = [*state.used.items(), *state.reserved().items()]
    hours = [*(state.hours.used(WINDOW) or ()), *state.hours.prepaid.items(), *state.promised_hours().items()]
    for limit in LIMITS:
        level, accounts = tally.level(limit, Charge("acme", ())), devices if limit.unit == "devices" else hours
        added_up = _added_up(limit, accounts, None), _added_up(limit, accounts, limit.own)
        if (level.used_all, level.used_own) != added_up:
            return False
    return True


@given(st.lists(STEP, max_size=12))
def test_sums_after_any_commits_and_folds_are_those_of_what_stands(steps: list[tuple[Any, ...]]) -> None:
    states = [State(initialized=True)]
    for step, *arguments in steps:
        states.append(step(states[-1], *arguments))
        assert _agree(states[-1])
    assert all(map(_agree, states)), "no later one changes those before"


def test_what_a_state_was_made_of_may_change_and_it_does_not() -> None:
    used = {("acme", "h100"): 4}
    state = State(used=used)
    used["acme", "h100"] = 5
    assert state.tally().level(LIMITS[0], Charge("acme", ())).used_all == 4 * WEIGHTS["h100"]
