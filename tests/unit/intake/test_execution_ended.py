"""What the end of an execution means that nobody else cleans up after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.records import Ending, Kind, Phase, Shift
from orchestrator.intake import execution_ended, reconcile
from tests.fakes.clouds import execution_arn, machine_arn
from tests.samples import NOW, deployment

EXECUTION = execution_arn("deployment", "d-1")
ROLLBACK = execution_arn("rollback", "rollback-d-1-1")


def ended(arn: str, status: str = "FAILED") -> str:
    machine = machine_arn("rollback" if ":rollback-" in arn else "deployment")
    detail = {"executionArn": arn, "stateMachineArn": machine, "name": arn.rpartition(":")[2], "status": status}
    return execution_ended.handler({"id": "e", "detail": detail}, None)["answer"]


def run_and_end(states, name: str, phase: str = "FAILED") -> None:
    states.start_execution(stateMachineArn=machine_arn("deployment"), name=name, input="{}")
    states.end(execution_arn("deployment", name), phase)


def claim(cloud, execution: str = EXECUTION, kind: Kind = Kind.DEPLOYMENT) -> None:
    cloud.ledger.take_claim(cloud.ledger.claim(), execution, "d-1", kind, NOW)


IN_FLIGHT = deployment(execution=EXECUTION, phase=Phase.SHIFTING, shifts=(Shift(0, 10, NOW),), epoch=1)


def test_a_deployment_that_died_with_the_claim_is_rolled_back(cloud, states, events):
    run_and_end(states, "d-1")
    claim(cloud)
    cloud.ledger.open(IN_FLIGHT)
    assert ended(EXECUTION) == f"the deployment {EXECUTION} died holding the claim"
    assert states.pending == [EXECUTION, ROLLBACK]
    assert [kind for kind, _ in events.put] == ["RollbackStarted"]


def test_the_same_event_twice_starts_one_rollback(cloud, states):
    run_and_end(states, "d-1")
    claim(cloud)
    cloud.ledger.open(IN_FLIGHT)
    assert ended(EXECUTION) == ended(EXECUTION)
    assert [arn for arn in states.executions if ":rollback-" in arn] == [ROLLBACK]


def test_an_execution_that_ended_without_the_claim_leaves_its_holder_alone(cloud, states):
    run_and_end(states, "d-1")
    claim(cloud, ROLLBACK, Kind.ROLLBACK)
    cloud.ledger.open(IN_FLIGHT)
    assert ended(EXECUTION) == "d-1 ended FAILED and does not hold the claim"
    assert cloud.ledger.claim().execution == ROLLBACK


def test_a_rollback_that_ended_without_the_claim_changes_nothing(cloud):
    assert ended(ROLLBACK) == "rollback-d-1-1 ended FAILED and does not hold the claim"


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_a_deployment_that_was_stopped_before_it_had_the_claim_is_refused_and_told(cloud, events, status):
    cloud.ledger.open(deployment(execution=EXECUTION))
    answer = ended(EXECUTION, status)
    found = cloud.ledger.read("d-1")
    assert (found.phase, found.ending) == (Phase.ENDED, Ending.REFUSED)
    assert found.ended_at
    assert found.reason == answer == f"its execution ended {status} before it held the claim"
    assert [(kind, detail["reason"]) for kind, detail in events.put] == [("DeploymentRefused", answer)]


def test_a_deployment_that_was_stopped_before_its_plan_was_kept_is_told(cloud, events):
    answer = ended(EXECUTION, "ABORTED")
    assert answer == "its execution ended ABORTED before it held the claim"
    assert [kind for kind, _ in events.put] == ["DeploymentRefused"]


def test_a_deployment_that_its_own_record_has_ended_stays_as_it_is(cloud, events):
    refused = replace(deployment(execution=EXECUTION), ending=Ending.REFUSED, ended_at=NOW, reason="no such strategy")
    cloud.ledger.open(refused)
    assert ended(EXECUTION) == "d-1 ended FAILED and does not hold the claim"
    assert cloud.ledger.read("d-1") == refused
    assert events.put == []


def test_a_deployment_that_still_runs_is_not_closed_by_an_event_that_says_otherwise(cloud, states, events):
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    cloud.ledger.open(deployment(execution=EXECUTION))
    assert ended(EXECUTION, "ABORTED") == "d-1 ended ABORTED and does not hold the claim"
    assert cloud.ledger.read("d-1").ending is None
    assert events.put == []


def test_a_plan_that_was_refused_was_told_by_its_own_record(cloud, events):
    assert ended(EXECUTION, "FAILED") == "d-1 ended FAILED and does not hold the claim"
    assert events.put == []


def test_the_reconciler_rolls_back_what_no_event_told_of(cloud, states):
    run_and_end(states, "d-1", "TIMED_OUT")
    claim(cloud)
    cloud.ledger.open(IN_FLIGHT)
    assert reconcile.handler({}, None)["answer"].endswith("died holding the claim")
    assert ROLLBACK in states.executions


def test_the_reconciler_leaves_a_free_claim_and_a_living_holder_alone(cloud, states):
    assert reconcile.handler({}, None)["answer"] == "nobody holds the claim"
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    claim(cloud)
    assert reconcile.handler({}, None)["answer"] == f"{EXECUTION} holds the claim and runs"
    assert ROLLBACK not in states.executions


def test_the_reconciler_closes_a_plan_whose_execution_died_unseen_and_no_other(cloud, states, events):
    run_and_end(states, "d-1", "ABORTED")
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-2", input="{}")
    cloud.ledger.open(deployment(execution=EXECUTION))
    cloud.ledger.open(deployment(id="d-2", execution=execution_arn("deployment", "d-2")))
    reconcile.handler({}, None)
    assert cloud.ledger.read("d-1").ending is Ending.REFUSED
    assert cloud.ledger.read("d-2").ending is None
    assert [detail["deployment"] for _, detail in events.put] == ["d-1"]


def test_a_claim_of_an_execution_that_step_functions_does_not_know_is_an_orphan(cloud, states):
    claim(cloud)
    cloud.ledger.open(IN_FLIGHT)
    reconcile.handler({}, None)
    assert ROLLBACK in states.executions


def test_a_rollback_that_failed_is_followed_by_the_next(cloud, states):
    run_and_end(states, "d-1")
    claim(cloud)
    cloud.ledger.open(IN_FLIGHT)
    ended(EXECUTION)
    states.end(ROLLBACK, "FAILED")
    cloud.ledger.take_claim(cloud.ledger.claim(), ROLLBACK, "d-1", Kind.ROLLBACK, NOW)
    assert ended(ROLLBACK) == f"the rollback {ROLLBACK} died holding the claim"
    assert execution_arn("rollback", "rollback-d-1-2") in states.executions
