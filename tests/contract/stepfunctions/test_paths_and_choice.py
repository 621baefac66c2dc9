"""A path that leads nowhere ends the execution; Choice compares what its operators say; what our machines use works."""

import json
from datetime import UTC, datetime

import pytest

from tests.contract.machines import Machines

DONE = {"Type": "Pass", "End": True}
INVOKE = "arn:aws:states:::lambda:invoke"


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


def chosen(machines, rule, state_input):
    """Whether a Choice takes a rule."""
    found = machines.run(
        {
            "Choose": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
            "Yes": {"Type": "Pass", "Result": True, "End": True},
            "No": {"Type": "Pass", "Result": False, "End": True},
        },
        state_input,
    )
    assert found.status == "SUCCEEDED", found
    return found.output


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Parameters": {"a.$": "$.missing"}, "End": True},
        {"Type": "Pass", "InputPath": "$.missing", "End": True},
        {"Type": "Pass", "OutputPath": "$.missing.deep", "End": True},
        {"Type": "Pass", "Parameters": {"a.$": "$$.Execution.Missing"}, "End": True},
        {"Type": "Wait", "SecondsPath": "$.missing", "End": True},
        {"Type": "Choice", "Choices": [{"Variable": "$.missing", "StringEquals": "a", "Next": "Other"}]},
    ],
    ids=["Parameters", "InputPath", "OutputPath", "context object", "SecondsPath", "Variable"],
)
def test_a_path_that_leads_nowhere_is_a_runtime_error(machines, state):
    found = machines.run({"State": state, "Other": DONE}, {"given": 1})
    assert (found.status, found.error) == ("FAILED", "States.Runtime")


@pytest.mark.both
def test_is_present_may_look_at_what_is_not_there(machines):
    assert chosen(machines, {"Variable": "$.a.b", "IsPresent": False}, {"a": {}}) is True
    assert chosen(machines, {"Variable": "$.a.b", "IsPresent": True}, {"a": {"b": 1}}) is True


def test_a_null_is_present(machines):
    assert chosen(machines, {"Variable": "$.a", "IsPresent": True}, {"a": None}) is True


@pytest.mark.both
def test_a_null_is_null(machines):
    assert chosen(machines, {"Variable": "$.a", "IsNull": True}, {"a": None}) is True


def test_a_boolean_is_no_number(machines):
    assert chosen(machines, {"Variable": "$.a", "IsNumeric": True}, {"a": True}) is False


def test_timestamps_compare_by_path(machines):
    state_input = {"early": "2026-01-01T00:00:00Z", "late": "2026-01-01T01:00:00+00:00"}
    assert chosen(machines, {"Variable": "$.early", "TimestampLessThanPath": "$.late"}, state_input) is True
    assert chosen(machines, {"Variable": "$.late", "TimestampLessThanPath": "$.early"}, state_input) is False


def test_strings_order_by_path(machines):
    assert chosen(machines, {"Variable": "$.a", "StringLessThanPath": "$.b"}, {"a": "a", "b": "b"}) is True


@pytest.mark.both
def test_choice_rules_combine(machines):
    both = {"And": [{"Variable": "$.n", "NumericGreaterThan": 1}, {"Not": {"Variable": "$.s", "StringEquals": "x"}}]}
    assert chosen(machines, both, {"n": 2, "s": "y"}) is True
    assert chosen(machines, both, {"n": 2, "s": "x"}) is False
    assert chosen(machines, {"Variable": "$.s", "StringMatches": "ib-*-local"}, {"s": "ib-oauth-local"}) is True


def test_a_quoted_star_matches_only_a_star(machines):
    assert chosen(machines, {"Variable": "$.s", "StringMatches": "a\\*b"}, {"s": "a*b"}) is True


@pytest.mark.both
def test_no_rule_and_no_default_is_an_error(machines):
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "Yes"}
    found = machines.run({"Choose": {"Type": "Choice", "Choices": [rule]}, "Yes": DONE}, {"n": 2})
    assert (found.status, found.error) == ("FAILED", "States.NoChoiceMatched")


