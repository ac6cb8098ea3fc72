"""Use over time, by the hour: what is prepaid, settled, archived, and how long a hold lasts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.decide.limits import ENDING, Charge, Limit, Part, Parties, whole
from admission.ledger.draft import Ask, Caps, Drafter, Withdrawal
from admission.ledger.fold import fold, rebuilt
from admission.ledger.homes import Attribution
from admission.ledger.hours import (
    HOUR,
    Stay,
    Terms,
    after_archiving,
    archived,
    held_on,
    replaced,
    settled,
    sums,
    used_in,
)
from admission.ledger.limits import Exceeded, Granted, Kind, Origin, Unavailable
from admission.ledger.state import Hold, Hours, State
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from admission.decide.limits import Account, Unit
    from admission.ledger.state import Entry

WINDOW, GAP, NOW = 24 * HOUR, HOUR, 1000 * HOUR


def stay(seconds: int = HOUR, since: int = NOW, until: int = 0, **fields: object) -> Stay:
    made = Stay("u", "acme", "", (("h100", 1),), seconds, since, until)
    return made._replace(**fields)  # type: ignore[arg-type]  # the fields of a Stay


@pytest.mark.parametrize(
    ("one", "now", "bound"),
    [
        pytest.param(stay(since=0), NOW, HOUR + ENDING, id="waiting for a node it has paid for all"),
        pytest.param(stay(), NOW + 60, HOUR + ENDING, id="and so it has while it runs"),
        pytest.param(stay(), NOW + HOUR + ENDING, HOUR + ENDING, id="to its end"),
        pytest.param(stay(), NOW + HOUR + ENDING + 1, 2 * HOUR, id="what outlives that pays by the hour"),
        pytest.param(stay(seconds=0), NOW, 0, id="without an end nothing is paid for ahead"),
        pytest.param(stay(seconds=0), NOW + 1, HOUR, id="but for each hour that has begun"),
        pytest.param(stay(seconds=0), NOW - 9, 0, id="a clock that went back takes nothing away"),
    ],
)
def test_a_pod_is_charged_for_all_that_it_may_use(one: Stay, now: int, bound: int) -> None:
    assert bound == one.bound(now)


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 8))
def test_the_hours_of_a_stay_add_up_to_it(since: int, seconds: int, count: int) -> None:
    used = dict(used_in((("h100", count),), "acme", since, since + seconds))
    assert sum(used.values()) == count * seconds
    assert all(0 < each <= count * HOUR for each in used.values())


def paid(**prepaid: int) -> Hours:
    return Hours(prepaid={("acme", key.replace("_or_", "|")): seconds for key, seconds in prepaid.items()})


ALL = HOUR + ENDING
LEAVING = Charge("acme", (("h100", 1),), (), HOUR)


@pytest.mark.parametrize(
    ("before", "leaving", "live", "ended", "after"),
    [
        pytest.param(paid(), [LEAVING], [stay()], [], (ALL, 0), id="a reservation is folded"),
        pytest.param(paid(h100=ALL), [], [stay()], [], (ALL, 0), id="nothing happened"),
        pytest.param(paid(h100=ALL), [], [], [stay(until=NOW + 600)], (0, 600), id="an end that was seen is refunded"),
        pytest.param(paid(h100=ALL), [], [], [], (0, ALL), id="one that was not is charged in full"),
        pytest.param(paid(), [LEAVING], [], [stay(until=NOW + 5)], (0, 5), id="it came and went between two folds"),
        pytest.param(paid(), [LEAVING], [], [], (0, ALL), id="it came and went unseen"),
        pytest.param(paid(), [], [], [stay(since=0, until=NOW)], (0, 0), id="it never had a node"),
        pytest.param(
            paid(a100_or_h100=ALL), [], [stay()], [], (ALL, 0), id="a pod that got its node is paid for in one class"
        ),
        pytest.param(
            paid(h100=2 * ALL), [], [], [stay(until=NOW + 600)], (0, 600 + ALL), id="one end seen and another not"
        ),
        pytest.param(
            paid(), [], [], [stay(until=NOW + 600)], (0, 600), id="what came in past the ledger has used it too"
        ),
    ],
)
def test_what_has_ended_is_settled(
    before: Hours, leaving: list[Charge], live: list[Stay], ended: list[Stay], after: tuple[int, int]
) -> None:
    """``after`` is what is prepaid then, and what is spent."""
    hours = settled(before, dict(zip("u", leaving, strict=False)), live, ended, NOW + 600)
    assert (sum(hours.prepaid.values()), sum(hours.spent.values())) == after


LATE = stay(since=NOW - 2 * HOUR)
"""It outlived its hour, and goes on paying: two hours until now, three from then on."""


@pytest.mark.parametrize(
    ("before", "settled_at", "leaving", "live", "ended", "spent"),
    [
        pytest.param(2 * HOUR, NOW, (), [LATE], [], 0, id="it goes on, and is not charged twice"),
        pytest.param(ALL + 2 * HOUR, NOW, (), [LATE], [], ALL, id="another ended unseen in its fourth hour"),
        pytest.param(2 * ALL, NOW - HOUR, (), [LATE], [], ALL, id="or since before it was late"),
        pytest.param(ALL, NOW, ("u",), [LATE], [], ALL, id="or while its own reservation left"),
        pytest.param(
            2 * ALL, NOW - HOUR, (), [], [LATE._replace(until=NOW)], 2 * HOUR + ALL, id="or while its end was seen"
        ),
        pytest.param(
            ALL + 2 * HOUR, NOW, (), [], [LATE._replace(until=NOW + 9)], 2 * HOUR + 9 + ALL, id="or that came later"
        ),
        pytest.param(ALL, NOW, (), [stay(seconds=0, since=NOW + 5)], [], ALL, id="or while one without an end came in"),
        pytest.param(2 * ALL, 0, (), [LATE], [], 0, id="only who never noted when it was cannot tell"),
    ],
)
def test_what_outlives_its_deadline_hides_no_end_that_nobody_saw(  # noqa: PLR0917 (a row of the table)
    before: int, settled_at: int, leaving: Collection[str], live: list[Stay], ended: list[Stay], spent: int
) -> None:
    hours = dataclasses.replace(paid(h100=before), settled_at=settled_at)
    after = settled(hours, dict.fromkeys(leaving, LEAVING), live, ended, NOW + 600)
    assert sum(after.spent.values()) == spent
    assert sum(settled(after, {}, live, [], NOW + 600).spent.values()) == spent


LIVES = st.lists(
    st.tuples(st.integers(0, 8 * HOUR), st.integers(60, 3 * HOUR), st.integers(0, 6 * HOUR), st.booleans()), max_size=6
)


@settings(max_examples=200)
@given(LIVES, st.lists(st.integers(1, 2 * HOUR), min_size=1, max_size=8))
def test_what_was_seen_costs_what_it_used_and_what_was_not_all_that_it_had_paid(
    lives: list[tuple[int, int, int, bool]], pauses: list[int]
) -> None:
    """Lives are when each began, what it paid for, how long it stayed, and whether its end is seen."""
    hours, before, now = Hours(), NOW - 1, NOW - 1
    for pause in (*pauses, 20 * HOUR):
        before, now = now, now + pause
        leaving, live, ended = {}, [], []
        for number, (begun, seconds, length, seen) in enumerate(lives):
            one = stay(seconds, NOW + begun, uid=f"u{number}")
            if before < one.since <= now:
                leaving[one.uid] = dataclasses.replace(LEAVING, seconds=seconds)
            if one.since <= now < one.since + length:
                live.append(one)
            elif before < one.since + length <= now and seen:
                ended.append(one._replace(until=one.since + length))
        hours = settled(hours, leaving, live, ended, now)
    least = sum(length if seen else seconds + ENDING for _, seconds, length, seen in lives)
    assert (sum(hours.prepaid.values()), sum(hours.spent.values()) >= least) == (0, True)
    if all(seen for *_, seen in lives):
        assert sum(hours.spent.values()) == least


@pytest.mark.parametrize(
    ("age", "counts"), [(WINDOW - HOUR, True), (WINDOW, True), (WINDOW + HOUR - 1, True), (WINDOW + HOUR, False)]
)
def test_an_hour_counts_in_full_while_any_of_it_lies_in_the_window(age: int, counts: bool) -> None:
    archive = {("acme", "h100", NOW // HOUR): 7}
    assert sums(archive, [WINDOW], NOW + age) == {WINDOW: {("acme", "h100"): 7} if counts else {}}


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("sma"), st.integers(1, 50)), max_size=12), st.booleans())
def test_archiving_loses_and_repeats_nothing_wherever_it_stops(steps: list[tuple[str, int]], twice: bool) -> None:
    """s: more is spent; m: the archive is written; a: so is the ledger.  Each write of the archive may come twice."""
    hours, archive, total = Hours(past={WINDOW: {}}), Hours(), 0
    for step, seconds in steps:
        if step == "s":
            spent = dict(hours.spent)
            bucket = ("acme", "h100", NOW // HOUR)
            hours = dataclasses.replace(hours, spent={bucket: spent.get(bucket, 0) + seconds})
            total += seconds
        for _ in range(1 + twice) if step == "m" else ():
            if archive.archived == hours.archived:
                archive = archived(archive, hours, [WINDOW], NOW)
        if step == "a":
            hours = after_archiving(hours, archive, [WINDOW], NOW)
        counted = hours.counted(WINDOW)
        assert counted is not None
        assert sum(sum(each.values()) for each in counted) == total


def test_a_lost_archive_is_replaced_by_all_that_is_known() -> None:
    hours = Hours(archived=3, past={WINDOW: {("acme", "h100"): 5}, 2 * WINDOW: {("acme", "h100"): 9}})
    archive = replaced(hours, NOW)
    assert after_archiving(hours, archive, [WINDOW], NOW).past == {WINDOW: {("acme", "h100"): 9}}


def limited(unit: Unit, amount: int, window: int = WINDOW) -> Limit:
    return Limit("q", unit, amount, {"h100": 1}, None, Parties.of(whole, "acme"), window, frozenset({"h100"}))


def drawn(state: State, *asks: Ask, now: int = NOW) -> list[object]:
    return list(Drafter(state, Caps(), now).draft(asks, []).outcomes)


def ask(uid: str, *limits: Limit, seconds: int = HOUR, count: int = 1, group: str = "") -> Ask:
    return Ask(uid, "ns", uid, Charge("acme", (("h100", count),), (), seconds, group), limits, "o")


def test_a_batch_pays_from_one_budget() -> None:
    bound = limited("deviceHours", 3 * ALL)
    first, second, third = drawn(State(initialized=True, hours=paid(h100=ALL)), *(ask(uid, bound) for uid in "abc"))
    assert isinstance(first, Granted)
    assert isinstance(second, Granted)
    assert isinstance(third, Exceeded)
    assert [(s.used_all, s.requested) for s in third.shortfalls] == [(3 * ALL, ALL)]


def test_a_window_that_nobody_has_summed_yet_grants_nothing() -> None:
    state = State(initialized=True, hours=Hours(archived=1, past={WINDOW: {}}))
    assert drawn(state, ask("a", limited("deviceHours", 9 * ALL, 2 * WINDOW))) == [Unavailable(Reason.NotSynced)]


def test_what_has_no_end_fits_under_no_limit_of_hours() -> None:
    (outcome,) = drawn(State(initialized=True), ask("a", limited("deviceHours", 2**31 * HOUR), seconds=0))
    assert isinstance(outcome, Exceeded)


def test_what_outlives_its_deadline_in_flight_pays_by_the_hour() -> None:
    entry = ask("x", seconds=HOUR).entry(NOW - 9 * HOUR)
    state = State(initialized=True, inflight={"x": entry})
    (outcome,) = drawn(state, ask("y", limited("deviceHours", 16 * HOUR), seconds=8 * HOUR))
    assert isinstance(outcome, Exceeded)
    assert [short.used_all for short in outcome.shortfalls] == [9 * HOUR]


def test_a_release_without_a_watch_spends_what_was_used() -> None:
    bound = limited("deviceHours", 2 * ALL)
    granted = Drafter(State(initialized=True), Caps(), NOW).draft([ask("a", bound)], [])
    assert granted.state is not None
    left = Drafter(granted.state, Caps(), NOW + 90).draft([], [Withdrawal("a", None)]).state
    assert left is not None
    assert left.hours.used(WINDOW) == [(("acme", "h100"), 90)]


@pytest.mark.parametrize(
    ("held", "seconds", "fits"),
    [
        pytest.param(None, 4 * HOUR, True, id="nothing held yet"),
        pytest.param(Hold(NOW - HOUR), 3 * HOUR, True, id="what is left of it"),
        pytest.param(Hold(NOW - HOUR), 3 * HOUR + 1, False, id="a second more"),
        pytest.param(Hold(NOW - 4 * HOUR), 1, False, id="nothing left"),
        pytest.param(Hold(NOW - 9 * HOUR, NOW - GAP), 1, False, id="a break as long as the gap goes on"),
        pytest.param(Hold(NOW - 9 * HOUR, NOW - GAP - 1), 4 * HOUR, True, id="a longer one ends it"),
    ],
)
def test_a_deadline_fits_what_is_left_of_the_longest_hold(held: Hold | None, seconds: int, fits: bool) -> None:
    holds = {("group", "h100"): held} if held else {}
    state = State(initialized=True, hours=Hours(holds=holds))
    (outcome,) = drawn(state, ask("a", limited("hold", 4 * HOUR, GAP), seconds=seconds, group="group"))
    assert isinstance(outcome, Granted) is fits
    (other,) = drawn(state, ask("b", limited("hold", 4 * HOUR, GAP), seconds=4 * HOUR, group="another"))
    assert isinstance(other, Granted)


def test_the_claim_of_a_pod_begins_no_hold_of_its_own() -> None:
    hold = limited("hold", HOUR, GAP)
    pod = ask("pod", hold)
    state = State(initialized=True, hours=Hours(holds={("acme", "h100"): Hold(NOW - 5)}))
    whole = dataclasses.replace(pod.charge, parts=(Part("gpu", "d", (("h100", 1),)),))
    entry = msgspec.structs.replace(pod, charge=whole).entry(NOW)
    claim = msgspec.structs.replace(ask("claim", hold), kind=Kind.Claim, origin=Origin("pod", "gpu", "d"))
    (outcome,) = drawn(dataclasses.replace(state, inflight={"pod": entry}), claim)
    assert isinstance(outcome, Granted)


@pytest.mark.parametrize(
    ("before", "stays", "after"),
    [
        pytest.param(None, [(NOW - 50, 0)], Hold(NOW - 50), id="a hold begins with the node"),
        pytest.param(None, [(0, 0)], None, id="and not before"),
        pytest.param(Hold(NOW - 90), [(NOW - 50, 0)], Hold(NOW - 90), id="it goes on"),
        pytest.param(Hold(NOW - 90), [], Hold(NOW - 90, NOW), id="it ends with the last pod"),
        pytest.param(Hold(NOW - 90, NOW - 60), [(NOW - 50, 0)], Hold(NOW - 90), id="a restart goes on with it"),
        pytest.param(
            Hold(NOW - 9 * HOUR, NOW - 3 * HOUR),
            [(NOW - 50, 0)],
            Hold(NOW - 50),
            id="after a long break it begins anew",
        ),
        pytest.param(Hold(NOW - 9 * HOUR, NOW - GAP - 1), [], None, id="what ended long ago is forgotten"),
        pytest.param(None, [(NOW - 90, NOW - 80), (NOW - 70, 0)], Hold(NOW - 90), id="one after the other"),
        pytest.param(
            None, [(NOW - 9 * HOUR, NOW - 8 * HOUR), (NOW - 70, 0)], Hold(NOW - 70), id="too long after the other"
        ),
        pytest.param(Hold(NOW - 90), [(NOW - 50, NOW - 20)], Hold(NOW - 90, NOW), id="the last end that was seen"),
    ],
)
def test_a_hold_goes_on_from_pod_to_pod(before: Hold | None, stays: list[tuple[int, int]], after: Hold | None) -> None:
    hours = Hours(holds={("group", "h100"): before} if before else {})
    times = [stay(since=since, until=until, group="group") for since, until in stays]
    assert held_on(hours, times, GAP, NOW) == ({("group", "h100"): after} if after else {})


def test_sibling_tenants_share_a_hold_and_classes_do_not() -> None:
    times = [
        stay(since=NOW - 90, until=NOW - 60, party="acme", group="group"),
        stay(since=NOW - 50, party="zeta", group="group"),
        stay(since=NOW - 9, party="zeta", group="group", counts=(("a100", 1),)),
    ]
    assert held_on(Hours(), times, GAP, NOW) == {
        ("group", "h100"): Hold(NOW - 90),
        ("group", "a100"): Hold(NOW - 9),
    }


class Here:
    """A census of stays."""

    resource_version = claims_version = 50
    lists = 0

    def __init__(self, *live: Stay) -> None:
        self._live = live

    def newest(self) -> tuple[int, int]:
        return 50, 0

    def settled(self, entry: Entry) -> bool:  # noqa: ARG002 (nothing is settled)
        return False

    def attributed(self, entry: Entry, scope: str) -> bool:  # noqa: ARG002 (all are)
        return True

    def attribution(self, scope: str) -> Attribution:  # noqa: ARG002 (none is recorded)
        return Attribution()

    def live(self, uid: str) -> bool:
        return any(stay.uid == uid for stay in self._live)

    def unreadable(self, scope: str) -> Collection[str]:  # noqa: ARG002 (all can be read)
        return ()

    def charges(self, scope: str, promised: Collection[str]) -> Mapping[Account, int]:  # noqa: ARG002 (one scope)
        return {(stay.party, key): n for stay in self._live if stay.uid not in promised for key, n in stay.counts}

    def stays(self, scope: str, promised: Collection[str]) -> Collection[Stay]:  # noqa: ARG002 (one scope)
        return [stay for stay in self._live if stay.uid not in promised]

    def ended(self, scope: str) -> Collection[Stay]:  # noqa: ARG002 (nobody saw any)
        return ()

    def forget(self, pods: int, claims: int) -> None:
        """Nothing is kept."""


def test_a_ledger_that_is_counted_anew_keeps_its_hours_and_holds() -> None:
    terms = Terms(frozenset({WINDOW}), GAP)
    hours = Hours(
        prepaid=paid(h100=ALL).prepaid, spent={("acme", "h100", NOW // HOUR): 9}, holds={("acme", "h100"): Hold(5)}
    )
    state = State(epoch=1, hours=hours, observed_pods=9)
    counted = rebuilt(state, "CN", Here(), archive=Hours(), terms=terms, now=NOW)
    assert counted.hours.holds == {("acme", "h100"): Hold(5, NOW)}, "nothing goes on, and nobody saw since when"
    assert counted.hours.spent == hours.spent
    after = fold(counted, "CN", Here(), (), terms=terms, now=NOW)
    assert after is not None
    assert sum(after.hours.spent.values()) == 9 + ALL, "its pod has ended meanwhile, and nobody saw it"


def test_what_a_recount_counts_in_begins_its_hold_with_the_same_write() -> None:
    state = State(initialized=True)
    after = fold(state, "CN", Here(stay()), (), terms=Terms(gap=GAP), now=NOW + 5, recount=True)
    assert after is not None
    assert (after.used, after.hours.holds) == ({("acme", "h100"): 1}, {("acme", "h100"): Hold(NOW)})


def test_one_that_lost_them_counts_by_its_archive() -> None:
    archive = Hours(spent={("acme", "h100", NOW // HOUR): 9}, archived=3)
    terms = Terms(frozenset({WINDOW}))
    counted = rebuilt(State(epoch=3), "CN", Here(stay()), archive=archive, terms=terms, now=NOW, shards=4)
    assert counted.hours.prepaid == {("acme", "h100"): ALL}
    assert counted.hours.past == {WINDOW: {("acme", "h100"): 9}}


def test_what_stays_in_flight_holds_too_and_without_a_window_nothing_is_prepaid() -> None:
    entry = ask("u", seconds=HOUR).entry(NOW)
    state = State(initialized=True, inflight={"u": entry}, hours=paid(h100=ALL))
    after = fold(state, "CN", Here(stay()), (), terms=Terms(gap=GAP), now=NOW + 5)
    assert after is not None
    assert (after.hours.prepaid, after.hours.holds) == ({}, {("acme", "h100"): Hold(NOW)})
