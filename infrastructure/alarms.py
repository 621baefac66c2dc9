"""Every alarm of every stack: its name, its runbook, its periods, what missing data means, and its notification.

Metrics arrive late. So an alarm is evaluated over the periods that have to breach and those that may lack late data
(docs/adr/0038-alarms-evaluate-late-metrics.md). An alarm on silence, for which missing data breaches, is the exception:
what is late is silent, so all of its periods have to breach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.naming import physical_name, title_of
from orchestrator.domain.notifications.alarms import RUNBOOK
from orchestrator.environments import Environment

SILENCE = cloudwatch.TreatMissingData.BREACHING
"""What missing data means to an alarm on silence."""


@dataclass(frozen=True)
class Alarm:
    """One alarm. It fires as soon as `datapoints` of the evaluated periods are above the threshold.

    Attributes:
        name: the short name.
        section: the section of the runbook.
        meaning: what is the case when it fires; the beginning of the description.
        metric: one metric, or an expression of several.
        threshold: in the unit of the metric.
        datapoints: how many periods have to breach. Of an alarm on silence all have to.
        least_periods: how many periods are evaluated at least.
        below: whether it fires below the threshold.
        missing: what a period without data means; by default that nothing is wrong.
        construct_id: by default from the name.
    """

    name: str
    section: str
    meaning: str
    metric: cloudwatch.Metric | cloudwatch.MathExpression
    threshold: float
    datapoints: int = 1
    least_periods: int = 0
    below: bool = False
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    construct_id: str = ""


def create_alarm(
    scope: Construct, environment: Environment, alarm: Alarm, topic: sns.ITopic | None, *, prefix: str = ""
) -> str:
    """Create an alarm; return its physical name.

    Args:
        scope: the stack, or a construct in it.
        environment: the environment.
        alarm: the alarm.
        topic: receives a notification when it fires; None for an alarm whose events EventBridge alone receives.
        prefix: of the alarm's name and of no other part of it, such as `orchestrator-`.
    """
    name = physical_name(f"{prefix}{alarm.name}", environment)
    created = cloudwatch.Alarm(
        scope,
        alarm.construct_id or f"{title_of(alarm.name)}Alarm",
        alarm_name=name,
        alarm_description=_description(alarm.meaning, alarm.section),
        metric=alarm.metric,
        threshold=alarm.threshold,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
        if alarm.below
        else cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=_evaluation_periods(environment, alarm),
        datapoints_to_alarm=None if alarm.missing is SILENCE else alarm.datapoints,
        treat_missing_data=alarm.missing,
    )
    if topic:
        created.add_alarm_action(actions.SnsAction(topic))
    return name


def create_anomaly_alarm(scope: Construct, environment: Environment, alarm: Alarm, topic: sns.ITopic) -> str:
    """Create an alarm on a metric above CloudWatch's anomaly detection band; return its physical name.

    Args:
        scope: the stack.
        environment: the environment.
        alarm: the alarm. Its threshold is the width of the band, in standard deviations.
        topic: receives a notification when it fires.
    """
    name = physical_name(alarm.name, environment)
    created = cloudwatch.AnomalyDetectionAlarm(
        scope,
        alarm.construct_id,
        alarm_name=name,
        alarm_description=_description(alarm.meaning, alarm.section),
        metric=alarm.metric,
        std_devs=alarm.threshold,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_UPPER_THRESHOLD,
        evaluation_periods=_evaluation_periods(environment, alarm),
        datapoints_to_alarm=alarm.datapoints,
        treat_missing_data=alarm.missing,
    )
    created.add_alarm_action(actions.SnsAction(topic))
    return name


def create_composite_alarm(
    scope: Construct, environment: Environment, name: str, meaning: str, rule: cloudwatch.IAlarmRule, topic: sns.ITopic
) -> str:
    """Create an alarm on the states of others, which notifies of its end, too; return its physical name.

    Args:
        scope: the stack.
        environment: the environment.
        name: the short name, which is also the section of the runbook.
        meaning: what is the case when it fires.
        rule: when it fires.
        topic: receives the notifications.
    """
    alarm = cloudwatch.CompositeAlarm(
        scope,
        f"{title_of(name)}Composite",
        composite_alarm_name=physical_name(name, environment),
        alarm_description=_description(meaning, name),
        alarm_rule=rule,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    alarm.add_ok_action(actions.SnsAction(topic))
    return physical_name(name, environment)


def metric(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, period: Duration
) -> cloudwatch.Metric:
    """Return a metric of one namespace and set of dimensions."""
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dimensions, statistic=statistic, period=period
    )


def messages_in(queue: str) -> cloudwatch.Metric:
    """Return how many messages a queue holds, for an alarm on dead letters.

    Args:
        queue: the queue's physical name.
    """
    return metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum", Duration.minutes(1))


def state_changes(environment: Environment) -> Mapping[str, Any]:
    """Return the pattern of the events of all of the environment's alarms, as parameters of `events.EventPattern`."""
    return {
        "source": ["aws.cloudwatch"],
        "detail_type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [{"wildcard": physical_name("*", environment)}]},
    }


def _evaluation_periods(environment: Environment, alarm: Alarm) -> int:
    if alarm.missing is SILENCE:
        return alarm.datapoints
    period_seconds = round(alarm.metric.period.to_seconds())
    return max(environment.service.alarms.evaluation_periods(period_seconds, alarm.datapoints), alarm.least_periods)


def _description(meaning: str, section: str) -> str:
    """Return a description: the meaning, and the section of the runbook that describes the mitigation."""
    return f"{meaning}. Runbook: {RUNBOOK}#{section}"
