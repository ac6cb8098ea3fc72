"""The meter: a life is in its intervals once, whole, cut at midnight, whatever is learned late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.demand.reach import UNKNOWN_CLASS
from admission.ledger.usage.interval import DAY, MOST_DAYS, Holding, How, Interval, millis_of, written
from admission.ledger.usage.meter import GRACE, MOST_DEVICES_NAMED, Meter
from tests.usage.holdings import HOUR, MIDNIGHT, gpus, told

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def meter() -> Meter:
    return Meter(since=MIDNIGHT)


def lives(meter: Meter) -> list[tuple[int, int, str]]:
    return [told(each) for each in sorted(meter.ended.values(), key=lambda each: each.first)]


def test_a_pod_holds_from_its_binding_until_its_end_is_observed(meter: Meter) -> None:
    meter.see("u1", gpus(), MIDNIGHT + 2 * HOUR)
    meter.end("u1", MIDNIGHT + 5 * HOUR, How.SUCCEEDED)
    assert lives(meter) == [(1, 5, "succeeded")]


def test_what_was_held_before_the_record_began_is_in_no_interval(meter: Meter) -> None:
    meter.see("u1", gpus(bound=MIDNIGHT - 3 * HOUR), MIDNIGHT + HOUR)
    meter.end("u1", MIDNIGHT + 2 * HOUR, How.DELETED)
    assert lives(meter) == [(0, 2, "deleted")]


def test_an_interval_is_cut_at_each_midnight_and_goes_on(meter: Meter) -> None:
    meter.see("u1", gpus(), MIDNIGHT + HOUR)
    assert meter.due(MIDNIGHT + 24 * HOUR - 1) == []
    assert meter.due(MIDNIGHT + 24 * HOUR) == ["u1"]
    meter.cut("u1", MIDNIGHT + 24 * HOUR)
    meter.cut("u1", MIDNIGHT + 80 * HOUR)
    meter.end("u1", MIDNIGHT + 81 * HOUR, How.FAILED)
    assert lives(meter) == [(1, 24, "day"), (24, 48, "day"), (48, 72, "day"), (72, 81, "failed")]


def test_an_end_at_midnight_leaves_nothing_for_the_next_day(meter: Meter) -> None:
    meter.see("u1", gpus(), MIDNIGHT + HOUR)
    meter.end("u1", MIDNIGHT + 24 * HOUR, How.DELETED)
    assert lives(meter) == [(1, 24, "deleted")]


def test_days_that_nobody_watched_are_cut_too_and_say_until_when_the_pod_was_known(meter: Meter) -> None:
    meter.see("u1", gpus(), MIDNIGHT + HOUR)
    meter.end("u1", MIDNIGHT + 60 * HOUR, How.UNSEEN, known=MIDNIGHT + 30 * HOUR)
    assert lives(meter) == [(1, 24, "day"), (24, 48, "day"), (48, 60, "unseen")]
    known = [(each.known - MIDNIGHT) // HOUR for each in meter.ended.values()]
    assert known == [24, 30, 48]


@pytest.mark.parametrize(
    ("found", "later", "expected"),
    [
        (gpus(4), GRACE, [(1, 9, "deleted")]),
        (gpus(4), HOUR, [(1, 2, "changed"), (2, 9, "deleted")]),
        (gpus(0), HOUR, [(1, 2, "changed")]),
        (gpus(key="a100-80gb"), HOUR, [(1, 2, "changed"), (2, 9, "deleted")]),
        (gpus(party="rival", country="SG"), HOUR, [(1, 9, "deleted")]),
    ],
    ids=["soon", "fewer", "none", "another class", "another party"],
)
def test_other_devices_begin_another_interval_unless_they_were_only_seen_late(
    meter: Meter, found: Holding, later: int, expected: list[tuple[int, int, str]]
) -> None:
    meter.see("u1", gpus(), MIDNIGHT + HOUR)
    meter.see("u1", found, MIDNIGHT + HOUR + later)
    meter.end("u1", MIDNIGHT + 9 * HOUR, How.DELETED)
    assert lives(meter) == expected
    assert {each.holding.party for each in meter.ended.values()} == {"acme"}, "whose it was does not change"


def test_what_was_not_known_of_a_holding_is_filled_in(meter: Meter) -> None:
    meter.see("u1", gpus(key=UNKNOWN_CLASS, party="", group="", country=""), MIDNIGHT + HOUR)
    meter.see("u1", gpus(site="north", node="n1"), MIDNIGHT + 3 * HOUR)
    meter.end("u1", MIDNIGHT + 9 * HOUR, How.DELETED)
    (interval,) = meter.ended.values()
    assert interval.holding == gpus(site="north", node="n1")


def test_other_devices_are_the_same_ones_whose_the_first_were(meter: Meter) -> None:
    meter.see("u1", gpus(), MIDNIGHT + HOUR)
    meter.see("u1", gpus(4, party="rival", group="rival"), MIDNIGHT + 3 * HOUR)
    meter.end("u1", MIDNIGHT + 5 * HOUR, How.DELETED)
    assert lives(meter) == [(1, 3, "changed"), (3, 5, "deleted")]
    assert {(each.holding.party, each.holding.group) for each in meter.ended.values()} == {("acme", "acme")}


def test_what_is_learned_with_the_end_cuts_nothing(meter: Meter) -> None:
    meter.see("u1", gpus(country=""), MIDNIGHT + HOUR)
    meter.complete("u1", gpus(0), MIDNIGHT + 9 * HOUR)
    meter.end("u1", MIDNIGHT + 9 * HOUR, How.DELETED)
    meter.complete("u2", gpus(2), MIDNIGHT + 9 * HOUR)
    meter.end("u2", MIDNIGHT + 9 * HOUR, How.DELETED)
    assert {each.uid: (told(each), each.holding.counts) for each in meter.ended.values()} == {
        "u1": ((1, 9, "deleted"), (("h100-sxm", 8),)),
        "u2": ((1, 9, "deleted"), (("h100-sxm", 2),)),
    }


def test_who_gets_devices_long_after_its_binding_holds_them_from_then_on(meter: Meter) -> None:
    meter.see("u1", gpus(0), MIDNIGHT + HOUR)
    meter.see("u1", gpus(2), MIDNIGHT + 4 * HOUR)
    meter.end("u1", MIDNIGHT + 6 * HOUR, How.DELETED)
    meter.see("u1", gpus(0), MIDNIGHT + 6 * HOUR)
    assert lives(meter) == [(4, 6, "deleted")]


def test_a_clock_that_goes_back_shortens_nothing_below_nothing(meter: Meter) -> None:
    meter.see("u1", gpus(bound=MIDNIGHT + 5 * HOUR), MIDNIGHT + 5 * HOUR)
    meter.end("u1", MIDNIGHT + HOUR, How.DELETED)
    assert lives(meter) == [(5, 5, "deleted")]


def test_other_devices_before_an_interval_begins_are_those_that_it_has_all_the_time(meter: Meter) -> None:
    """Our clock is behind the API server's."""
    meter.see("u1", gpus(2, bound=MIDNIGHT + 24 * HOUR), MIDNIGHT + 20 * HOUR)
    meter.see("u1", gpus(4), MIDNIGHT + 23 * HOUR)
    meter.end("u1", MIDNIGHT + 30 * HOUR, How.DELETED)
    assert {told(each): each.holding.counts for each in meter.ended.values()} == {
        (24, 30, "deleted"): (("h100-sxm", 4),)
    }


