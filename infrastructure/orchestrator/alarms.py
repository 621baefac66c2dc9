"""Alarms on the orchestrator itself: its state machines, event handlers, dead letters and recovery drills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.alarms import SILENCE, Alarm, create_alarm, messages_in, metric
from infrastructure.naming import physical_name
from orchestrator.application.live_state import PROBLEMS
from orchestrator.application.recovery_reporting import (
    DATA_LOSS_SECONDS,
    RECOVERY_SECONDS,
    SECONDS_SINCE_SUCCESS,
    SUCCEEDED,
)
from orchestrator.application.restored_tables.listing import SECONDS_UNUSED
from orchestrator.aws.cloudwatch.embedded_metrics import NAMESPACE
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.objectives.scenarios import DRILL, scenario_name
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.environments import Environment

_PREFIX = "orchestrator-"
_MINUTE, _MINUTE_SECONDS = Duration.minutes(1), 60
_OVERDUE_PERIOD, _OVERDUE_PERIODS = Duration.minutes(5), 3
RECONCILER_MISSING_MINUTES = 3
LIVE_STATE_MINUTES = 2
"""A second look: the first may have met an operator in the middle of the break-glass runbook."""


def create_alarms(
    scope: Construct,
    environment: Environment,
    operators: sns.ITopic,
    handlers: Sequence[str],
    rollback_machine: str,
    deployment_machine: str,
    dead_letter_queue: str,
    notification_dead_letters: str | None,
) -> None:
    """Create the alarms; each notifies the operators.

    Args:
        scope: the stack.
        environment: the environment.
        operators: the topic of the on-call operators.
        handlers: short names of the event handler functions, including the reconciler, such as `event-reconcile`.
        rollback_machine: ARN of the rollback state machine.
        deployment_machine: ARN of the deployment state machine.
        dead_letter_queue: the queue's name.
        notification_dead_letters: the name of the queue of notifications that were not delivered; None without
            destinations.
    """
    alarms = [
        *_recovery_alarms(environment),
        *_execution_alarms("rollback", rollback_machine, "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"),
        # A failed deployment was rolled back or rejected, and reports that itself. A timed-out one cannot.
        *_execution_alarms("deployment", deployment_machine, "ExecutionsTimedOut"),
        *(_handler_alarm(environment, name) for name in handlers),
        Alarm(
            "dead-letters",
            "dead-letters",
            "events could not be delivered to their event handler",
            messages_in(dead_letter_queue),
            0,
        ),
    ]
    if notification_dead_letters:
        alarms.append(
            Alarm(
                "undelivered-notifications",
                "dead-letters",
                "notifications could not be delivered to a destination",
                messages_in(notification_dead_letters),
                0,
            )
        )
    alarms += [_reconciler_alarm(environment), _live_state_alarm(environment)]
    for alarm in alarms:
        create_alarm(scope, environment, alarm, operators, prefix=_PREFIX)


def _execution_alarms(machine: str, arn: str, *metrics: str) -> list[Alarm]:
    return [
        Alarm(
            f"{machine}-{name.lower()}",
            f"{machine}-failed",
            f"executions of the {machine} state machine failed ({name})",
            metric("AWS/States", name, {"StateMachineArn": arn}, "Sum", _MINUTE),
            0,
        )
        for name in metrics
    ]


def _handler_alarm(environment: Environment, name: str) -> Alarm:
    function = physical_name(name, environment)
    return Alarm(
        f"{name}-errors",
        "event-handler-errors",
        f"the event handler {function} raised an exception or timed out",
        metric("AWS/Lambda", "Errors", {"FunctionName": function}, "Sum", _MINUTE),
        0,
    )


def _reconciler_alarm(environment: Environment) -> Alarm:
    reconciler = {"FunctionName": physical_name("event-reconcile", environment)}
    return Alarm(
        "reconciler-not-running",
        "reconciler-not-running",
        "the reconciler does not run: the lock and the weights of an aborted deployment would remain",
        metric("AWS/Lambda", "Invocations", reconciler, "Sum", _MINUTE),
        1,
        # One minute more than can only be late.
        datapoints=max(RECONCILER_MISSING_MINUTES, environment.service.alarms.late_periods(_MINUTE_SECONDS) + 1),
        below=True,
        missing=SILENCE,
    )


def _live_state_alarm(environment: Environment) -> Alarm:
    return Alarm(
        "live-state",
        "live-state",
        "functions of different releases are live, or aliases were changed outside the orchestrator",
        metric(NAMESPACE, PROBLEMS, {"environment": environment.name}, "Minimum", _MINUTE),
        0,
        datapoints=LIVE_STATE_MINUTES,
        # The reconciler emits nothing while the lock changes hands; `reconciler-not-running` covers its absence.
        missing=cloudwatch.TreatMissingData.IGNORE,
    )


def _recovery_alarms(environment: Environment) -> list[Alarm]:
    """Return the alarms on drills: failed, an objective missed, or overdue. Each fires until a later drill succeeds."""
    policy = RecoveryPolicy.parse(environment.recovery)
    objectives = policy.objectives
    alarms = [
        _failed_drill(
            environment,
            "recovery-drill-failed",
            "the last recovery drill failed: a real restore would probably fail, too",
            DRILL,
        ),
        _missed_objective(
            environment,
            "rto-exceeded",
            "the last recovery drill took longer than the recovery time objective",
            RECOVERY_SECONDS,
            objectives.recovery_time,
        ),
        _missed_objective(
            environment,
            "rpo-exceeded",
            "the last recovery drill lost more data than the recovery point objective allows",
            DATA_LOSS_SECONDS,
            objectives.data_loss,
        ),
        _overdue_drill(environment, "recovery-drill-overdue", "recovery drill", DRILL, policy.success_within),
    ]
    for kind, drill in policy.drills.items():
        # A drill of a kind without a schedule is by hand: its result is shown, and no alarm waits for it.
        scenario = scenario_name(Kind.DRILL, kind, None)
        alarms += [
            _failed_drill(
                environment,
                f"recovery-drill-failed-{kind}",
                f"the last recovery drill of kind {kind} failed: these backups would probably not restore",
                scenario,
            ),
            _overdue_drill(
                environment,
                f"recovery-drill-overdue-{kind}",
                f"recovery drill of kind {kind}",
                scenario,
                drill.success_within,
            ),
        ]
    return [*alarms, _unused_tables(environment, policy.unused_tables)]


def _failed_drill(environment: Environment, name: str, meaning: str, scenario: str) -> Alarm:
    return Alarm(
        name,
        "recovery-drill-failed",
        meaning,
        metric(NAMESPACE, SUCCEEDED, {"environment": environment.name, "kind": scenario}, "Minimum", _MINUTE),
        1,
        below=True,
        # There is no data between drills.
        missing=cloudwatch.TreatMissingData.IGNORE,
    )


def _missed_objective(environment: Environment, name: str, meaning: str, measured: str, objective: timedelta) -> Alarm:
    return Alarm(
        name,
        name,
        meaning,
        metric(NAMESPACE, measured, {"environment": environment.name, "kind": DRILL}, "Maximum", _MINUTE),
        objective.total_seconds(),
        # There is no data between drills.
        missing=cloudwatch.TreatMissingData.IGNORE,
    )


def _overdue_drill(environment: Environment, name: str, drill: str, scenario: str, within: timedelta) -> Alarm:
    dimensions = {"environment": environment.name, "kind": scenario}
    return Alarm(
        name,
        "recovery-drill-overdue",
        f"no {drill} succeeded within the required time",
        metric(NAMESPACE, SECONDS_SINCE_SUCCESS, dimensions, "Minimum", _OVERDUE_PERIOD),
        within.total_seconds(),
        datapoints=_OVERDUE_PERIODS,
        # The reconciler emits the age every minute, but nothing before the first successful drill.
        missing=SILENCE,
    )


def _unused_tables(environment: Environment, unused: timedelta) -> Alarm:
    return Alarm(
        "restored-tables-unused",
        "restored-tables-unused",
        "a restored table costs money, and the service has not used it for long",
        # The cleanup job emits it every five minutes while there is such a table.
        metric(NAMESPACE, SECONDS_UNUSED, {"environment": environment.name}, "Maximum", _OVERDUE_PERIOD),
        unused.total_seconds(),
        least_periods=_OVERDUE_PERIODS,
    )
