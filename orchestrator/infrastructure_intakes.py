"""Which events reach which intake: rules with their retries, and one dead-letter queue for what nobody could take in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from environments import Environment
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.infrastructure_pipeline import pipeline_role_arn
from orchestrator.infrastructure_promotion import promotion_role_arn
from stack_parts import name_of, worldwide

ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
_ALARM_MAX_AGE = Duration.minutes(5)
"""An alarm that is older is history: the intake would refuse it."""
_OTHERS_MAX_AGE = Duration.hours(1)
_RETRIES = 20
_SWITCHED_OFF = "rate(1 day)"
"""What a schedule says that is switched off: EventBridge refuses one that says nothing."""
_SCHEDULED = {
    "reconcile": Duration.minutes(1),
    "write_receipts": Duration.minutes(1),
    "rotate_keys": Duration.minutes(15),
    "record_configuration": Duration.days(1),
    "sweep": Duration.minutes(5),
}
"""Who looks how often. What was missed is not made up for: the next one looks at the same thing."""


def make_bus(scope: Construct, environment: Environment) -> events.EventBus:
    """Make the environment's bus. Of all who may put events on it, only the announcers may say that a release is ready."""
    bus = events.EventBus(scope, "Bus", event_bus_name=f"ib-oauth-{environment.name}")
    conditions: dict[str, Any] = {"StringEquals": {"events:detail-type": "ReleaseReady"}}
    announcers = [*environment.announcers, *([promotion_role_arn(scope, environment)] if environment.promoters else [])]
    announcers += [pipeline_role_arn(Stack.of(scope), environment)] if environment.pipeline else []
    if announcers:
        conditions["ArnNotEquals"] = {"aws:PrincipalArn": announcers}
    bus.add_to_resource_policy(
        iam.PolicyStatement(
            sid="OnlyAnnouncersSayReleaseReady",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
            conditions=conditions,
        )
    )
    return bus


def route(
    scope: Construct,
    environment: Environment,
    bus: events.IEventBus,
    intakes: Mapping[str, lambda_.Function],
    dead_letters: sqs.IQueue,
    alarms: Sequence[str],
    machines: Sequence[str],
    drill_machine: str,
) -> None:
    """Make the rules.

    Args:
        scope: the stack.
        environment: where.
        bus: the environment's own bus, on which releases are announced. AWS's own events come on the default bus.
        intakes: functions by module.
        dead_letters: where events go that could not be delivered.
        alarms: exact ARNs of the service's alarms.
        machines: ARNs of the machines whose bad endings are looked into.
        drill_machine: ARN of the one after whose bad endings is swept.
    """
    patterns: Mapping[str, tuple[str, events.IEventBus | None, Mapping[str, Any], Duration]] = {
        "alarm": (
            "alarm",
            None,
            {
                "source": ["aws.cloudwatch"],
                "detail_type": ["CloudWatch Alarm State Change"],
                "resources": list(alarms),
                "detail": {"state": {"value": ["ALARM"]}},
            },
            _ALARM_MAX_AGE,
        ),
        "execution_ended": ("execution_ended", None, _ended_badly(machines), _OTHERS_MAX_AGE),
        "drill_ended": ("sweep", None, _ended_badly([drill_machine]), _OTHERS_MAX_AGE),
        "release_ready": ("release_ready", bus, {"detail_type": ["ReleaseReady"]}, _OTHERS_MAX_AGE),
    }
    for name, (intake, on, pattern, max_age) in patterns.items():
        rule = events.Rule(
            scope,
            f"{_title(name)}Rule",
            rule_name=_rule_name(name, environment),
            event_bus=on,
            event_pattern=events.EventPattern(**pattern),
        )
        rule.add_target(_target(intakes[intake], dead_letters, max_age))
    for name, every in _SCHEDULED.items():
        rule = events.Rule(
            scope,
            f"{_title(name)}Rule",
            rule_name=_rule_name(name, environment),
            schedule=events.Schedule.rate(every),
            enabled=name != "write_receipts" or bool(environment.recovery["receipts"]),
        )
        max_age = every if every.to_seconds() < _OTHERS_MAX_AGE.to_seconds() else _OTHERS_MAX_AGE
        rule.add_target(_target(intakes[name], dead_letters, max_age))


def schedule_drills(
    scope: Construct,
    environment: Environment,
    policy: RecoveryPolicy,
    intake: lambda_.Function,
    dead_letters: sqs.IQueue,
) -> None:
    """Have drills begin by themselves, somewhere in the window after each scheduled time. Without one the schedule is switched off.

    The intake is told the scheduled time, not when it was called: that is what a drill is named after.
    """
    role = iam.Role(
        scope,
        "DrillScheduleRole",
        role_name=worldwide(name_of("drill-schedule", environment), environment),
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
        ),
        inline_policies={
            "access": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[intake.function_arn]),
                    iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]),
                ]
            )
        },
    )
    window = round(policy.drill_window.total_seconds() / 60)
    scheduler.CfnSchedule(
        scope,
        "DrillSchedule",
        name=name_of("drill", environment),
        description=f"Begins the recovery drill ({environment.name})",
        state="ENABLED" if policy.drill_schedule else "DISABLED",
        schedule_expression=policy.drill_schedule or _SWITCHED_OFF,
        schedule_expression_timezone="UTC",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
            mode="FLEXIBLE" if window else "OFF", maximum_window_in_minutes=window or None
        ),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=intake.function_arn,
            role_arn=role.role_arn,
            input=json.dumps({"scheduled": "<aws.scheduler.scheduled-time>"}),
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_event_age_in_seconds=_OTHERS_MAX_AGE.to_seconds(), maximum_retry_attempts=_RETRIES
            ),
        ),
    )


def _ended_badly(machines: Sequence[str]) -> Mapping[str, Any]:
    return {
        "source": ["aws.states"],
        "detail_type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": list(machines), "status": list(ENDED_BADLY)},
    }


def _target(intake: lambda_.Function, dead_letters: sqs.IQueue, max_age: Duration) -> targets.LambdaFunction:
    return targets.LambdaFunction(
        intake, dead_letter_queue=dead_letters, max_event_age=max_age, retry_attempts=_RETRIES
    )


def _rule_name(intake: str, environment: Environment) -> str:
    return name_of(f"intake-{intake.replace('_', '-')}", environment)


def _title(name: str) -> str:
    return name.title().replace("_", "")
