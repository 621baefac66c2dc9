"""The token bucket: bursts, the long run, many sources, a clock that goes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.rate_limit import Throttle


def test_a_burst_is_let_through_and_then_the_rate():
    throttle = Throttle(per_second=2, burst=3)
    assert [throttle.wait_seconds("a", 100.0) for _ in range(4)] == [0, 0, 0, 1]
    assert throttle.wait_seconds("a", 100.5) == 0
    assert throttle.wait_seconds("a", 100.5) == 1


def test_a_refused_request_costs_nothing():
    throttle = Throttle(per_second=1, burst=1)
    assert [throttle.wait_seconds("a", 100.0 + tenth / 10) for tenth in range(11)] == [0, *([1] * 9), 0]


def test_the_returned_wait_is_enough():
    throttle = Throttle(per_second=0.25, burst=1)
    throttle.wait_seconds("a", 0.0)
    wait = throttle.wait_seconds("a", 1.0)
    assert wait == 3
    assert throttle.wait_seconds("a", 1.0 + wait) == 0


def test_sources_do_not_take_from_each_other_and_the_oldest_is_forgotten():
    throttle = Throttle(per_second=1, burst=1)
    assert [throttle.wait_seconds(f"source {number}", 0.0) for number in range(4097)] == [0] * 4097
    assert throttle.wait_seconds("source 0", 0.0) == 0, "forgotten, so its bucket is full"
    assert throttle.wait_seconds("source 4096", 0.0) == 1


def test_a_clock_that_goes_back_gives_nothing_away():
    throttle = Throttle(per_second=1, burst=1)
    throttle.wait_seconds("a", 100.0)
    assert throttle.wait_seconds("a", 50.0) == 1


@pytest.mark.strategy("Application Security: Rate limiting")
@given(
    st.floats(1, 50),
    st.integers(1, 20),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_no_source_gets_more_than_its_burst_and_its_rate(per_second, burst, pauses):
    throttle, now, allowed = Throttle(per_second, burst), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += throttle.wait_seconds("a", now) == 0
    assert allowed <= burst + per_second * now + 1e-6
    assert allowed >= 1


@pytest.mark.parametrize("burst", [1, 5])
def test_after_a_long_pause_a_source_has_its_burst_again_and_not_more(burst):
    throttle = Throttle(per_second=10, burst=burst)
    assert [throttle.wait_seconds("a", 0.0) for _ in range(burst + 1)] == [0] * burst + [1]
    assert [throttle.wait_seconds("a", 1e6) for _ in range(burst + 1)] == [0] * burst + [1]
