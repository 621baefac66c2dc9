import json
from dataclasses import replace

import pytest

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.outcome import (
    EVENT_TYPES,
    cause_of,
    message_to_clients,
    message_to_operators,
    outcome_of,
    reason_of_unanswered_pause,
    with_live_versions,
)
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    PauseToken,
    Rollback,
    RollbackTrigger,
    Shift,
    Side,
)
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, deployment, functions, seconds

REFUSED = {
    "Error": "Refused",
    "Cause": json.dumps({"errorType": "Refused", "errorMessage": "strategy: 'x' is refused"}),
}
TIMED_OUT = "a task of the orchestrator did not answer in time (States.Timeout)"
ENDED = deployment(shifts=(Shift(0, 10, NOW),), outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW + seconds(90))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (REFUSED, "strategy: 'x' is refused"),
        ({"Error": "Refused"}, "Refused"),
        ({"Error": "States.Timeout", "Cause": ""}, TIMED_OUT),
        ({"Error": "States.Timeout"}, TIMED_OUT),
        ({"Error": "States.Timeout", "Cause": "75 s"}, "States.Timeout: 75 s"),
        ({"Error": "Boom", "Cause": "not json"}, "Boom: not json"),
        ({"Error": "Boom", "Cause": '["a list"]'}, 'Boom: ["a list"]'),
        ({"Error": "Boom", "Cause": '{"other": 1}'}, 'Boom: {"other": 1}'),
        ({}, "error"),
        ({"Error": "Boom", "Cause": r'{"errorMessage": "\ud800"}'}, r"Boom: \ud800"),
        ({"Error": "Refused", "Cause": r'{"errorMessage": "\ud800"}'}, r"\ud800"),
        ({"Error": "Boom", "Cause": "[" * 100_000}, f"Boom: {'[' * 100_000}"),
    ],
)
def test_what_a_catch_kept_is_reported_in_one_sentence(error, sentence):
    assert cause_of(error) == sentence


def test_an_error_before_traffic_is_a_refusal():
    assert outcome_of(REFUSED, deployment()) == (DeploymentOutcome.REFUSED, "strategy: 'x' is refused")
    assert outcome_of(REFUSED, None)[0] is DeploymentOutcome.REFUSED


def test_a_release_that_changes_no_function_has_nothing_to_ship():
    assert outcome_of({}, deployment(functions=functions("3", "3")))[0] is DeploymentOutcome.NOTHING_TO_SHIP


def test_a_deployment_that_came_through_says_what_is_stable_now():
    assert outcome_of({}, deployment()) == (DeploymentOutcome.SUCCEEDED, "stable is now authorize 2, public 2, token 2")


def test_every_ending_is_announced_but_a_rollbacks_which_announces_itself():
    assert set(EVENT_TYPES) == set(DeploymentOutcome) - {DeploymentOutcome.ROLLED_BACK}


def test_operators_are_notified_how_it_ended_and_where_to_read_why():
    subject, text = message_to_operators("d-1", "test", ENDED, "stable is now token 2", {})
    assert subject == "test: deployment succeeded"
    assert "Deployment d-1 of test: SUCCEEDED." in text
    assert "Release sha256:a, strategy canary-10-50." in text
    assert "Requested by somebody." in text
    assert "orchestrator explain d-1 --env test" in text


def test_operators_are_notified_of_a_deployment_that_was_never_kept():
    subject, text = message_to_operators("d-1", "test", None, "REFUSED: strategy is refused", {})
    assert subject == "test: deployment refused"
    assert "strategy is refused" in text


@pytest.mark.parametrize("found", [None, deployment()])
def test_operators_are_called_for_help_when_a_rollback_fails(found):
    subject, text = message_to_operators("d-1", "test", found, "x", {"Error": "AliasConflict", "Cause": "moved"})
    assert subject == "test: rollback of d-1 needs an operator"
    assert text.startswith("AliasConflict: moved")
    assert "break-glass" in text


def test_an_error_after_the_deployment_ended_is_no_call_for_help():
    assert message_to_operators("d-1", "test", ENDED, "x", REFUSED)[0] == "test: deployment succeeded"


@pytest.mark.parametrize("side", Side)
def test_operators_are_notified_which_version_is_still_not_healthy_after_a_rollback(side):
    rollback = Rollback(RollbackTrigger("alarm", "token-server-errors", NOW), traffic_to=side)
    rolled_back = replace(ENDED, outcome=DeploymentOutcome.ROLLED_BACK, rollback=rollback)
    assert message_to_operators("d-1", "test", rolled_back, "x", {})[0] == "test: deployment rolled back"
    broken = replace(rolled_back, rollback=replace(rollback, verification=Verdict.failed("token 503")))
    subject, text = message_to_operators("d-1", "test", broken, "x", {})
    assert subject == f"test: {side.lower()} is not healthy, an operator must look"
    assert text.splitlines()[1].endswith("follow docs/runbooks/incident.md.")


@pytest.mark.parametrize("found", [deployment(), replace(ENDED, shifts=()), replace(ENDED, ended_at=None)])
def test_clients_are_not_notified_of_what_they_could_not_notice(found):
    assert message_to_clients(found) is None


def test_clients_are_notified_of_an_update_and_of_one_withdrawn():
    assert message_to_clients(ENDED) == (
        "OAuth service updated",
        "The OAuth service was updated between 2026-11-23 03:00 and 2026-11-23 03:01 UTC. No action is needed.",
    )
    subject, text = message_to_clients(replace(ENDED, outcome=DeploymentOutcome.ROLLED_BACK))
    assert subject == "OAuth service: an update was withdrawn"
    assert "retrying them is safe" in text


def test_clients_get_the_changelog_of_what_succeeded_and_of_nothing_else():
    changed = replace(ENDED, changelog="Tokens last longer.")
    _, text = message_to_clients(changed)
    assert text.endswith("2026-11-23 03:01 UTC.\n\nTokens last longer.")
    _, text = message_to_clients(replace(changed, outcome=DeploymentOutcome.ROLLED_BACK))
    assert "Tokens" not in text


def test_after_a_deployment_that_succeeded_clients_get_its_versions_and_after_any_other_those_of_before():
    assert {one.stable_version for one in with_live_versions(ENDED).functions} == {"2"}
    rolled_back = replace(ENDED, outcome=DeploymentOutcome.ROLLED_BACK)
    assert with_live_versions(rolled_back) == rolled_back


TIMEOUT = {"Error": "States.Timeout"}
PAUSED = Decision(Action.PAUSE, 0, 2, 600, "no evidence within the longest bake")
PAUSE = PauseToken("token", NOW, NOW + seconds(600), 0, 2, "no evidence within the longest bake")


def test_an_unanswered_pause_ends_by_saying_so():
    reason = reason_of_unanswered_pause(TIMEOUT, PAUSED, PAUSE, answered=False)
    assert reason == (
        "no operator answered the pause until 2026-11-23 03:10:00 UTC: no evidence within the longest bake"
    )


@pytest.mark.parametrize(
    ("error", "decision", "pause", "answered"),
    [
        (TIMEOUT, PAUSED, PAUSE, True),
        (TIMEOUT, PAUSED, None, False),
        ({"Error": "LockLost"}, PAUSED, PAUSE, False),
        ({}, PAUSED, PAUSE, False),
        (TIMEOUT, replace(PAUSED, action=Action.BAKE), PAUSE, False),
    ],
)
def test_any_other_end_does_not_blame_an_operator(error, decision, pause, answered):
    assert reason_of_unanswered_pause(error, decision, pause, answered=answered) == ""
