"""The usage of one client, from log lines that another system wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.clients.usage import RECENT_ERRORS, Usage, parse_request, summarize_usage

START = datetime(2026, 12, 1, tzinfo=UTC)


def line(minute=0, **fields):
    record = {"message": "request", "route": "POST /token", "status": 200, "request_id": f"r{minute}", **fields}
    return LogLine(START + timedelta(minutes=minute), "stream", json.dumps(record))


GRANT = {"client": "app-a", "result": "issued"}


@pytest.mark.parametrize(
    "message",
    ["", "ERROR app-a", "[", "[" * 100_000, "[]", '"app-a"', '{"client": "app-a"}', '{"message": "request failed", "client": "app-a"}'],
)  # fmt: skip
def test_what_is_no_request_line_is_not_counted(message):
    assert parse_request(LogLine(START, "s", message), "app-a") is None


def test_a_line_of_another_client_is_not_counted():
    assert parse_request(line(client="app-ab"), "app-a") is None
    assert parse_request(line(claimed_client="app-b", name="app-a"), "app-a") is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (GRANT, ""),
        ({"client": "app-a", "result": "invalid_grant", "status": 400}, "invalid_grant"),
        ({"client": "app-a", "refusal": "invalid_scope", "status": 303}, "invalid_scope"),
        ({"claimed_client": "app-a", "refusal": "redirect_mismatch", "status": 400}, "redirect_mismatch"),
        ({"client": "app-a", "status": 503}, "server_error"),
        ({"client": "app-a", "status": 404}, "http 404"),
        ({"client": "app-a", "status": "404"}, ""),
        ({"client": "app-a"}, ""),
    ],
)
def test_the_error_of_a_request_is_its_code_or_its_status(fields, error):
    assert parse_request(line(**fields), "app-a").error == error


def test_requests_grants_errors_and_the_newest_of_each_are_counted_in_any_order():
    lines = [
        line(5, claimed_client="app-a", result="invalid_client", status=401),
        line(1, **GRANT, earlier_secret=True),
        line(3, **GRANT),
        line(0, client="app-a", route="GET /authorize"),
        line(4, client="app-a", result="invalid_grant", status=400),
    ]
    usage = summarize_usage(lines, "app-a")
    assert (usage.requests, usage.grants, usage.earlier_secret_requests) == (4, 2, 1)
    assert usage.errors == {"invalid_grant": 1, "invalid_client": 1}
    assert usage.by_route == {"POST /token": 3, "GET /authorize": 1}
    minutes = [
        (at - START) / timedelta(minutes=1) for at in (usage.last_used, usage.last_grant, usage.earlier_secret_last)
    ]
    assert minutes == [4, 3, 1]
    assert [(one.error, one.verified, one.request_id) for one in usage.recent_errors] == [
        ("invalid_client", False, "r5"), ("invalid_grant", True, "r4"),
    ]  # fmt: skip


def test_the_newest_errors_are_kept():
    usage = summarize_usage(
        [line(n, client="app-a", result="invalid_grant") for n in range(RECENT_ERRORS + 5)], "app-a"
    )
    assert usage.errors == {"invalid_grant": RECENT_ERRORS + 5}
    assert [one.request_id for one in usage.recent_errors] == [f"r{n}" for n in range(RECENT_ERRORS + 4, 4, -1)]


def test_without_lines_there_is_no_usage():
    assert summarize_usage([], "app-a") == Usage()
