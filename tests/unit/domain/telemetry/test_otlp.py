"""The body of an export request is what OTLP's JSON form asks for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from orchestrator.domain.telemetry.otlp import encode_trace
from orchestrator.domain.telemetry.spans import (
    HistoryEvent,
    TracedExecution,
    execution_spans,
    release_link,
    span_id,
    trace_id,
)

START = datetime(2026, 11, 30, 3, 0, 0, 250_000, tzinfo=UTC)
ARN = "arn:aws:states:us-west-1:123456789012:execution:ib-oauth-deployment-prod:d-1"


def test_ids_are_hex_times_are_texts_of_nanoseconds_and_failures_have_the_code_of_an_error():
    execution = TracedExecution(ARN, "FAILED", START, START + timedelta(seconds=9), (release_link("ab"),))
    events = [
        HistoryEvent(1, 0, START, "TaskStateEntered", "Plan"),
        HistoryEvent(2, 1, START + timedelta(microseconds=1), "TaskFailed", "", "Boom", "it broke"),
    ]
    trace = encode_trace(execution, execution_spans(execution, events), "prod", "us-west-1", "0.1.0")
    (resource,) = json.loads(json.dumps(trace))["resourceSpans"]
    attributes = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
    assert attributes == {
        "service.name": "ib-oauth-orchestrator", "service.version": "0.1.0", "deployment.environment.name": "prod",
        "cloud.provider": "aws", "cloud.region": "us-west-1",
    }  # fmt: skip
    (scope,) = resource["scopeSpans"]
    root, plan = scope["spans"]
    assert (root["traceId"], root["spanId"], root["name"]) == (
        trace_id(ARN),
        span_id(ARN),
        "ib-oauth-deployment-prod d-1",
    )
    assert "parentSpanId" not in root
    assert plan["parentSpanId"] == root["spanId"]
    assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == ("1796007600250000000", "1796007609250000000")
    assert root["status"] == {"code": 2, "message": "Boom: it broke"}
    assert plan["events"] == [
        {
            "timeUnixNano": "1796007600250001000",
            "name": "TaskFailed",
            "attributes": [{"key": "exception.message", "value": {"stringValue": "Boom: it broke"}}],
        }
    ]
    (link,) = root["links"]
    assert link["attributes"] == [{"key": "relation", "value": {"stringValue": "release"}}]


def test_what_succeeded_has_the_status_that_is_not_set():
    execution = TracedExecution(ARN, "SUCCEEDED", START, START)
    trace = encode_trace(execution, execution_spans(execution, []), "prod", "us-west-1", "")
    (span,) = trace["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["status"] == {}
    assert {one["key"] for one in span["attributes"]} == {
        "aws.step_functions.execution.arn", "aws.step_functions.execution.status",
    }  # fmt: skip
