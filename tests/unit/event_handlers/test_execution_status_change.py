"""The end of an execution that no other task cleans up after."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from orchestrator.application.start_rollback import ATTEMPTS, start_rollback
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    EventRecord,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Unreachable
from orchestrator.event_handlers import execution_status_change, reconcile, track_incidents
from tests.fakes.clouds import execution_arn, machine_arn
from tests.samples import NOW, deployment, seconds
from tests.unit.application.notifications.conftest import alarm_event

EXECUTION = execution_arn("deployment", "d-1")
ROLLBACK = execution_arn("rollback", "rollback-d-1-1")


def ended(arn: str, status: str = "FAILED") -> str:
    machine = machine_arn("rollback" if ":rollback-" in arn else "deployment")
    detail = {"executionArn": arn, "stateMachineArn": machine, "name": arn.rpartition(":")[2], "status": status}
    return execution_status_change.handler({"id": "e", "detail": detail}, None)["answer"]


def run_and_end(states, name: str, phase: str = "FAILED") -> None:
    states.start_execution(stateMachineArn=machine_arn("deployment"), name=name, input="{}")
    states.end(execution_arn("deployment", name), phase)


def acquire(cloud, execution: str = EXECUTION, kind: Kind = Kind.DEPLOYMENT) -> None:
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), execution, "d-1", kind, NOW)


IN_FLIGHT = deployment(
    execution=EXECUTION, phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW),), fencing_token=1
)


def test_a_deployment_that_died_with_the_lock_is_rolled_back(cloud, states, events):
    run_and_end(states, "d-1")
    acquire(cloud)
    cloud.ledger.create_record(IN_FLIGHT)
    assert ended(EXECUTION) == f"the deployment {EXECUTION} died while it held the environment lock"
    assert states.pending == [EXECUTION, ROLLBACK]
    assert [kind for kind, _ in events.put] == ["RollbackStarted"]


def test_the_same_event_twice_starts_one_rollback(cloud, states):
    run_and_end(states, "d-1")
    acquire(cloud)
    cloud.ledger.create_record(IN_FLIGHT)
    assert ended(EXECUTION) == ended(EXECUTION)
    assert [arn for arn in states.executions if ":rollback-" in arn] == [ROLLBACK]


def test_an_execution_that_ended_without_the_lock_leaves_its_holder_alone(cloud, states):
    run_and_end(states, "d-1")
    acquire(cloud, ROLLBACK, Kind.ROLLBACK)
    cloud.ledger.create_record(IN_FLIGHT)
    assert ended(EXECUTION) == "d-1 ended FAILED and does not hold the lock"
    assert cloud.ledger.read_lock().execution == ROLLBACK


def test_a_rollback_that_ended_without_the_lock_changes_nothing(cloud):
    assert ended(ROLLBACK) == "rollback-d-1-1 ended FAILED and does not hold the lock"


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_a_deployment_that_was_stopped_before_it_had_the_lock_is_refused_and_announced(cloud, events, status):
    cloud.ledger.create_record(deployment(execution=EXECUTION))
    answer = ended(EXECUTION, status)
    found = cloud.ledger.read_record("d-1")
    assert (found.phase, found.outcome) == (DeploymentPhase.ENDED, DeploymentOutcome.REFUSED)
    assert found.ended_at
    assert found.reason == answer == f"its execution ended {status} before it held the lock"
    assert [(kind, detail["reason"]) for kind, detail in events.put] == [("DeploymentRefused", answer)]


def test_a_deployment_that_was_stopped_before_its_plan_was_kept_is_announced(cloud, events):
    answer = ended(EXECUTION, "ABORTED")
    assert answer == "its execution ended ABORTED before it held the lock"
    assert [kind for kind, _ in events.put] == ["DeploymentRefused"]


def test_a_deployment_that_its_own_record_has_ended_stays_as_it_is(cloud, events):
    refused = replace(
        deployment(execution=EXECUTION), outcome=DeploymentOutcome.REFUSED, ended_at=NOW, reason="no such strategy"
    )
    cloud.ledger.create_record(refused)
    assert ended(EXECUTION) == "d-1 ended FAILED and does not hold the lock"
    assert cloud.ledger.read_record("d-1") == refused
    assert events.put == []


def test_a_deployment_that_still_runs_is_not_closed_by_an_event_that_says_otherwise(cloud, states, events):
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    cloud.ledger.create_record(deployment(execution=EXECUTION))
    assert ended(EXECUTION, "ABORTED") == "d-1 ended ABORTED and does not hold the lock"
    assert cloud.ledger.read_record("d-1").outcome is None
    assert events.put == []


def test_a_plan_that_was_refused_was_announced_by_its_own_record(cloud, events):
    refusal = EventRecord("d-1", NOW, "request", "d-1", acted=False, why="strategy: 'x' is refused", deployment="d-1")
    cloud.ledger.record_refusal(refusal)
    assert ended(EXECUTION, "FAILED") == "d-1 ended FAILED and does not hold the lock"
    assert events.put == []


def test_a_refusal_that_its_own_execution_could_not_record_is_recorded_here(cloud, events):
    assert ended(EXECUTION, "FAILED") == "its execution ended FAILED before it held the lock"
    refusal = cloud.ledger.read_refusal("d-1")
    assert refusal is not None
    assert refusal.why == "its execution ended FAILED before it held the lock"
    assert [kind for kind, _ in events.put] == ["DeploymentRefused"]


def test_the_reconciler_rolls_back_what_no_event_reported(cloud, states):
    run_and_end(states, "d-1", "TIMED_OUT")
    acquire(cloud)
    cloud.ledger.create_record(IN_FLIGHT)
    assert reconcile.handler({}, None)["answer"].endswith("died while it held the environment lock")
    assert ROLLBACK in states.executions


SHIPPED = replace(
    IN_FLIGHT,
    phase=DeploymentPhase.ENDED,
    outcome=DeploymentOutcome.SUCCEEDED,
    shifts=(Shift(0, 10, NOW),),
    ended_at=NOW,
)


ROLLBACK_2 = execution_arn("rollback", "rollback-d-1-2")


@pytest.mark.parametrize("source", ["person", "alarm", "verdict"])
@pytest.mark.parametrize("shifts", [(), IN_FLIGHT.shifts], ids=["before the first shift", "after it"])
@pytest.mark.parametrize(
    ("phase", "repeated"),
    [
        ("FAILED", True),  # it could not take the lock over
        ("TIMED_OUT", True),
        ("RUNNING", False),
        ("SUCCEEDED", False),  # it found nothing to roll back
        ("ABORTED", False),  # an operator stopped it
    ],
)
def test_the_reconciler_repeats_a_rollback_that_failed_while_its_deployment_runs_on(
    cloud, states, source, shifts, phase, repeated
):
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    acquire(cloud)
    cloud.ledger.create_record(replace(IN_FLIGHT, shifts=shifts))
    start_rollback(cloud, "d-1", RollbackTrigger(source, "rolled back by bob", NOW - seconds(1)))
    states.end(ROLLBACK, phase)
    assert ended(ROLLBACK, phase) == f"rollback-d-1-1 ended {phase} and does not hold the lock"
    answer = reconcile.handler({}, None)["answer"]
    assert ("the rollback of d-1 failed: started rollback-d-1-2" in answer) is repeated
    assert (ROLLBACK_2 in states.executions) is repeated
    reconcile.handler({}, None)
    assert execution_arn("rollback", "rollback-d-1-3") not in states.executions


def test_the_reconciler_repeats_an_operators_rollback_of_a_release_that_succeeded_meanwhile(cloud, states):
    cloud.ledger.create_record(SHIPPED)
    start_rollback(cloud, "d-1", RollbackTrigger("person", "aborted by bob", NOW - seconds(1)))
    states.end(ROLLBACK, "FAILED")
    assert "started rollback-d-1-2" in reconcile.handler({}, None)["answer"]


def test_the_reconciler_repeats_no_rollback_of_another_deployment_than_the_lock_names(cloud, states):
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-2", input="{}")
    cloud.ledger.create_record(SHIPPED)
    start_rollback(cloud, "d-1", RollbackTrigger("person", "rolled back by bob", NOW))
    states.end(ROLLBACK, "FAILED")
    cloud.ledger.create_record(replace(IN_FLIGHT, id="d-2", execution=execution_arn("deployment", "d-2")))
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), execution_arn("deployment", "d-2"), "d-2", Kind.DEPLOYMENT, NOW)
    reconcile.handler({}, None)
    assert ROLLBACK_2 not in states.executions


@pytest.mark.parametrize(
    ("shipped", "triggered_at", "phase", "repeated"),
    [
        (SHIPPED, NOW, "FAILED", True),
        (SHIPPED, NOW, "TIMED_OUT", True),
        (SHIPPED, NOW - seconds(1), "FAILED", False),  # before the first shift
        (SHIPPED, NOW, "RUNNING", False),
        (SHIPPED, NOW, "SUCCEEDED", False),  # it found nothing to roll back
        (SHIPPED, NOW, "ABORTED", False),  # an operator stopped it
        (replace(SHIPPED, outcome=DeploymentOutcome.ROLLED_BACK), NOW, "FAILED", False),
        (replace(SHIPPED, outcome=DeploymentOutcome.NOT_ROLLED_BACK), NOW, "FAILED", False),
    ],
)
def test_the_reconciler_repeats_the_rollback_of_a_finished_deployment_that_failed(
    cloud, states, shipped, triggered_at, phase, repeated
):
    cloud.ledger.create_record(shipped)
    start_rollback(cloud, "d-1", RollbackTrigger("alarm", "it fired", triggered_at))
    states.end(ROLLBACK, phase)
    answer = reconcile.handler({}, None)["answer"]
    assert ("started rollback-d-1-2" in answer) is repeated
    assert (execution_arn("rollback", "rollback-d-1-2") in states.executions) is repeated


def test_the_reconciler_stops_after_all_attempts_and_says_so(cloud, states):
    cloud.ledger.create_record(SHIPPED)
    trigger = RollbackTrigger("alarm", "it fired", NOW)
    for number in range(1, ATTEMPTS + 1):
        start_rollback(cloud, "d-1", trigger)
        states.end(execution_arn("rollback", f"rollback-d-1-{number}"), "FAILED")
    assert "follow docs/runbooks/break-glass.md" in reconcile.handler({}, None)["answer"]


def fail_all_attempts(cloud, states) -> None:
    for number in range(1, ATTEMPTS + 1):
        start_rollback(cloud, "d-1", RollbackTrigger("alarm", "it fired", NOW))
        states.end(execution_arn("rollback", f"rollback-d-1-{number}"), "FAILED")


@pytest.mark.parametrize("alive", [False, True], ids=["held by the last attempt", "held by the living deployment"])
def test_the_reconciler_goes_on_when_all_attempts_of_the_rollback_that_holds_the_lock_failed(
    cloud, states, events, alive
):
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    cloud.ledger.create_record(IN_FLIGHT)
    fail_all_attempts(cloud, states)
    last = execution_arn("rollback", f"rollback-d-1-{ATTEMPTS}")
    acquire(cloud, *((EXECUTION, Kind.DEPLOYMENT) if alive else (last, Kind.ROLLBACK)))
    events.fails = True
    with suppress(Unreachable):
        track_incidents.handler(
            alarm_event("ib-oauth-service-degraded-test", "ALARM", "OK", 0, 0, "service-degraded"), None
        )
    events.fails = False
    assert "follow docs/runbooks/break-glass.md" in reconcile.handler({}, None)["answer"]
    assert [kind for kind, _ in events.put][-2:] == ["IncidentOpened", "IncidentPaged"]


def test_the_event_of_the_last_attempt_says_what_to_follow(cloud, states):
    cloud.ledger.create_record(IN_FLIGHT)
    fail_all_attempts(cloud, states)
    last = execution_arn("rollback", f"rollback-d-1-{ATTEMPTS}")
    acquire(cloud, last, Kind.ROLLBACK)
    assert "follow docs/runbooks/break-glass.md" in ended(last)


def test_the_reconciler_leaves_a_free_lock_and_a_living_holder_alone(cloud, states):
    assert reconcile.handler({}, None)["answer"] == "the environment lock is free"
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-1", input="{}")
    acquire(cloud)
    assert reconcile.handler({}, None)["answer"] == f"{EXECUTION} holds the environment lock and runs"
    assert ROLLBACK not in states.executions


def test_the_reconciler_closes_a_plan_whose_execution_died_unseen_and_no_other(cloud, states, events):
    run_and_end(states, "d-1", "ABORTED")
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-2", input="{}")
    cloud.ledger.create_record(deployment(execution=EXECUTION))
    cloud.ledger.create_record(deployment(id="d-2", execution=execution_arn("deployment", "d-2")))
    reconcile.handler({}, None)
    assert cloud.ledger.read_record("d-1").outcome is DeploymentOutcome.REFUSED
    assert cloud.ledger.read_record("d-2").outcome is None
    assert [detail["deployment"] for _, detail in events.put] == ["d-1"]


def test_a_lock_of_an_execution_that_step_functions_does_not_know_is_an_orphan(cloud, states):
    acquire(cloud)
    cloud.ledger.create_record(IN_FLIGHT)
    reconcile.handler({}, None)
    assert ROLLBACK in states.executions


def test_a_rollback_that_failed_is_followed_by_the_next(cloud, states):
    run_and_end(states, "d-1")
    acquire(cloud)
    cloud.ledger.create_record(IN_FLIGHT)
    ended(EXECUTION)
    states.end(ROLLBACK, "FAILED")
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), ROLLBACK, "d-1", Kind.ROLLBACK, NOW)
    assert ended(ROLLBACK) == f"the rollback {ROLLBACK} died while it held the environment lock"
    assert execution_arn("rollback", "rollback-d-1-2") in states.executions
