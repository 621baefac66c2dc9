"""The alarms probe: an alarm that is newly in ALARM is evaluated, and fails a canary only if it is to blame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.errors import Throttled
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import alarms
from orchestrator.probes.context import after_promotion, since_newest_shift
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import ALARM, NOW, OTHER_ALARM, deployment, seconds

HALF = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW + seconds(60))))
CONTEXT = since_newest_shift(HALF, NOW + seconds(180))
OK = {arn: AlarmState(arn.rpartition(":")[2], "OK", NOW, "") for arn in (ALARM, OTHER_ALARM)}
FIRED = replace(OK[ALARM], state="ALARM", since=NOW + seconds(90), reason="Threshold Crossed: 2 out of 3")


class States:
    def __init__(self, states):
        self.states = states

    def read_states(self, arns):
        return {arn: self.states[arn] for arn in arns if arn in self.states}


def run(states, metrics=None, context=CONTEXT):
    return alarms.run(context, States(states), metrics or FakeVersionMetrics())


def test_without_a_new_alarm_nothing_is_read_and_nothing_is_spent():
    metrics = FakeVersionMetrics()
    result = run(OK, metrics)
    assert result.evidence.verdict.outcome is Outcome.PASS
    assert metrics.calls == []
    figures = result.evidence.figures
    assert figures["false_alarm"] == {"percent": pytest.approx(0.05), "evidence": 0.0, "needed": pytest.approx(2000)}


@pytest.mark.parametrize(
    ("metrics", "outcome"),
    [
        (FakeVersionMetrics(errors={"2": 0.8}), Outcome.FAIL),
        (FakeVersionMetrics(errors={"1": 0.8}), Outcome.FAIL),  # the rollback keeps the canary
        (FakeVersionMetrics(errors={"1": 0.8, "2": 0.8}), Outcome.FAIL),
        (FakeVersionMetrics(error=Throttled("slow down")), Outcome.FAIL),
        (FakeVersionMetrics(errors={"1": 0.05, "2": 0.05}), Outcome.PASS),
        (FakeVersionMetrics(), Outcome.PASS),
    ],
    ids=["canary broken", "stable broken", "both catastrophic", "unreadable", "both alike", "both healthy"],
)
def test_an_alarm_fails_a_canary_only_if_its_evaluation_rolls_back(metrics, outcome):
    result = run({**OK, ALARM: FIRED}, metrics)
    assert result.evidence.verdict.outcome is outcome, result.evidence.verdict.reason
    assert result.evidence.verdict.reason.startswith(
        "in ALARM: ib-oauth-token-server-errors-test since 2026-11-23T03:01:30+00:00 (2 out of 3); "
    )
    assert result.evidence.figures["evaluation"]


def test_a_canary_is_not_promoted_while_the_evidence_of_an_alarm_speaks_against_it():
    result = run({**OK, ALARM: FIRED}, FakeVersionMetrics(errors={"2": 0.1}, requests=1))
    assert result.evidence.verdict.outcome is Outcome.PASS, "not one whole failure is counted"
    context = replace(CONTEXT, now=NOW + seconds(61))
    trending = run({**OK, ALARM: FIRED}, FakeVersionMetrics(errors={"2": 0.3}, requests=10), context)
    assert trending.evidence.verdict.outcome is Outcome.INCONCLUSIVE
    assert trending.evidence.verdict.reason.startswith("in ALARM: ")


def test_an_alarm_from_before_the_deployment_is_excused_until_it_is_ok():
    context = replace(CONTEXT, preexisting_alarms=frozenset({ALARM}))
    result = run({**OK, ALARM: FIRED}, context=context)
    assert result.evidence.verdict.outcome is Outcome.PASS
    assert result.preexisting == (ALARM,)
    assert run(OK, context=context).preexisting == ()


@pytest.mark.parametrize(
    ("fired", "outcome", "preexisting"),
    [
        (NOW - seconds(86_400), Outcome.PASS, (ALARM,)),
        (NOW - seconds(1), Outcome.PASS, (ALARM,)),
        (NOW, Outcome.FAIL, ()),
        (NOW + seconds(1), Outcome.FAIL, ()),
    ],
    ids=["during a gate", "just before", "at the first shift", "after it"],
)
def test_an_alarm_that_fired_before_the_first_traffic_is_not_the_canarys_until_it_is_ok(fired, outcome, preexisting):
    """Days may lie between the readiness checks, which know the alarms of that time, and the first shift."""
    broken = FakeVersionMetrics(errors={"2": 0.8})
    for context in (CONTEXT, after_promotion(HALF, NOW + seconds(120), NOW + seconds(240))):
        result = run({**OK, ALARM: replace(FIRED, since=fired)}, broken, context)
        assert result.evidence.verdict.outcome is outcome
        assert result.preexisting == preexisting
        assert bool(result.evidence.figures["excused"]) is bool(preexisting)
    assert run(OK, broken, replace(CONTEXT, preexisting_alarms=frozenset(preexisting))).preexisting == ()


def test_an_alarm_that_does_not_exist_is_an_error_unless_another_one_fails_the_canary():
    assert run({OTHER_ALARM: OK[OTHER_ALARM]}).evidence.verdict.outcome is Outcome.ERROR
    broken = run({ALARM: FIRED}, FakeVersionMetrics(errors={"2": 0.8}))
    assert broken.evidence.verdict.outcome is Outcome.FAIL


def test_a_service_without_alarms_passes():
    context = replace(CONTEXT, service=replace(CONTEXT.service, alarms=()))
    assert run({}, context=context).evidence.verdict.reason == "the service has no alarms"
