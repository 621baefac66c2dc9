"""Paths are read from definitions and histories, and their differences are found."""

import pytest

from tests.workflow.sfn_local.cases import Case
from tests.workflow.sfn_local.paths import STOPPED, Path, Step, Strike, seen, walk
from tests.workflow.sfn_local.run import Result, first_lap, report

RETRY = {"IntervalSeconds": 1, "BackoffRate": 2.0, "MaxDelaySeconds": 3}
DEFINITION = {
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Retry": [
                {"ErrorEquals": ["Busy", "Slow"], "MaxAttempts": 3, **RETRY},
                {"ErrorEquals": ["Ended"], "MaxAttempts": 1, **RETRY},
            ],
            "Catch": [
                {"ErrorEquals": ["Lost"], "Next": "Over"},
                {"ErrorEquals": ["States.ALL"], "Next": "Broken"},
            ],
            "Next": "Which",
        },
        "Which": {"Type": "Choice", "Choices": [{"StringEquals": "WAIT", "Next": "Wait"}], "Default": "Done"},
        "Wait": {"Type": "Wait", "Next": "Work"},
        "Done": {"Type": "Succeed"},
        "Over": {"Type": "Fail", "Error": "Superseded"},
        "Broken": {"Type": "Fail", "Error": "Failed"},
    },
}


def walked(action="GO", **strikes):
    return walk(DEFINITION, {"Work": action}, strikes, wait_seconds=1)


@pytest.mark.parametrize(
    ("strike", "errors", "end", "seconds"),
    [
        (None, (), "SUCCEEDED", 0),
        (Strike(("Busy",), lasts=False), ("Busy",), "SUCCEEDED", 1),
        (Strike(("Busy", "Slow")), ("Busy", "Slow", "Busy", "Slow"), "FAILED Failed", 1 + 2 + 3),
        (Strike(("Ended",)), ("Ended", "Ended"), "FAILED Failed", 1),
        (Strike(("Busy", "Ended", "Lost"), lasts=False), ("Busy", "Ended", "Lost"), "FAILED Superseded", 2),
        (Strike(("Unknown",)), ("Unknown",), "FAILED Failed", 0),
    ],
)
def test_a_task_is_retried_and_caught_as_its_state_says(strike, errors, end, seconds):
    found = walked(**({"Work": strike} if strike else {}))
    assert found.path.steps[0] == Step("Work", errors)
    assert found.path.end == end
    assert found.seconds == seconds
    assert found.struck == ({"Work"} if strike else set())


def test_a_lap_ends_where_it_begins_again():
    found = walked("WAIT")
    assert found.path == Path((Step("Work"), Step("Which"), Step("Wait"), Step("Work")), STOPPED)
    assert found.entered == {"Work", "Which", "Wait"}


def entered(name, kind="Task"):
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


HISTORY = (
    {"type": "ExecutionStarted"},
    entered("Work"),
    {"type": "TaskScheduled"},
    {"type": "TaskFailed", "taskFailedEventDetails": {"error": "Busy"}},
    {"type": "TaskTimedOut", "taskTimedOutEventDetails": {"error": "States.Timeout"}},
    {"type": "TaskStateExited", "stateExitedEventDetails": {"name": "Work"}},
    entered("Broken", "Fail"),
    {"type": "ExecutionFailed", "executionFailedEventDetails": {"error": "Failed"}},
)


def test_a_path_is_read_from_a_history():
    assert seen(HISTORY) == Path((Step("Work", ("Busy", "States.Timeout")), Step("Broken")), "FAILED Failed")
    assert seen(HISTORY[:-1]).end == STOPPED


def test_the_states_of_a_maps_items_are_no_part_of_the_path():
    history = (entered("Map", "Map"), entered("Item"), entered("Done", "Succeed"), {"type": "ExecutionSucceeded"})
    assert seen(history, frozenset({"Item"})) == Path((Step("Map"), Step("Done")), "SUCCEEDED")


EXPECTED = Path((Step("Work", ("Busy", "Busy")), Step("Done")), "SUCCEEDED")


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (EXPECTED, ""),
        (Path((Step("Work", ("Busy",)), Step("Done")), "SUCCEEDED"), "expected Work[Busy x2], seen Work[Busy x1]"),
        (Path((Step("Work", ("Busy", "Slow")), Step("Done")), "SUCCEEDED"), "seen Work[Busy x1, Slow x1]"),
        (Path((EXPECTED.steps[0], Step("Broken")), "SUCCEEDED"), "step 1: expected Done, seen Broken"),
        (Path(EXPECTED.steps, "FAILED Failed"), "step 2: expected SUCCEEDED, seen FAILED Failed"),
        (Path(EXPECTED.steps[:1], STOPPED), "step 1: expected Done, seen still running"),
    ],
)
def test_the_first_difference_of_two_paths_is_named(other, difference):
    found = EXPECTED.first_difference(other)
    assert difference in found
    assert bool(found) == bool(difference)


def test_the_report_names_the_case_both_paths_and_the_counts():
    wrong = Path(EXPECTED.steps, "FAILED Failed")
    lines = report(
        [
            Result(Case("rollback", "usual"), EXPECTED, EXPECTED, 1.0),
            Result(Case("rollback", "stuck"), EXPECTED, wrong, 1.0),
        ]
    )
    assert lines == [
        "rollback/stuck (stuck) differs at step 2: expected SUCCEEDED, seen FAILED Failed",
        "  expected: Work[Busy x2] > Done > SUCCEEDED",
        "  seen:     Work[Busy x2] > Done > FAILED Failed",
        "rollback: 1 of 2 paths as the definition says; 4 states entered, 4 failed attempts",
        "1 passed, 1 failed",
    ]


def test_a_lap_is_compared_to_where_it_begins_again():
    more = Path((Step("Work"), Step("Wait"), Step("Work", ("Busy",)), Step("Wait")), STOPPED)
    assert first_lap(more, 3) == Path((Step("Work"), Step("Wait"), Step("Work")), STOPPED)
    assert first_lap(Path((Step("Work"),), "FAILED Failed"), 3).end == "FAILED Failed"
