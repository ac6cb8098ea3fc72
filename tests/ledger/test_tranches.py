"""What has no end pays an hour at a time: what each hour costs, which are due, and what fits together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide.limits import ENDING, Charge, Limit, Parties, whole
from admission.ledger import renewal
from admission.ledger.draft import Ask, Caps, Drafter
from admission.ledger.fold import fold, rebuilt
from admission.ledger.hours import HOUR, Stay, Terms
from admission.ledger.limits import Granted, Unavailable
from admission.ledger.renewal import Renewing, renewed
from admission.ledger.state import Entry, Hold, Hours, State
from admission.ledger.tranches import Tranche, first
from admission.review.reasons import Reason
from tests.ledger.test_hours import Here

if TYPE_CHECKING:
    from collections.abc import Collection

    from admission.decide.limits import Unit

WINDOW, NOW, NOTICE = 24 * HOUR, 1000 * HOUR, 600
ONE = (("h100", 1),)
FIRST = first(NOTICE) + ENDING
"""Seconds that the first tranche pays for."""


@pytest.mark.parametrize(
    ("tranche", "now", "bound"),
    [
        pytest.param(Tranche(ONE, 0, FIRST), NOW, FIRST, id="waiting for a node it has paid for its first hour"),
        pytest.param(Tranche(ONE, NOW, FIRST), NOW + FIRST, FIRST, id="and for no more until that ends"),
        pytest.param(Tranche(ONE, NOW, FIRST), NOW + FIRST + 1, 2 * HOUR, id="beyond it the hours begun count"),
        pytest.param(Tranche(ONE, NOW, 0), NOW + 1, HOUR, id="as they do where nothing was paid"),
        pytest.param(Tranche(ONE, NOW, FIRST), NOW - 9, FIRST, id="a clock that went back takes nothing away"),
    ],
)
def test_a_tranche_is_charged_for_all_that_it_may_use(tranche: Tranche, now: int, bound: int) -> None:
    assert tranche.bound(now) == bound


@given(st.integers(0, 5 * HOUR), st.integers(0, 10 * HOUR), st.integers(0, 5 * HOUR))
def test_a_renewal_costs_something_and_pays_for_an_hour_and_an_ending(paid: int, passed: int, ending: int) -> None:
    tranche, now = Tranche(ONE, NOW, paid), NOW + passed
    after = tranche.renewed(now, ending)
    if tranche.is_due(now, ending):
        assert tranche.price(now, ending) > ENDING
        assert after.until == now + HOUR + ending + ENDING
    assert not after.is_due(now + HOUR - 1, ending)
    assert after.bound(now) == tranche.bound(now) + tranche.price(now, ending)


def stay(uid: str, since: int, **fields: object) -> Stay:
    made = Stay(uid, "acme", "", ONE, 0, since)
    return made._replace(**fields)  # type: ignore[arg-type]  # the fields of a Stay


def budget(hours: int, unit: Unit = "deviceHours", window: int = WINDOW) -> Limit:
    classes = frozenset({"h100"})
    return Limit("cn", unit, hours * HOUR, {"h100": 1}, None, Parties.of(whole, "acme"), window, classes)


def going_on(*limits: Limit) -> Renewing:
    return Renewing(lambda _party, _counts: limits, lambda _: NOTICE)


def paying(*begun: int, spent: int = 0) -> tuple[State, list[Stay]]:
    """Return a state in which objects a, b, ... have paid for their first tranche, and their stays."""
    stays = [stay(uid, since) for uid, since in zip("abc", begun, strict=False)]
    tranches = {(each.uid, "acme"): Tranche(ONE, each.since, FIRST) for each in stays}
    hours = Hours(
        prepaid={("acme", "h100"): FIRST * len(stays)},
        spent={("acme", "h100", NOW // HOUR): spent} if spent else {},
        settled_at=1,
        tranches=tranches,
    )
    return State(initialized=True, hours=hours), stays


def paid_for(state: State) -> int:
    return sum(tranche.seconds for tranche in state.hours.tranches.values())


@pytest.mark.parametrize(
    ("begun", "limits", "renews", "refused"),
    [
        pytest.param([NOW - HOUR + 1], [budget(9)], 0, "", id="an hour is left beside its ending"),
        pytest.param([NOW - HOUR], [budget(9)], 1, "", id="its ending is left"),
        pytest.param([0], [budget(9)], 0, "", id="without a node it uses nothing"),
        pytest.param([NOW - HOUR], [budget(2)], 0, "a", id="the next hour does not fit"),
        pytest.param([NOW - HOUR, NOW - HOUR + 9], [budget(9)], 1, "", id="one of two is due"),
        pytest.param([NOW - HOUR, NOW - HOUR - 9], [budget(9)], 2, "", id="two are, in one write"),
        pytest.param([NOW - HOUR, NOW - HOUR - 9], [budget(4)], 1, "a", id="the budget has room for one of two"),
        pytest.param([NOW - HOUR], [budget(9), budget(9, "hold", HOUR)], 1, "", id="a hold may go on"),
        pytest.param([NOW - HOUR], [], 1, "", id="nothing is limited any more"),
    ],
)
def test_what_is_due_is_renewed_as_far_as_it_fits(
    begun: list[int], limits: list[Limit], renews: int, refused: str
) -> None:
    state, stays = paying(*begun)
    after = renewed(state, stays, going_on(*limits), NOW)
    assert after.refused == frozenset(refused)
    assert (after.state is not None) is bool(renews)
    if after.state is not None:
        changed = [key for key, each in after.state.hours.tranches.items() if each != state.hours.tranches[key]]
        assert len(changed) == renews
        assert sum(after.state.hours.prepaid.values()) == paid_for(after.state)


def test_a_hold_that_would_be_too_long_refuses_the_next_hour() -> None:
    state, stays = paying(NOW - HOUR)
    held = state.following(dataclasses.replace(state.hours, holds={("acme", "h100"): Hold(NOW - HOUR)}))
    for longest, refused in ((2, {"a"}), (3, frozenset())):
        assert renewed(held, stays, going_on(budget(9), budget(longest, "hold")), NOW).refused == refused


def test_what_goes_on_unpaid_counts_at_once_so_that_nothing_new_fits() -> None:
    state, _ = paying(NOW - 5 * HOUR + 1)
    for now, counted in ((NOW - 4 * HOUR, FIRST), (NOW, 5 * HOUR), (NOW + 2, 6 * HOUR)):
        assert state.tally(now).level(budget(9), Charge("acme", ONE, (), 1)).used_all == counted


def test_what_was_there_before_is_taken_in_by_the_hours_that_it_has_begun() -> None:
    since = NOW - 5 * HOUR - 9
    hours = Hours(prepaid={("acme", "h100"): 6 * HOUR}, settled_at=NOW)
    after = renewed(State(initialized=True, hours=hours), [stay("a", since)], going_on(budget(9)), NOW).state
    assert after is not None
    assert after.hours.tranches == {("a", "acme"): Tranche(ONE, since, NOW - since + FIRST)}
    assert after.hours.prepaid == {("acme", "h100"): NOW - since + FIRST}


class Ended(Here):
    """A census in which what ended was seen to end."""

    def __init__(self, *live: Stay, ended: Stay | None = None, unreadable: Collection[str] = ()) -> None:
        super().__init__(*live)
        self._ended, self._unreadable = [ended] if ended else [], unreadable

    def ended(self, scope: str) -> Collection[Stay]:  # noqa: ARG002 (one scope)
        return self._ended

    def unreadable(self, scope: str) -> Collection[str]:  # noqa: ARG002 (one scope)
        return self._unreadable


TERMS = Terms(frozenset({WINDOW}))


def folded(state: State, census: Here, now: int = NOW) -> tuple[int, int]:
    """Return what is prepaid and what is spent after a fold."""
    after = fold(state, "CN", census, (), terms=TERMS, now=now) or state
    assert after.hours.tranches.keys() == {(each.uid, "acme") for each in census.stays("CN", ())} or census.unreadable(
        "CN"
    )
    return sum(after.hours.prepaid.values()), sum(after.hours.spent.values())


@pytest.mark.parametrize(
    ("census", "now", "after"),
    [
        pytest.param(Ended(stay("a", NOW)), NOW + 9, (FIRST, 0), id="it goes on within what it has paid for"),
        pytest.param(Ended(stay("a", NOW)), NOW + 9 * HOUR, (9 * HOUR, 0), id="and beyond it"),
        pytest.param(
            Ended(ended=stay("a", NOW, until=NOW + 600, version=9)),
            NOW + 900,
            (0, 600),
            id="an end gives back the rest",
        ),
        pytest.param(Ended(), NOW + 9, (0, FIRST), id="an end that nobody saw gives nothing back"),
        pytest.param(Ended(), NOW + 9 * HOUR, (0, 9 * HOUR), id="and may have been a moment ago"),
        pytest.param(Ended(unreadable=["pods x"]), NOW + 9 * HOUR, (9 * HOUR, 0), id="what cannot be read may go on"),
    ],
)
def test_a_fold_keeps_what_goes_on_and_settles_what_does_not(census: Ended, now: int, after: tuple[int, int]) -> None:
    state, _ = paying(NOW)
    assert folded(state, census, now) == after


class Settled(Ended):
    """A census that has every object by itself."""

    def settled(self, entry: Entry) -> bool:  # noqa: ARG002 (all are)
        return True


@pytest.mark.parametrize(
    ("census", "now", "after"),
    [
        pytest.param(Settled(stay("a", NOW)), NOW + 9, (FIRST, 0), id="it runs"),
        pytest.param(Settled(stay("a", 0)), NOW + 9, (FIRST, 0), id="it waits for a node"),
        pytest.param(Settled(), NOW + 9 * HOUR, (0, 9 * HOUR), id="it came and went unseen, whenever"),
    ],
)
def test_an_entry_without_an_end_becomes_a_tranche(census: Ended, now: int, after: tuple[int, int]) -> None:
    charge = Charge("acme", ONE, (), first(NOTICE), endless=True)
    state = State(initialized=True, inflight={"a": Entry("a", "ns", "a", charge, NOW, "r1")})
    assert folded(state, census, now) == after


@pytest.mark.parametrize(
    ("census", "after"),
    [
        pytest.param(Settled(stay("a", NOW)), (9 * HOUR, 0), id="it goes on"),
        pytest.param(Settled(), (0, 9 * HOUR), id="it ended unseen, whenever"),
    ],
)
def test_an_entry_without_an_end_keeps_its_hours_where_its_ledger_is_counted_anew(
    census: Ended, after: tuple[int, int]
) -> None:
    charge = Charge("acme", ONE, (), first(NOTICE), endless=True)
    before = State(inflight={"a": Entry("a", "ns", "a", charge, NOW, "r1")}, hours=Hours(past={WINDOW: {}}))
    counted = rebuilt(before, "CN", census, terms=TERMS, now=NOW + 9 * HOUR)
    assert (
        sum(sum(each.values()) for each in counted.hours.counted(WINDOW) or ())
        + sum(n for _, n in counted.hours.overrun(NOW + 9 * HOUR))
        == 9 * HOUR
    )
    assert folded(counted, census, NOW + 9 * HOUR) == after


@pytest.mark.parametrize(
    ("since", "later", "counted"),
    [
        pytest.param(NOW - HOUR - 1, 9, 2 * HOUR, id="the hours that it has begun"),
        pytest.param(NOW - HOUR - 1, HOUR, 3 * HOUR, id="the next one from its first second on, whenever a fold comes"),
        pytest.param(0, 9, HOUR, id="its first hour while it waits for a node"),
    ],
)
def test_a_ledger_counted_from_nothing_takes_in_what_has_no_end(since: int, later: int, counted: int) -> None:
    state = rebuilt(State(), "CN", Settled(stay("a", since)), terms=TERMS._replace(tranches=True), now=NOW)
    assert sum(state.hours.prepaid.values()) + sum(n for _, n in state.hours.overrun(NOW + later)) == counted


def test_a_lost_write_renews_nothing_twice() -> None:
    state, stays = paying(NOW - HOUR)
    written = renewed(state, stays, going_on(budget(9)), NOW).state
    assert written is not None
    assert renewed(written, stays, going_on(budget(9)), NOW + 1) == (None, frozenset())


def test_a_ledger_that_has_room_for_no_more_lets_none_in_and_takes_none_in(monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = paying(NOW)
    charge = Charge("acme", ONE, (), first(NOTICE), endless=True)
    asks = [Ask(uid, "ns", uid, each, (budget(9),), "r1") for uid, each in (("x", charge), ("y", plain(charge)))]
    busy, granted = Drafter(state, Caps(tranches=1), NOW).draft(asks, []).outcomes
    assert busy == Unavailable(Reason.LedgerBusy)
    assert isinstance(granted, Granted)
    monkeypatch.setattr(renewal, "MOST", 1)
    assert renewed(state, [stay("x", NOW - HOUR)], going_on(budget(9)), NOW) == (None, frozenset())


def plain(charge: Charge) -> Charge:
    """Return the charge of a pod that names its end."""
    return dataclasses.replace(charge, endless=False)
