"""A clock that does not leap."""

from __future__ import annotations

from admission.cluster.clock import steady


def test_a_clock_that_is_set_anew_is_not_followed_and_time_goes_on() -> None:
    wall, monotonic = [1000.0], [5.0]
    clock = steady(lambda: wall[0], lambda: monotonic[0])
    begun = clock().timestamp()
    wall[0], monotonic[0] = 9_999_999.0, 65.0
    assert (begun, clock().timestamp()) == (1000.0, 1060.0)
    wall[0] = 0.0
    assert clock().timestamp() == 1060.0
