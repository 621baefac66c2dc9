"""A deployment shown in lines: in order, with its numbers, and with the road back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator import environments
from orchestrator.cli.rendering.deployment_timeline import deployment_timeline, outcome_line, spaced
from orchestrator.cli.rendering.step_metrics import StepMetrics, error_percent, read_step_metrics
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.plan import Function, Plan, Service
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    Release,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.deployment.strategy import read_strategy
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
    plan=Plan.from_strategy(read_strategy("canary-10-50", POLICY), POLICY),
    service=SERVICE,
    functions=(Function("token", "ib-oauth-token-local", "1", "2"),),
    phase=DeploymentPhase.SHIFTING,
    execution="arn",
    shifts=(Shift(0, 10, NOW + timedelta(seconds=5)),),
)
LOOK = DecisionEntry(
    deployment="d-1",
    number=1,
    at=NOW + timedelta(seconds=25),
    state="AnalyzeCanary",
    entered="t",
    decision=Decision(Action.ROLL_BACK, 0, 0, 0, "token 9 5xx of 40"),
    verdict=Verdict.failed("token 9 5xx of 40"),
)


def seconds(number):
    return NOW + timedelta(seconds=number)


def rolled_back():
    rollback = Rollback(RollbackTrigger("alarm", "it fired", seconds(20)), "arn", seconds(21), seconds(22))
    return replace(
        DEPLOYMENT,
        rollback=rollback,
        outcome=DeploymentOutcome.ROLLED_BACK,
        ended_at=seconds(23),
        reason="it fired",
        fencing_token=4,
    )


def test_a_timeline_has_the_order_in_which_it_happened():
    story = deployment_timeline(rolled_back(), [LOOK])
    assert [line.at for line in story] == sorted(line.at for line in story)
    assert [line.name for line in story] == [
        "planned",
        "shifted",
        "rollback",
        "lock acquired",
        "aliases reverted",
        "ended",
        "analyze canary",
    ]


def test_a_failed_look_is_shown_with_its_numbers_and_what_followed():
    entry = deployment_timeline(DEPLOYMENT, [LOOK])[-1]
    assert entry.text == "FAIL → ROLL_BACK: token 9 5xx of 40"
    assert entry.tone == "bad"


def test_the_outcome_of_a_rollback_says_how_long_clients_had_to_bear_it():
    assert outcome_line(rolled_back()) == (
        "d-1 ROLLED_BACK after 23 s: it fired — every alias on stable 2.0 s after the alarm"
    )


def test_a_deployment_under_way_says_its_phase():
    assert outcome_line(DEPLOYMENT) == "d-1 is in progress: SHIFTING"


def test_states_are_shown_in_words():
    assert spaced("VerifyAfterPromotion") == "verify after promotion"


class _Metrics:
    """Ten requests a version, of which canary failed one."""

    def read_metrics(self, queries, window):
        values = {("canary", "ServerErrors"): 1.0, ("canary", "Requests"): 10.0, ("stable", "Requests"): 30.0}
        return {query.id: {window.start: values.get(tuple(query.id.split()[1:]), 0.0)} for query in queries}


class _Instruments:
    metrics = _Metrics()


class _Cloud:
    probe_clients = _Instruments()


def test_a_step_is_observed_as_canary_share_of_both_versions():
    (seen,) = read_step_metrics(_Cloud(), DEPLOYMENT, seconds(30))
    assert (seen.requests, seen.observed_percent, error_percent(seen.canary)) == (40, 25.0, 10.0)


def test_a_step_without_requests_has_no_observed_share():
    assert StepMetrics(0, 10, NOW, NOW, (0, 0), (0, 0)).observed_percent is None


def test_a_deployment_without_a_shift_has_no_steps():
    assert read_step_metrics(_Cloud(), replace(DEPLOYMENT, shifts=()), NOW) == []


def test_who_or_what_started_a_rollback_is_shown_in_words():
    by_person = replace(
        rolled_back(), rollback=replace(rolled_back().rollback, trigger=RollbackTrigger("person", "why", NOW))
    )
    assert outcome_line(by_person).endswith("after the operator's command")
    (text,) = [entry.text for entry in deployment_timeline(by_person, []) if entry.name == "rollback"]
    assert text == "operator's command: why"


def test_a_deployment_that_is_rolled_back_after_its_end_is_in_progress():
    again = replace(rolled_back(), phase=DeploymentPhase.ROLLING_BACK, outcome=DeploymentOutcome.SUCCEEDED)
    assert outcome_line(again) == "d-1 is in progress: ROLLING_BACK"


def test_a_refusal_says_that_nothing_was_changed():
    refused = replace(DEPLOYMENT, outcome=DeploymentOutcome.REFUSED, ended_at=seconds(3), reason="no")
    assert outcome_line(refused) == "d-1 was refused after 3 s and nothing was changed: no"
