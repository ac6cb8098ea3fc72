"""A clock that does not leap, unless the API server says that it was wrong."""

from __future__ import annotations

import logging
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.cluster.clock import APART, DOUBTFUL, Clock

BEGAN = 1_800_000_000.0
DAY = 86400.0


class Machine:
    """A machine whose clock can be set and which can be suspended, and the truth, which the API server tells."""

    def __init__(self, wrong: float = 0.0) -> None:
        self.truth, self.wrong, self.slept = BEGAN, wrong, 0.0
        self.clock = Clock(lambda: self.truth + self.wrong, lambda: self.truth - BEGAN - self.slept)

    def passes(self, seconds: float) -> None:
        self.truth += seconds

    def sleeps(self, seconds: float) -> None:
        self.truth += seconds
        self.slept += seconds

    def hear(self) -> None:
        self.clock.hear(formatdate(self.truth, usegmt=True))

    def off(self) -> float:
        return self.clock().timestamp() - self.truth


@pytest.mark.parametrize("leap", [DAY, -DAY, 3600.0, -400 * DAY])
def test_a_clock_that_is_set_anew_is_not_followed_and_time_goes_on(
    leap: float, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine()
    machine.hear()
    with caplog.at_level(logging.WARNING):
        machine.wrong = leap
        for _ in range(3):
            machine.passes(60)
            machine.hear()
        assert (machine.off(), machine.clock.problem()) == (0, "")
        assert f"leapt by {leap:+.0f} s" in machine.clock.leap()
        assert machine.clock.ahead() == pytest.approx((0, leap), abs=1)
        machine.wrong = 0.0
        machine.hear()
    assert machine.clock.leap() == ""
    assert [each.message for each in caplog.records] == [
        f"the clock of this machine leapt by {leap:+.0f} s; it is not followed; set it right",
        "the clock of this machine is right again",
    ]


@pytest.mark.parametrize("wrong", [DAY, -DAY, 2 * DOUBTFUL])
def test_a_start_with_a_wrong_clock_is_doubted_until_it_is_right(wrong: float) -> None:
    machine = Machine(wrong)
    assert machine.clock.problem() == "", "nobody has said anything yet"
    machine.hear()
    assert f"the clock is {wrong:+.0f} s off the API server's" in machine.clock.problem()
    machine.wrong = 0.0
    machine.clock.look()
    assert (machine.clock.problem(), machine.clock.leap()) == ("", "")
    assert machine.off() == pytest.approx(0, abs=1e-3)


def test_a_machine_that_was_suspended_is_right_once_the_api_server_is_heard() -> None:
    machine = Machine()
    machine.hear()
    machine.sleeps(5 * 3600)
    assert machine.off() == -5 * 3600
    machine.hear()
    assert (machine.off(), machine.clock.problem()) == (0, "")


def test_an_api_server_whose_clock_leaps_is_not_followed_but_doubted() -> None:
    machine = Machine()
    machine.clock.hear(formatdate(BEGAN - 7 * DAY, usegmt=True))
    assert (machine.off(), bool(machine.clock.problem())) == (0, True)
    machine.hear()
    assert machine.clock.problem() == ""


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_what_is_no_date_says_nothing(date: str) -> None:
    machine = Machine(DAY)
    machine.clock.hear(date)
    assert (machine.clock.ahead(), machine.clock.problem()) == (None, "")


LEAP = st.one_of(st.just(0.0), st.floats(-400 * DAY, 400 * DAY))


@given(LEAP, st.lists(st.tuples(st.floats(0, 90), st.booleans(), LEAP), max_size=20))
def test_whatever_happens_to_a_clock_it_is_right_or_doubted_and_right_at_last(
    wrong: float, happens: list[tuple[float, bool, float]]
) -> None:
    machine = Machine(wrong)
    machine.hear()
    for seconds, suspended, leap in happens:
        (machine.sleeps if suspended else machine.passes)(seconds)
        machine.wrong = leap
        machine.hear()
        assert machine.clock.problem() or abs(machine.off()) <= DOUBTFUL + 1
    machine.wrong = 0.0
    machine.hear()
    assert machine.clock.problem() == ""
    assert abs(machine.off()) <= APART + 1
