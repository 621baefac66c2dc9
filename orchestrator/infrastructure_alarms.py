"""Alarms on the orchestrator itself. Whoever watches the service must not be the one nobody watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from orchestrator.aws.measures import NAMESPACE
from orchestrator.aws.recorded import GREEN, LOST, SINCE_GREEN, TOOK
from orchestrator.domain.recovery_policy import RecoveryPolicy
from stack_parts import name_of, with_runbook

_MINUTE = Duration.minutes(1)
_UNPROVED_PERIOD, _UNPROVED_PERIODS = Duration.minutes(5), 3
RECONCILER_SILENT_MINUTES = 3


@dataclass(frozen=True)
class _Watch:
    """One alarm: rings as soon as one minute has more of the metric than `above`. `section` is the runbook's."""

    what: str
    section: str
    meaning: str
    namespace: str
    metric: str
    dimension: tuple[str, str]
    above: int = 0
    statistic: str = "Sum"


def watch(
    scope: Construct,
    environment: Environment,
    operators: sns.ITopic,
    intakes: Sequence[str],
    rollback_machine: str,
    deployment_machine: str,
    dead_letter_queue: str,
) -> None:
    """Make the alarms; all tell the operators.

    Args:
        scope: the stack.
        environment: where.
        operators: topic of the people on call.
        intakes: names of the intake functions; the reconciler's among them.
        rollback_machine: ARN.
        deployment_machine: ARN.
        dead_letter_queue: name.
    """
    action = actions.SnsAction(operators)
    _watch_recovery(scope, environment, action)
    watches = [
        *(
            # A deployment that fails has rolled back or was refused, and says so itself; the others are unheard of.
            _Watch(
                f"{machine}-{metric.lower()}",
                f"{machine}-failed",
                f"the {machine} machine had executions with {metric}",
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
            _Watch(
                f"{name}-errors",
                "intake-errors",
                f"{name} ended in an exception",
                "AWS/Lambda",
                "Errors",
                ("FunctionName", name),
            )
            for name in intakes
        ),
        _Watch(
            "dead-letters",
            "dead-letters",
            "events that no intake could take in",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            ("QueueName", dead_letter_queue),
            statistic="Maximum",
        ),
    ]
    for one in watches:
        short = one.what.removeprefix("ib-oauth-").replace(f"-{environment.name}", "")
        alarm = cloudwatch.Alarm(
            scope,
            f"{short.title().replace('-', '')}Alarm",
            alarm_name=name_of(f"orchestrator-{short}", environment),
            alarm_description=with_runbook(one.meaning, one.section),
            metric=_metric(one.namespace, one.metric, one.dimension, one.statistic),
            threshold=one.above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(action)
    reconciler = name_of("intake-reconcile", environment)
    silent = cloudwatch.Alarm(
        scope,
        "ReconcilerSilentAlarm",
        alarm_name=name_of("orchestrator-reconciler-silent", environment),
        alarm_description=with_runbook(
            "the reconciler does not run: a dead deployment would keep its claim and its weights", "reconciler-silent"
        ),
        metric=_metric("AWS/Lambda", "Invocations", ("FunctionName", reconciler), "Sum"),
        threshold=1,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluation_periods=RECONCILER_SILENT_MINUTES,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    silent.add_alarm_action(action)


def _watch_recovery(scope: Construct, environment: Environment, action: actions.SnsAction) -> None:
    """Make the alarms on drills: red, an objective missed, or no proof for too long. Each rings until the next drill is better."""
    policy = RecoveryPolicy.parse(environment.recovery)
    of_drills = {"environment": environment.name, "kind": "drill"}
    above, below = (
        cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
    )
    promised = policy.objectives
    watched = (
        ("drill-red", "the last drill was red: nobody knows that we can recover", GREEN, "Minimum", below, 1.0),
        (
            "recovery-time",
            "the last drill took longer than promised",
            TOOK,
            "Maximum",
            above,
            promised.recovery_time.total_seconds(),
        ),
        (
            "data-loss",
            "the last drill lost more than promised",
            LOST,
            "Maximum",
            above,
            promised.data_loss.total_seconds(),
        ),
    )
    for what, meaning, metric, statistic, comparison, threshold in watched:
        alarm = cloudwatch.Alarm(
            scope,
            f"{what.title().replace('-', '')}Alarm",
            alarm_name=name_of(f"orchestrator-{what}", environment),
            alarm_description=with_runbook(meaning, what),
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=metric,
                dimensions_map=of_drills,
                period=_MINUTE,
                statistic=statistic,
            ),
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=1,
            # Between two drills there is nothing to see: what the last one said holds.
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )
        alarm.add_alarm_action(action)
    unproved = cloudwatch.Alarm(
        scope,
        "NoGreenDrillAlarm",
        alarm_name=name_of("orchestrator-no-green-drill", environment),
        alarm_description=with_runbook("no drill was green for too long, or ever", "no-green-drill"),
        metric=cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=SINCE_GREEN,
            dimensions_map={"environment": environment.name},
            period=_UNPROVED_PERIOD,
            statistic="Minimum",
        ),
        threshold=policy.green_within.total_seconds(),
        comparison_operator=above,
        evaluation_periods=_UNPROVED_PERIODS,
        # The reconciler says it every minute. It says nothing where no drill was ever green.
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    unproved.add_alarm_action(action)


def _metric(namespace: str, name: str, dimension: tuple[str, str], statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict([dimension]),
        period=_MINUTE,
        statistic=statistic,
    )
