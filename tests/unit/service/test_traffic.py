"""Real traffic against the service over HTTP: what it does, and what it reports about it."""

from __future__ import annotations

import itertools
import time

import pytest

from orchestrator.local.oauth_client import TrafficClient
from orchestrator.local.traffic_generator import _REQUESTS, Traffic, arrivals

CLIENTS = [
    TrafficClient("native", "http://127.0.0.1:5000/callback"),
    TrafficClient("web", "https://web.example/cb?x=1", scope="profile", secret="a-secret-of-the-confidential-client"),
]


def _wait_until(true, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def counts_of(snapshot, function):
    return next(counts for counts in snapshot.counts if (counts.function, counts.version) == (function, "42"))


def test_traffic_goes_all_the_ways_and_nothing_it_sends_is_refused(base_url, platform_url):
    started = time.time()
    # Few enough requests a second for a machine that is busy with other tests: none may be dropped.
    with Traffic(base_url, platform_url, CLIENTS, rate_per_second=30, seed=3) as traffic:
        _wait_until(lambda: len(traffic.responses()) >= 300)
    seen = traffic.responses()
    assert [response for response in seen if response.bad] == []
    assert {response.route for response in seen} >= {
        "GET /authorize", "POST /login", "GET /login/poll", "POST /token", "GET /userinfo", "GET /health",
        "GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server", "GET /version",
    }  # fmt: skip
    assert {response.version for response in seen} == {"42"}
    snapshot = traffic.snapshot(started)
    assert sum(counts.requests for counts in snapshot.counts) == len(seen)
    token = counts_of(snapshot, "token")
    assert token.requests >= len(seen) / 3
    assert 0 < token.p50_ms <= token.p99_ms
    assert traffic.last_response_of("public", "42") in seen
    assert traffic.first_bad_response_after(0) is None
    assert traffic.report()["dropped"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_activities_arrive_at_the_requested_rate_of_requests(seed):
    within = itertools.takewhile(lambda arrival: arrival[0] < 600, arrivals(60, seed))
    requests = sum(_REQUESTS.get(activity, 1) for _, activity in within)
    # 36,000 expected in bursts of at most four, so a standard deviation is below 4 * 36,000 ** 0.5 = 760.
    assert 36_000 * 0.9 < requests < 36_000 * 1.1


def test_a_service_that_is_away_is_an_observation_and_not_the_end(platform_url):
    with Traffic("http://127.0.0.1:9", platform_url, CLIENTS, rate_per_second=100) as traffic:
        _wait_until(lambda: len(traffic.responses()) >= 20)
    bad = traffic.first_bad_response_after(0)
    assert (bad.status, bad.version, bad.error) == (0, None, "ConnectionRefusedError")
    assert all(response.bad for response in traffic.responses())


def test_a_bad_answer_is_an_observation_with_its_code(base_url, platform_url, service):
    service.bump_epoch(1)  # in the same tables: what is issued from now on carries it
    with Traffic(base_url, platform_url, CLIENTS, rate_per_second=100) as traffic:
        _wait_until(lambda: any(response.route == "GET /userinfo" for response in traffic.responses()))
        service.bump_epoch(2)
        _wait_until(lambda: traffic.first_bad_response_after(0) is not None)
        bad = traffic.first_bad_response_after(0)
    assert bad.status in {400, 401}
    assert bad.error in {"invalid_grant", "invalid_token"}
    assert counts_of(traffic.snapshot(0), bad.function).errors[bad.error] >= 1


@pytest.mark.parametrize(("rate", "clients"), [(0, CLIENTS), (-1, CLIENTS), (1, [])])
def test_traffic_without_a_rate_or_a_client_is_refused(rate, clients):
    with pytest.raises(ValueError, match="positive rate"):
        Traffic("http://127.0.0.1:9", "http://127.0.0.1:9", clients, rate_per_second=rate)
