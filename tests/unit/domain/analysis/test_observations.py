"""What measurements add up to."""

from __future__ import annotations

from orchestrator.domain.analysis.observations import HttpResponse, Measurements, Sample, VersionComparison
from orchestrator.domain.analysis.sequential_testing import Tally
from tests.samples import NOW, seconds


def measured(*samples, version="1", **more):
    return Measurements(version, tuple(samples), **more)


def sample(second=0, requests=0, **more):
    return Sample(NOW + seconds(second), requests, **more)


def test_a_header_is_found_whatever_its_case_and_absent_ones_are_empty():
    answer = HttpResponse(200, {"content-type": ("text/html", "x")}, "", 1.0)
    assert (answer.header("Content-Type"), answer.header("etag")) == ("text/html", "")


def test_requests_errors_and_grants_are_summed_over_the_periods():
    one = measured(
        sample(0, 10, server_errors=1, grants={"issued": 8, "invalid_grant": 2}),
        sample(1, 5, server_errors=2, grants={"issued": 5, "server_error": 0}),
    )
    assert one.requests == 15
    assert one.errors == Tally(15, 3)
    assert one.grants == {"issued": 13, "invalid_grant": 2}


def test_more_errors_than_requests_are_no_more_than_all():
    assert measured(sample(0, 2, server_errors=5)).errors == Tally(2, 2)
    assert measured(invocations=3, unhandled=4).function_failures == Tally(3, 3)


def test_the_typical_percentile_weighs_periods_by_their_requests():
    one = measured(
        sample(0, 1, p50_ms=900.0, p99_ms=5000.0),
        sample(1, 50, p50_ms=20.0, p99_ms=40.0),
        sample(2, 50, p50_ms=30.0, p99_ms=60.0),
    )
    assert (one.p50_ms, one.p99_ms) == (30.0, 60.0)


def test_periods_without_requests_or_percentiles_say_nothing_of_latency():
    assert measured(sample(0, 0, p50_ms=1.0), sample(1, 5)).p50_ms is None
    assert measured().p99_ms is None


def test_the_canary_s_share_is_observed_where_there_is_traffic():
    idle = VersionComparison("token", measured(), measured())
    assert idle.observed_percent is None
    assert idle.versions_identified, "there is nothing to tell apart"
    some = VersionComparison("token", measured(sample(0, 30)), measured(sample(0, 10)), pooled_requests=40)
    assert some.observed_percent == 25.0
    assert some.versions_identified


def test_requests_that_no_version_claims_cannot_be_distinguished():
    assert not VersionComparison("token", measured(), measured(), pooled_requests=3).versions_identified


def test_slow_requests_are_counted_over_a_bound_from_a_time_on():
    one = measured(
        sample(0, 12, timed=10, slower={30.0: 4, 40.0: 1}, cold_starts=2, cold_start_ms=900.0),
        sample(1, 10, timed=10, slower={30.0: 6}),
        sample(2, 5, timed=5, slower={30.0: 9}, cold_starts=1, cold_start_ms=700.0),
    )
    assert one.slower_than(30.0).tallies == (Tally(10, 4), Tally(10, 6), Tally(5, 5))
    assert one.since(NOW + seconds(1)).slower_than(30.0).total == Tally(15, 11)
    assert one.slower_than(40.0).total == Tally(25, 1)
    assert one.slower_than(99.0).total == Tally(25, 0)
    assert (one.timed, one.cold_starts, one.cold_start_ms) == (25, 3, 900.0)
    assert measured(sample(0, 5)).cold_start_ms is None
