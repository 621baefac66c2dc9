"""A deployment told in lines: in order, with its numbers, and with the road back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import environments
from orchestrator.cli.observed import StepSeen, error_percent, observe
from orchestrator.cli.story import outcome_of, spaced, story_of
from orchestrator.domain.decision import Action, Decision
from orchestrator.domain.plan import Function, Plan, Service
from orchestrator.domain.policy import DeliveryPolicy
from orchestrator.domain.records import DecisionEntry, Deployment, Ending, Phase, Release, Rollback, Shift, Trigger
from orchestrator.domain.strategy import read_strategy
from orchestrator.domain.verdict import Verdict

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
POLICY = DeliveryPolicy.parse(environments.load("local").delivery)
SERVICE = Service(
    {"token": "ib-oauth-token-local"}, "live", "http://api", "http://api", (), (), "IbOauth", "a", "s", "k", tls=False
)
DEPLOYMENT = Deployment(
    id="d-1",
    environment="local",
    requested_by="ann",
    requested_at=NOW,
    release=Release("sha256:0123456789abcdef"),
    plan=Plan.of(read_strategy("canary-10-50", POLICY), POLICY),
    service=SERVICE,
    functions=(Function("token", "ib-oauth-token-local", "1", "2"),),
    phase=Phase.SHIFTING,
    execution="arn",
    shifts=(Shift(0, 10, NOW + timedelta(seconds=5)),),
)
LOOK = DecisionEntry(
    deployment="d-1",
    number=1,
    at=NOW + timedelta(seconds=25),
    state="Verify",
    entered="t",
    decision=Decision(Action.ROLL_BACK, 0, 0, 0, "token 9 5xx of 40"),
    verdict=Verdict.failed("token 9 5xx of 40"),
)


def seconds(number):
    return NOW + timedelta(seconds=number)


def undone():
    rollback = Rollback(Trigger("alarm", "it rang", seconds(20)), "arn", seconds(21), seconds(22))
    return replace(
        DEPLOYMENT, rollback=rollback, ending=Ending.ROLLED_BACK, ended_at=seconds(23), reason="it rang", epoch=4
    )


def test_a_story_is_told_in_the_order_in_which_it_happened():
    story = story_of(undone(), [LOOK])
    assert [line.at for line in story] == sorted(line.at for line in story)
    assert [line.what for line in story] == ["planned", "shifted", "rollback", "fenced", "restored", "ended", "verify"]


def test_a_failed_look_is_told_with_its_numbers_and_what_followed():
    told = story_of(DEPLOYMENT, [LOOK])[-1]
    assert told.text == "FAIL → ROLL_BACK: token 9 5xx of 40"
    assert told.tone == "bad"


def test_the_outcome_of_a_rollback_says_how_long_clients_had_to_bear_it():
    assert outcome_of(undone()) == (
        "d-1 ROLLED_BACK after 23 s: it rang — every alias back on stable 2.0 s after the alarm"
    )


def test_a_deployment_under_way_says_its_phase():
    assert outcome_of(DEPLOYMENT) == "d-1 is under way: SHIFTING"


def test_states_are_told_in_words():
    assert spaced("VerifyAfterTraffic") == "verify after traffic"


class _Metrics:
    """Ten requests a version, of which canary failed one."""

    def read(self, queries, window):
        values = {("canary", "ServerErrors"): 1.0, ("canary", "Requests"): 10.0, ("stable", "Requests"): 30.0}
        return {query.id: {window.start: values.get(tuple(query.id.split()[1:]), 0.0)} for query in queries}


class _Instruments:
    metrics = _Metrics()


class _Cloud:
    instruments = _Instruments()


def test_a_step_is_observed_as_canary_share_of_both_versions():
    (seen,) = observe(_Cloud(), DEPLOYMENT, seconds(30))
    assert (seen.requests, seen.observed_percent, error_percent(seen.canary)) == (40, 25.0, 10.0)


def test_a_step_without_requests_has_no_observed_share():
    assert StepSeen(0, 10, NOW, NOW, (0, 0), (0, 0)).observed_percent is None


def test_a_deployment_without_a_shift_has_no_steps():
    assert observe(_Cloud(), replace(DEPLOYMENT, shifts=()), NOW) == []
