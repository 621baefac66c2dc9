"""A history becomes spans: one a state, within the state that contains it, whatever the branches and faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.telemetry.spans import (
    HistoryEvent,
    TracedExecution,
    execution_spans,
    link_of,
    release_link,
    span_id,
    trace_id,
)

START = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
ARN = "arn:aws:states:us-west-1:123456789012:execution:ib-oauth-deployment-prod:d-1"


def execution(status="SUCCEEDED", ended=60, links=()):
    end = None if ended is None else START + timedelta(seconds=ended)
    return TracedExecution(ARN, status, START, end, links)


def history(*events):
    """Events as (number, previous, kind, state or error); each is a second after the one before."""
    return [
        HistoryEvent(
            number, previous, START + timedelta(seconds=number), kind,
            text if "State" in kind else "", "" if "State" in kind else text, "it broke" if text == "Boom" else "",
        )
        for number, previous, kind, text in events
    ]  # fmt: skip


def lines(spans):
    """The spans as (parent's name, name, seconds from, seconds to)."""
    names = {span.span_id: span.name for span in spans}
    return [
        (
            names.get(span.parent_id, ""),
            span.name,
            (span.started_at - START).total_seconds(),
            (span.ended_at - START).total_seconds(),
        )
        for span in spans
    ]


ROOT = ("", "ib-oauth-deployment-prod d-1", 0, 60)


def test_each_state_is_a_span_of_the_execution():
    spans = execution_spans(
        execution(),
        history(
            (1, 0, "ExecutionStarted", ""),
            (2, 1, "TaskStateEntered", "Plan"),
            (3, 2, "TaskStateExited", "Plan"),
            (4, 3, "PassStateEntered", "Done"),
            (5, 4, "PassStateExited", "Done"),
            (6, 5, "ExecutionSucceeded", ""),
        ),
    )
    assert lines(spans) == [ROOT, (ROOT[1], "Plan", 2, 3), (ROOT[1], "Done", 4, 5)]
    assert [span.kind for span in spans] == ["Execution", "Task", "Pass"]
    assert not [span for span in spans if span.failed or span.message or span.events]


def test_iterations_that_run_side_by_side_stay_within_their_map():
    spans = execution_spans(
        execution(),
        history(
            (1, 0, "ExecutionStarted", ""),
            (2, 1, "MapStateEntered", "Segments"),
            (3, 2, "MapIterationStarted", ""),
            (4, 2, "MapIterationStarted", ""),
            (5, 3, "TaskStateEntered", "Digest"),
            (6, 4, "TaskStateEntered", "Digest"),
            (7, 6, "TaskStateExited", "Digest"),
            (8, 5, "TaskStateExited", "Digest"),
            (9, 8, "MapIterationSucceeded", ""),
            (10, 9, "MapStateExited", "Segments"),
            (11, 10, "TaskStateEntered", "Compare"),
            (12, 11, "TaskStateExited", "Compare"),
        ),
    )
    assert lines(spans) == [
        ROOT,
        (ROOT[1], "Segments", 2, 10),
        ("Segments", "Digest", 5, 8),
        ("Segments", "Digest", 6, 7),
        (ROOT[1], "Compare", 11, 12),
    ]


def test_a_fault_that_was_caught_is_an_event_and_the_state_does_not_fail():
    spans = execution_spans(
        execution(),
        history(
            (1, 0, "ExecutionStarted", ""),
            (2, 1, "TaskStateEntered", "Plan"),
            (3, 2, "TaskFailed", "Boom"),
            (4, 3, "TaskStateExited", "Plan"),
        ),
    )
    assert [(event.name, event.text) for event in spans[1].events] == [("TaskFailed", "Boom: it broke")]
    assert not spans[1].failed


def test_a_state_that_the_history_leaves_without_an_exit_ends_where_the_next_begins():
    spans = execution_spans(
        execution(),
        history((1, 0, "TaskStateEntered", "Plan"), (2, 1, "TaskTimedOut", "Boom"), (3, 2, "TaskStateEntered", "Next")),
    )
    assert lines(spans) == [ROOT, (ROOT[1], "Plan", 1, 3), (ROOT[1], "Next", 3, 60)]


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT"])
def test_what_was_open_when_the_execution_failed_has_failed_and_says_why(status):
    spans = execution_spans(
        execution(status),
        history(
            (1, 0, "ExecutionStarted", ""),
            (2, 1, "TaskStateEntered", "Plan"),
            (3, 2, "TaskStateExited", "Plan"),
            (4, 3, "FailStateEntered", "RolledBack"),
            (5, 4, "ExecutionFailed", "Boom"),
        ),
    )
    assert [(span.name, span.failed, span.message) for span in spans] == [
        (ROOT[1], True, "Boom: it broke"),
        ("Plan", False, ""),
        ("RolledBack", True, "Boom: it broke"),
    ]


def test_an_execution_that_was_stopped_without_a_word_has_failed_without_a_message():
    spans = execution_spans(
        execution("ABORTED"), history((1, 0, "TaskStateEntered", "Plan"), (2, 1, "ExecutionAborted", ""))
    )
    assert [(span.failed, span.message) for span in spans] == [(True, ""), (True, "")]


def test_an_execution_that_runs_lasts_until_its_newest_event():
    spans = execution_spans(execution("RUNNING", ended=None), history((1, 0, "TaskStateEntered", "Plan")))
    assert lines(spans) == [("", ROOT[1], 0, 1), (ROOT[1], "Plan", 1, 1)]
    assert not any(span.failed for span in spans)


def test_an_execution_without_a_history_is_one_span():
    assert lines(execution_spans(execution("RUNNING", ended=None), [])) == [("", ROOT[1], 0, 0)]


def test_an_exit_of_what_was_never_entered_closes_nothing():
    spans = execution_spans(execution(), history((1, 0, "MapStateEntered", "Map"), (2, 1, "TaskStateExited", "Other")))
    assert lines(spans) == [ROOT, (ROOT[1], "Map", 1, 60)]


def test_ids_have_the_lengths_of_opentelemetry_and_are_the_same_each_time():
    assert len(trace_id(ARN)) == 32
    assert len(span_id(ARN)) == 16
    assert span_id(ARN) != span_id(ARN, 1)
    assert trace_id(ARN) == trace_id(ARN) != trace_id(f"{ARN}0")
    bytes.fromhex(trace_id(ARN) + span_id(ARN))


def test_links_lead_to_the_deployment_and_to_what_all_executions_of_a_release_share():
    assert link_of(ARN, "rolls back").trace_id == trace_id(ARN)
    assert release_link("ab") == release_link("ab") != release_link("cd")
    spans = execution_spans(execution(links=(release_link("ab"),)), [])
    assert spans[0].links == (release_link("ab"),)
