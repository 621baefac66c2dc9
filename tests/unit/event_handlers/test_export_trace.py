"""The function that exports the trace of an ended execution."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.telemetry.spans import release_link, span_id, trace_id
from orchestrator.event_handlers import export_trace
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import execution_arn, machine_arn
from tests.fakes.collector import Collector
from tests.samples import deployment

ARN = execution_arn("deployment", "d-1")
ROLLBACK = execution_arn("rollback", "rollback-d-1-1")


@pytest.fixture
def collector():
    collector = Collector()
    with collector.served():
        yield collector


@pytest.fixture
def ended(cloud, states, collector):
    """A deployment that ended, with its record, and its rollback."""
    cloud.settings["OTLP_ENDPOINT"], cloud.settings["OTLP_HEADERS_SECRET"] = collector.address, ""
    cloud.ledger.save_unlocked(deployment(execution=ARN))
    at = SimulatedClock().now()
    for machine, name, execution_input in (
        ("deployment", "d-1", {"requested_by": "ada"}),
        ("rollback", "rollback-d-1-1", {"deployment": "d-1"}),
        ("drill", "dr-1", {"requested_by": "schedule"}),
    ):
        cloud.executions.start_execution(machine_arn(machine), name, execution_input)
        arn = execution_arn(machine, name)
        states.histories[arn] = [
            {"id": 1, "timestamp": at, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "First"}},
            {
                "id": 2, "previousEventId": 1, "timestamp": at, "type": "TaskStateExited",
                "stateExitedEventDetails": {"name": "First"},
            },
        ]  # fmt: skip
        states.end(arn, "SUCCEEDED")
    return cloud


def event(arn):
    return {"id": "e-1", "detail": {"executionArn": arn, "name": arn.rsplit(":", 1)[1]}}


def test_an_ended_deployment_is_one_trace_with_a_link_to_its_release(ended, collector):
    assert export_trace.handler(event(ARN), None)["answer"] == "d-1: 2 spans exported"
    root, first = collector.spans()
    assert (root["name"], first["name"]) == ("ib-oauth-deployment-test d-1", "First")
    assert [(link["traceId"], link["spanId"]) for link in root["links"]] == [
        (release_link("sha256:a").trace_id, release_link("sha256:a").span_id)
    ]


def test_a_repeated_event_is_the_same_trace(ended, collector):
    for _ in range(2):
        export_trace.handler(event(ARN), None)
    assert collector.traces[0] == collector.traces[1]


def test_a_rollback_leads_to_its_deployment_and_to_the_release(ended, collector):
    export_trace.handler(event(ROLLBACK), None)
    links = collector.spans()[0]["links"]
    assert (links[1]["traceId"], links[1]["spanId"]) == (trace_id(ARN), span_id(ARN))
    assert [link["attributes"][0]["value"]["stringValue"] for link in links] == ["release", "rolls back"]


def test_a_drill_has_no_link(ended, collector):
    export_trace.handler(event(execution_arn("drill", "dr-1")), None)
    assert collector.spans()[0]["links"] == []


def test_a_deployment_that_was_refused_before_it_had_a_record_has_no_link(ended, collector):
    ended.executions.start_execution(machine_arn("deployment"), "d-2", {})
    assert export_trace.handler(event(execution_arn("deployment", "d-2")), None)["answer"] == "d-2: 1 spans exported"
    assert collector.spans()[0]["links"] == []


def test_a_collector_that_is_busy_fails_the_invocation_so_that_lambda_repeats_it(ended, collector):
    collector.statuses = [503]
    with pytest.raises(Unreachable, match="503"):
        export_trace.handler(event(ARN), None)
    assert export_trace.handler(event(ARN), None)["answer"] == "d-1: 2 spans exported"


def test_an_execution_that_step_functions_no_longer_has_is_refused(ended):
    with pytest.raises(Refused, match="less than 90 days ago"):
        export_trace.handler(event(execution_arn("deployment", "d-99")), None)
