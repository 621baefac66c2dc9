"""Alarms on the orchestrator itself: its state machines, event handlers, dead letters and recovery drills.

Metrics arrive late, so each alarm is evaluated over more minutes than have to breach
(docs/adr/0038-alarms-evaluate-late-metrics.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.naming import alarm_description, physical_name
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

_MINUTE = Duration.minutes(1)
_OVERDUE_PERIOD, _OVERDUE_PERIODS = Duration.minutes(5), 3
RECONCILER_MISSING_MINUTES = 3
_MINUTE_SECONDS = 60
LIVE_STATE_MINUTES = 2
"""A second look: the first may have met an operator in the middle of the break-glass runbook."""


@dataclass(frozen=True)
class _MetricAlarm:
    """One alarm: fires as soon as the metric of one minute is above `threshold`. `section` is of the runbook."""

    name: str
    section: str
    meaning: str
    namespace: str
    metric: str
    dimension: tuple[str, str]
    threshold: int = 0
    statistic: str = "Sum"


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
        handlers: names of the event handler functions, including the reconciler.
        rollback_machine: ARN of the rollback state machine.
        deployment_machine: ARN of the deployment state machine.
        dead_letter_queue: the queue's name.
        notification_dead_letters: the name of the queue of notifications that were not delivered; None without
            destinations.
    """
    action = actions.SnsAction(operators)
    late = environment.service.alarms.late_periods(_MINUTE_SECONDS)
    _create_recovery_alarms(scope, environment, action)
    alarms = [
        *(
            # A failed deployment was rolled back or rejected, and reports that itself. A timed-out one cannot.
            _MetricAlarm(
                f"{machine}-{metric.lower()}",
                f"{machine}-failed",
                f"executions of the {machine} state machine failed ({metric})",
                "AWS/States",
                metric,
                ("StateMachineArn", arn),
            )
            for machine, arn, metrics in (
                ("rollback", rollback_machine, ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")),
                ("deployment", deployment_machine, ("ExecutionsTimedOut",)),
            )
            for metric in metrics
        ),
        *(
            _MetricAlarm(
                f"{name}-errors",
                "event-handler-errors",
                f"the event handler {name} raised an exception or timed out",
                "AWS/Lambda",
                "Errors",
                ("FunctionName", name),
            )
            for name in handlers
        ),
        _MetricAlarm(
            "dead-letters",
            "dead-letters",
            "events could not be delivered to their event handler",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            ("QueueName", dead_letter_queue),
            statistic="Maximum",
        ),
    ]
    if notification_dead_letters:
        alarms.append(
            _MetricAlarm(
                "undelivered-notifications",
                "dead-letters",
                "notifications could not be delivered to a destination",
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                ("QueueName", notification_dead_letters),
                statistic="Maximum",
            )
        )
    for alarm in alarms:
        short_name = alarm.name.removeprefix("ib-oauth-").replace(f"-{environment.name}", "")
        resource = cloudwatch.Alarm(
            scope,
            f"{short_name.title().replace('-', '')}Alarm",
            alarm_name=physical_name(f"orchestrator-{short_name}", environment),
            alarm_description=alarm_description(alarm.meaning, alarm.section),
            metric=_metric(alarm.namespace, alarm.metric, alarm.dimension, alarm.statistic),
            threshold=alarm.threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1 + late,
            datapoints_to_alarm=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        resource.add_alarm_action(action)
    reconciler = physical_name("event-reconcile", environment)
    not_running = cloudwatch.Alarm(
        scope,
        "ReconcilerNotRunningAlarm",
        alarm_name=physical_name("orchestrator-reconciler-not-running", environment),
        alarm_description=alarm_description(
            "the reconciler does not run: the lock and the weights of an aborted deployment would remain",
            "reconciler-not-running",
        ),
        metric=_metric("AWS/Lambda", "Invocations", ("FunctionName", reconciler), "Sum"),
        threshold=1,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        # Minutes without data breach. All must, and one more than can only be late.
        evaluation_periods=max(RECONCILER_MISSING_MINUTES, late + 1),
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    not_running.add_alarm_action(action)
    mixed = cloudwatch.Alarm(
        scope,
        "LiveStateAlarm",
        alarm_name=physical_name("orchestrator-live-state", environment),
        alarm_description=alarm_description(
            "functions of different releases are live, or aliases were changed outside the orchestrator", "live-state"
        ),
        metric=_metric(NAMESPACE, PROBLEMS, ("environment", environment.name), "Minimum"),
        threshold=0,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=LIVE_STATE_MINUTES + late,
        datapoints_to_alarm=LIVE_STATE_MINUTES,
        # The reconciler emits nothing while the lock changes hands; `reconciler-not-running` covers its absence.
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )
    mixed.add_alarm_action(action)


def _create_recovery_alarms(scope: Construct, environment: Environment, action: actions.SnsAction) -> None:
    """Create the alarms on drills: failed, an objective missed, or overdue. Each fires until a later drill succeeds."""
    policy = RecoveryPolicy.parse(environment.recovery)
    dimensions = {"environment": environment.name, "kind": DRILL}
    above, below = (
        cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
    )
    objectives = policy.objectives
    alarms = (
        (
            "recovery-drill-failed",
            "the last recovery drill failed: a real restore would probably fail, too",
            SUCCEEDED,
            "Minimum",
            below,
            1.0,
        ),
        (
            "rto-exceeded",
            "the last recovery drill took longer than the recovery time objective",
            RECOVERY_SECONDS,
            "Maximum",
            above,
            objectives.recovery_time.total_seconds(),
        ),
        (
            "rpo-exceeded",
            "the last recovery drill lost more data than the recovery point objective allows",
            DATA_LOSS_SECONDS,
            "Maximum",
            above,
            objectives.data_loss.total_seconds(),
        ),
    )
    for name, meaning, metric, statistic, comparison, threshold in alarms:
        construct_id = f"{name.title().replace('-', '')}Alarm"
        alarm = _state_of_last_drill(
            scope,
            environment,
            construct_id,
            name,
            meaning,
            cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=metric,
                dimensions_map=dimensions,
                period=_MINUTE,
                statistic=statistic,
            ),
            comparison,
            threshold,
        )
        alarm.add_alarm_action(action)
    overdue = _overdue_alarm(scope, environment, "RecoveryDrillOverdueAlarm", "", dimensions, policy.success_within)
    overdue.add_alarm_action(action)
    for kind, drill in policy.drills.items():
        # A drill of a kind without a schedule is by hand: its result is shown, and no alarm waits for it.
        dimensions = {"environment": environment.name, "kind": scenario_name(Kind.DRILL, kind, None)}
        failed = _state_of_last_drill(
            scope,
            environment,
            f"RecoveryDrillFailed{kind.title()}Alarm",
            f"recovery-drill-failed-{kind}",
            f"the last recovery drill of kind {kind} failed: these backups would probably not restore",
            cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=SUCCEEDED,
                dimensions_map=dimensions,
                period=_MINUTE,
                statistic="Minimum",
            ),
            below,
            1.0,
            section="recovery-drill-failed",
        )
        failed.add_alarm_action(action)
        overdue = _overdue_alarm(
            scope,
            environment,
            f"RecoveryDrillOverdue{kind.title()}Alarm",
            kind.value,
            dimensions,
            drill.success_within,
        )
        overdue.add_alarm_action(action)
    unused = cloudwatch.Alarm(
        scope,
        "RestoredTablesUnusedAlarm",
        alarm_name=physical_name("orchestrator-restored-tables-unused", environment),
        alarm_description=alarm_description(
            "a restored table costs money, and the service has not used it for long", "restored-tables-unused"
        ),
        metric=cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=SECONDS_UNUSED,
            dimensions_map={"environment": environment.name},
            period=_OVERDUE_PERIOD,
            statistic="Maximum",
        ),
        threshold=policy.unused_tables.total_seconds(),
        comparison_operator=above,
        evaluation_periods=_OVERDUE_PERIODS,
        datapoints_to_alarm=1,
        # The cleanup job emits it every five minutes while there is such a table.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    unused.add_alarm_action(action)


def _state_of_last_drill(
    scope: Construct,
    environment: Environment,
    construct_id: str,
    name: str,
    meaning: str,
    metric: cloudwatch.Metric,
    comparison: cloudwatch.ComparisonOperator,
    threshold: float,
    *,
    section: str = "",
) -> cloudwatch.Alarm:
    """Create an alarm that keeps the state that the last drill set. `section`: of the runbook; by default the name."""
    return cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_name=physical_name(f"orchestrator-{name}", environment),
        alarm_description=alarm_description(meaning, section or name),
        metric=metric,
        threshold=threshold,
        comparison_operator=comparison,
        evaluation_periods=1 + environment.service.alarms.late_periods(_MINUTE_SECONDS),
        datapoints_to_alarm=1,
        # There is no data between drills.
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )


