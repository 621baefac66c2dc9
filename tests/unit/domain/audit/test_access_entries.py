"""Lines of the access log as entries: the client and nothing else that could name a person."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.audit.access_entries import UNKNOWN_CLIENT, clients_of_requests, entry_of_request
from orchestrator.domain.audit.entry import Source
from tests.samples import NOW, seconds

ACCESS = {
    "request_id": "r-1", "trace_id": "1-2", "time_ms": str(int(NOW.timestamp() * 1000)), "source_ip": "192.0.2.7",
    "user_agent": "curl/8", "method": "POST", "route": "/token", "status": "200", "latency_ms": "12",
    "refused_as": "-", "firewall": "-", "key": "-", "invocation": "lambda-1",
}  # fmt: skip


def line(message):
    return LogLine(NOW + seconds(2), "stream", message if isinstance(message, str) else json.dumps(message))


def entry(clients=None, **changes):
    return entry_of_request(line({**ACCESS, **changes}), clients or {})


def test_a_request_names_its_client_route_and_status():
    found = entry({"lambda-1": "shop"})
    assert (found.source, found.id, found.actor) == (Source.ACCESS_LOG, "r-1", "shop")
    assert (found.action, found.resource, found.outcome) == ("POST /token", "/token", "200")
    assert (found.at, found.detail) == (NOW, "answered in 12 ms")


def test_neither_the_address_nor_the_program_of_a_person_is_taken():
    assert not {"192.0.2.7", "curl/8"} & set(map(str, vars(entry()).values()))
    assert "192.0.2.7" not in str(entry())


def test_a_request_without_a_verified_client_names_its_key_or_no_one():
    assert entry(key="key-1").actor == "API key key-1"
    assert entry().actor == UNKNOWN_CLIENT
    assert entry(invocation="-").actor == UNKNOWN_CLIENT


def test_a_refusal_says_as_what_it_was_refused():
    assert entry(status="429", refused_as="THROTTLED").detail == "THROTTLED"
    assert entry(status="403", refused_as="WAF_FILTERED", firewall="403").detail == "WAF_FILTERED 403"


@pytest.mark.parametrize("time_ms", ["-", "", "x", "9" * 14, None])
def test_a_request_without_its_time_has_that_of_its_line(time_ms):
    assert entry(time_ms=time_ms).at == NOW + seconds(2)


def test_a_line_without_a_latency_is_still_an_entry():
    assert entry(latency_ms="-").detail == "answered in ? ms"


@pytest.mark.parametrize(
    "message", ["", "no json", "[]", "{}", json.dumps({"request_id": "r", "status": 1}), "[" * 99_999]
)
def test_what_is_no_line_of_the_log_is_no_entry(message):
    assert entry_of_request(line(message), {}) is None


def test_clients_are_those_of_request_lines_that_verified_them():
    found = clients_of_requests(
        [
            line({"message": "request", "request_id": "lambda-1", "client": "shop"}),
            line({"message": "request", "request_id": "lambda-2", "claimed_client": "shop"}),
            line({"message": "failure", "request_id": "lambda-3", "client": "shop"}),
            line("no json"),
        ]
    )
    assert found == {"lambda-1": "shop"}
