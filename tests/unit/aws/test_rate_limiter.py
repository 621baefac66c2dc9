"""Calls go at once up to the burst, and then at the rate."""

from orchestrator.aws.rate_limiter import RateLimiter
from tests.fakes.clock import SimulatedClock


def paced(clock, *, per_second, burst):
    return RateLimiter(per_second, burst, clock=clock.seconds, sleep=clock.advance)


def test_a_burst_does_not_wait():
    clock = SimulatedClock()
    pace = paced(clock, per_second=10, burst=5)
    for _ in range(5):
        pace.wait()
    assert clock.seconds() == 0


def test_after_the_burst_calls_go_at_the_rate():
    clock = SimulatedClock()
    pace = paced(clock, per_second=10, burst=5)
    for _ in range(25):
        pace.wait()
    assert round(clock.seconds(), 3) == 2.0


def test_a_rest_gives_the_burst_back_and_no_more():
    clock = SimulatedClock()
    pace = paced(clock, per_second=10, burst=5)
    for _ in range(5):
        pace.wait()
    clock.advance(60)
    rested = clock.seconds()
    for _ in range(6):
        pace.wait()
    assert round(clock.seconds() - rested, 3) == 0.1