def _overdue_alarm(
    scope: Construct,
    environment: Environment,
    construct_id: str,
    kind: str,
    dimensions: Mapping[str, str],
    within: timedelta,
) -> cloudwatch.Alarm:
    """Create the alarm on the age of the last success.

    Args:
        scope: the stack.
        environment: the environment.
        construct_id: of the alarm.
        kind: of backup; empty for point-in-time recovery.
        dimensions: of the metric.
        within: the age above which it fires.
    """
    name = f"orchestrator-recovery-drill-overdue{f'-{kind}' if kind else ''}"
    of_kind = f" of kind {kind}" if kind else ""
    return cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_name=physical_name(name, environment),
        alarm_description=alarm_description(
            f"no recovery drill{of_kind} succeeded within the required time", "recovery-drill-overdue"
        ),
        metric=cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=SECONDS_SINCE_SUCCESS,
            dimensions_map=dimensions,
            period=_OVERDUE_PERIOD,
            statistic="Minimum",
        ),
        threshold=within.total_seconds(),
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=_OVERDUE_PERIODS,
        # The reconciler emits the age every minute, but nothing before the first successful drill.
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )


def _metric(namespace: str, name: str, dimension: tuple[str, str], statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict([dimension]),
        period=_MINUTE,
        statistic=statistic,
    )