@pytest.mark.both
def test_the_context_object_names_the_execution_and_the_state(machines):
    parameters = {"id.$": "$$.Execution.Id", "name.$": "$$.Execution.Name", "started.$": "$$.Execution.StartTime"}
    state = {"state.$": "$$.State.Name", "entered.$": "$$.State.EnteredTime", "machine.$": "$$.StateMachine.Name"}
    found = machines.run({"Here": {"Type": "Pass", "Parameters": parameters | state, "End": True}})
    assert found.output["id"] == found.arn
    assert found.output["name"] == found.arn.rsplit(":", 1)[1]
    assert found.output["machine"] == found.arn.split(":")[-2]
    assert found.output["state"] == "Here"
    started, entered = (datetime.fromisoformat(found.output[key]) for key in ("started", "entered"))
    assert started <= entered < datetime.now(UTC)


@pytest.mark.both
def test_a_wait_by_path_waits_those_seconds(machines):
    assert 0.9 < machines.run({"Wait": {"Type": "Wait", "SecondsPath": "$.n", "End": True}}, {"n": 1}).seconds < 2.5


@pytest.mark.both
def test_intrinsic_functions_build_text_and_json(machines):
    built = {
        "text.$": "States.Format('{} of {}: {}', $.a, $.b.c, 3)",
        "json.$": "States.JsonToString($.b)",
        "back.$": "States.StringToJson($.text)",
        "many.$": "States.Array($.a, 1)",
        "sum.$": "States.MathAdd($.b.c, -1)",
    }
    found = machines.run(
        {"Build": {"Type": "Pass", "Parameters": built, "End": True}}, {"a": "x", "b": {"c": 2}, "text": '{"d":1}'}
    )
    assert found.output == {"text": "x of 2: 3", "json": '{"c":2}', "back": {"d": 1}, "many": ["x", 1], "sum": 1}


def test_formatted_values_are_written_as_in_json(machines):
    built = {"text.$": "States.Format('{} {}', $.yes, $.none)"}
    found = machines.run({"Build": {"Type": "Pass", "Parameters": built, "End": True}}, {"yes": True, "none": None})
    assert found.output == {"text": "true null"}


@pytest.mark.both
def test_a_version_of_a_function_named_by_its_arn_runs_that_version(machines, cloud):
    name = cloud.function("def handler(event, context): return 'latest'")
    (version,) = cloud.versions(name, "def handler(event, context): return [event, context.function_version]")
    cloud.change(name, "def handler(event, context): return 'newer'")
    arn = f"arn:aws:lambda:{cloud.region}:000000000000:function:{name}:{version}"
    work = {"Type": "Task", "Resource": INVOKE, "Parameters": {"FunctionName": arn, "Payload.$": "$"}}
    found = machines.run({"Work": {**work, "OutputPath": "$.Payload", "End": True}}, {"a": 1})
    assert found.output == [{"a": 1}, version]


@pytest.mark.both
def test_a_result_is_selected_and_placed_next_to_the_input(machines, cloud):
    echo = cloud.function("def handler(event, context): return {'n': event['n'] + 1, 'noise': 0}")
    work = {"Type": "Task", "Resource": INVOKE, "ResultSelector": {"n.$": "$.Payload.n"}, "ResultPath": "$.work.result"}
    work["Parameters"] = {"FunctionName": echo, "Payload": {"n.$": "$.n"}}
    found = machines.run({"Work": {**work, "End": True}}, {"n": 1, "work": {"kept": True}})
    assert found.output == {"n": 1, "work": {"kept": True, "result": {"n": 2}}}


def test_a_result_selector_may_use_the_context_object(machines, cloud):
    echo = cloud.function("def handler(event, context): return 1")
    work = {"Type": "Task", "Resource": INVOKE, "ResultSelector": {"state.$": "$$.State.Name", "n.$": "$.Payload"}}
    found = machines.run({"Work": {**work, "Parameters": {"FunctionName": echo, "Payload": {}}, "End": True}})
    assert found.output == {"state": "Work", "n": 1}


@pytest.mark.both
def test_a_map_runs_each_item_and_a_parallel_each_branch(machines):
    item = {"StartAt": "Item", "States": {"Item": {"Type": "Pass", "Parameters": {"got.$": "$"}, "End": True}}}
    found = machines.run(
        {
            "Map": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemProcessor": item,
                "ResultPath": "$.mapped",
                "Next": "Both",
            },
            "Both": {
                "Type": "Parallel",
                "Branches": [item, item],
                "ResultPath": "$.both",
                "OutputPath": "$",
                "End": True,
            },
        },
        {"items": [1, 2]},
    )
    assert found.output["mapped"] == [{"got": 1}, {"got": 2}]
    assert len(found.output["both"]) == 2
    assert json.loads(json.dumps(found.output["both"][0]["got"]["items"])) == [1, 2]