def test_of_two_ends_that_are_learned_the_tighter_one_is_kept(meter: Meter) -> None:
    open_one = Interval("u1", MIDNIGHT, gpus())
    tight, loose = (open_one.until(MIDNIGHT + hour * HOUR, MIDNIGHT, How.DELETED) for hour in (2, 3))
    for order in ([tight, loose], [loose, tight]):
        meter.ended.clear()
        meter.take_over(order)
        assert lives(meter) == [(0, 2, "deleted")]


def test_two_open_intervals_of_one_pod_in_a_journal_are_its_days(meter: Meter) -> None:
    today = Interval("u1", MIDNIGHT + DAY, gpus())
    meter.resume([today, Interval("u1", MIDNIGHT, gpus())])
    assert meter.open == {"u1": today}
    assert lives(meter) == [(0, 24, "day")]


def test_a_start_that_is_years_off_makes_a_bounded_number_of_lines(meter: Meter) -> None:
    meter.resume([Interval("u1", 0, gpus())])
    meter.end("u1", MIDNIGHT + HOUR, How.DELETED)
    assert len(meter.ended) == MOST_DAYS + 1


def test_so_many_device_ids_are_kept_and_no_more(meter: Meter) -> None:
    many = tuple(f"gpu-{number:03}" for number in range(2 * MOST_DEVICES_NAMED))
    for devices in (many[:50], many):
        meter.see(
            "u1", Holding(namespace="n", name="p", counts=(("t4", 1),), devices=devices, bound=MIDNIGHT), MIDNIGHT
        )
    assert meter.open["u1"].holding.devices == many[:MOST_DEVICES_NAMED]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T11:56:49Z", "2026-11-26T11:56:49.000Z"),
        ("2026-11-26T12:56:49.123456+01:00", "2026-11-26T11:56:49.123Z"),
        ("1926-11-26T12:56:49Z", "1970-01-01T00:00:00.000Z"),
        ("2026-11-26T12:56:49", None),
        ("soon", None),
        (None, None),
    ],
)
def test_instants_are_read_as_kubernetes_writes_them(text: str | None, expected: str | None) -> None:
    found = millis_of(text)
    assert (None if found is None else written(found)) == expected


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["see", "cut", "end", "complete", "resume"]),
        st.integers(0, 3),
        st.integers(0, 3 * DAY // 2),
        st.integers(-HOUR, HOUR),
    ),
    max_size=25,
)


