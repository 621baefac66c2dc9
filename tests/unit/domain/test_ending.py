import json
from dataclasses import replace

import pytest

from orchestrator.domain.ending import (
    ANNOUNCED_AS,
    as_it_left,
    cause_of,
    ending_of,
    message_to_clients,
    message_to_operators,
)
from orchestrator.domain.records import Ending, Shift
from tests.samples import NOW, deployment, functions, seconds

REFUSED = {
    "Error": "Refused",
    "Cause": json.dumps({"errorType": "Refused", "errorMessage": "strategy: 'x' is refused"}),
}
ENDED = deployment(shifts=(Shift(0, 10, NOW),), ending=Ending.SUCCEEDED, ended_at=NOW + seconds(90))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REFUSED, "Refused: strategy: 'x' is refused"),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout"),
        ({"Error": "States.Timeout"}, "States.Timeout"),
        ({"Error": "Boom", "Cause": "not json"}, "Boom: not json"),
        ({"Error": "Boom", "Cause": '["a list"]'}, 'Boom: ["a list"]'),
        ({"Error": "Boom", "Cause": '{"other": 1}'}, 'Boom: {"other": 1}'),
        ({}, "error"),
    ],
)
def test_what_a_catch_kept_is_told_in_one_sentence(error, told):
    assert cause_of(error) == told


def test_an_error_before_traffic_is_a_refusal():
    assert ending_of(REFUSED, deployment()) == (Ending.REFUSED, "Refused: strategy: 'x' is refused")
    assert ending_of(REFUSED, None)[0] is Ending.REFUSED


def test_a_release_that_changes_no_function_has_nothing_to_ship():
    assert ending_of({}, deployment(functions=functions("3", "3")))[0] is Ending.NOTHING_TO_SHIP


def test_a_deployment_that_came_through_says_what_is_stable_now():
    assert ending_of({}, deployment()) == (Ending.SUCCEEDED, "stable is now authorize 2, public 2, token 2")


def test_every_ending_is_announced_but_a_rollbacks_which_announces_itself():
    assert set(ANNOUNCED_AS) == set(Ending) - {Ending.ROLLED_BACK}


def test_operators_are_told_how_it_ended_and_where_to_read_why():
    subject, text = message_to_operators("d-1", "test", ENDED, "stable is now token 2", {})
    assert subject == "test: deployment succeeded"
    assert "Deployment d-1 of test: SUCCEEDED." in text
    assert "Release sha256:a, strategy canary-10-50." in text
    assert "Asked for by somebody." in text
    assert "orchestrator explain d-1 --env test" in text


def test_operators_are_told_of_a_deployment_that_was_never_kept():
    subject, text = message_to_operators("d-1", "test", None, "REFUSED: strategy is refused", {})
    assert subject == "test: deployment refused"
    assert "strategy is refused" in text


@pytest.mark.parametrize("found", [None, deployment()])
def test_operators_are_asked_for_help_when_a_rollback_fails(found):
    subject, text = message_to_operators("d-1", "test", found, "x", {"Error": "AliasConflict", "Cause": "moved"})
    assert subject == "test: rollback of d-1 needs you"
    assert text.startswith("AliasConflict: moved")
    assert "break-glass" in text


def test_an_error_after_the_deployment_ended_is_no_call_for_help():
    assert message_to_operators("d-1", "test", ENDED, "x", REFUSED)[0] == "test: deployment succeeded"


@pytest.mark.parametrize("found", [deployment(), replace(ENDED, shifts=()), replace(ENDED, ended_at=None)])
def test_clients_are_not_told_of_what_they_could_not_notice(found):
    assert message_to_clients(found) is None


def test_clients_are_told_of_an_update_and_of_one_withdrawn():
    assert message_to_clients(ENDED) == (
        "OAuth service updated",
        "The OAuth service was updated between 2026-11-23 03:00 and 2026-11-23 03:01 UTC. No action is needed.",
    )
    subject, text = message_to_clients(replace(ENDED, ending=Ending.ROLLED_BACK))
    assert subject == "OAuth service: an update was withdrawn"
    assert "retrying them is safe" in text


def test_after_a_deployment_that_succeeded_clients_get_its_versions_and_after_any_other_those_of_before():
    assert {one.stable_version for one in as_it_left(ENDED).functions} == {"2"}
    undone = replace(ENDED, ending=Ending.ROLLED_BACK)
    assert as_it_left(undone) == undone