def parts(meter: Meter, now: int) -> Iterator[tuple[int, int, int]]:
    """Yield every interval, in the end or open until now, as first, last and devices."""
    for each in (*meter.ended.values(), *meter.open.values()):
        last = each.last if each.how else max(now, each.first)
        yield each.first, last, sum(count for _, count in each.holding.counts)


@given(STEPS)
def test_the_intervals_of_one_life_never_overlap_nor_leave_a_gap(steps: list[tuple[str, int, int, int]]) -> None:
    """One pod that holds something all the time, watched in any way by any number of leaders; clocks jump a little."""
    meter, now, bound = Meter(MIDNIGHT), MIDNIGHT + HOUR, MIDNIGHT + HOUR
    meter.see("u1", gpus(1, bound=bound), now)
    for step, count, later, jump in steps:
        now = max(bound, now + later)
        observed = max(bound, now + jump)
        match step:
            case "see":
                meter.see("u1", gpus(count + 1, bound=bound), observed)
            case "complete":
                meter.complete("u1", gpus(count, bound=bound), observed)
            case "cut":
                meter.cut("u1", observed)
            case "resume":
                heir = Meter(MIDNIGHT)
                heir.resume([*meter.open.values(), *meter.ended.values()])
                meter = heir
            case _:
                break
    end = max(now, bound, *(last for _, last, _ in parts(meter, now)))
    meter.end("u1", end, How.DELETED, known=now)
    life = sorted(parts(meter, end))
    assert not meter.open
    assert life[0][0] == bound
    assert [last for _, last, _ in life[:-1]] == [first for first, _, _ in life[1:]]
    assert sum(last - first for first, last, _ in life) == life[-1][1] - bound
    assert all(last - 1 < (first // DAY + 1) * DAY for first, last, _ in life), "no interval crosses a midnight"
    assert all(each.first <= each.known <= each.last for each in meter.ended.values())
