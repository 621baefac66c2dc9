"""EventBridge rules and schedules that invoke the event handlers, with retries and one dead-letter queue."""

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

from infrastructure.alarms import state_changes
from infrastructure.iam import own_account_service
from infrastructure.naming import global_name, physical_name, title_of
from infrastructure.orchestrator.pipeline_roles import pipeline_role_arn, promotion_role_arn
from orchestrator.aws.ledger.standing_grants import STANDING
from orchestrator.aws.notifications import SOURCE
from orchestrator.domain.incidents.signals import EVENT_TYPES as INCIDENT_SIGNALS
from orchestrator.domain.recovery.backups.kinds import Selection
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.environments import Environment

FAILED_STATUSES = ("FAILED", "TIMED_OUT", "ABORTED")
_ALARM_MAX_AGE = Duration.minutes(5)
"""The handler ignores older alarm events."""
_OTHERS_MAX_AGE = Duration.hours(1)
_RETRIES = 20
_DISABLED_EXPRESSION = "rate(1 day)"
"""The expression of a disabled schedule: EventBridge Scheduler rejects an empty one."""
_SCHEDULED = {
    "reconcile": Duration.minutes(1),
    "write_heartbeats": Duration.minutes(1),
    "rotate_signing_keys": Duration.minutes(15),
    "take_configuration_snapshot": Duration.days(1),
    "clean_up_drills": Duration.minutes(5),
}
"""Intervals of the scheduled handlers. A missed run is not repeated, because the next run does the same work."""


def create_bus(scope: Construct, environment: Environment) -> events.EventBus:
    """Create the environment's bus. Its policy lets only the configured announcers publish `ReleaseReady` events."""
    bus = events.EventBus(scope, "Bus", event_bus_name=f"ib-oauth-{environment.name}")
    conditions: dict[str, Any] = {"StringEquals": {"events:detail-type": "ReleaseReady"}}
    announcers = [
        *environment.announcers,
        *([promotion_role_arn(Stack.of(scope), environment)] if environment.promoters else []),
    ]
    announcers += [pipeline_role_arn(Stack.of(scope), environment)] if environment.pipeline else []
    if announcers:
        conditions["ArnNotEquals"] = {"aws:PrincipalArn": announcers}
    bus.add_to_resource_policy(
        iam.PolicyStatement(
            sid="RestrictReleaseReadyToAnnouncers",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["events:PutEvents"],
            resources=[bus.event_bus_arn],
            conditions=conditions,
        )
    )
    return bus


def create_event_rules(
    scope: Construct,
    environment: Environment,
    bus: events.IEventBus,
    handlers: Mapping[str, lambda_.Function],
    dead_letters: sqs.IQueue,
    alarms: Sequence[str],
    state_machines: Sequence[str],
    drill_state_machine: str,
) -> None:
    """Create the rules and schedules.

    Args:
        scope: the stack.
        environment: the environment.
        bus: the environment's own bus, for `ReleaseReady` events. Events of AWS arrive on the default bus.
        handlers: event handler functions by module.
        dead_letters: the queue for events that could not be delivered.
        alarms: exact ARNs of the service's alarms.
        state_machines: ARNs of the state machines whose failed executions are handled.
        drill_state_machine: ARN of the state machine whose failed executions start the cleanup job.
    """
    patterns: Mapping[str, tuple[str, events.IEventBus | None, Mapping[str, Any], Duration]] = {
        "alarm_state_change": (
            "alarm_state_change",
            None,
            {
                "source": ["aws.cloudwatch"],
                "detail_type": ["CloudWatch Alarm State Change"],
                "resources": list(alarms),
                "detail": {"state": {"value": ["ALARM"]}},
            },
            _ALARM_MAX_AGE,
        ),
        "execution_status_change": (
            "execution_status_change",
            None,
            _failed_executions(state_machines),
            _OTHERS_MAX_AGE,
        ),
        "drill_ended": ("clean_up_drills", None, _failed_executions([drill_state_machine]), _OTHERS_MAX_AGE),
        "incident_events": (
            "track_incidents",
            bus,
            {"source": [SOURCE], "detail_type": list(INCIDENT_SIGNALS)},
            _OTHERS_MAX_AGE,
        ),
        "incident_alarms": (
            "track_incidents",
            None,
            state_changes(environment),
            _OTHERS_MAX_AGE,
        ),
        "release_ready": ("release_ready", bus, {"detail_type": ["ReleaseReady"]}, _OTHERS_MAX_AGE),
    }
    for name, (handler, event_bus, pattern, max_age) in patterns.items():
        rule = events.Rule(
            scope,
            f"{title_of(name)}Rule",
            rule_name=_rule_name(name, environment),
            event_bus=event_bus,
            event_pattern=events.EventPattern(**pattern),
        )
        rule.add_target(_target(handlers[handler], dead_letters, max_age))
    for name, interval in _SCHEDULED.items():
        rule = events.Rule(
            scope,
            f"{title_of(name)}Rule",
            rule_name=_rule_name(name, environment),
            schedule=events.Schedule.rate(interval),
            enabled=name != "write_heartbeats" or bool(environment.recovery["heartbeats"]),
        )
        max_age = interval if interval.to_seconds() < _OTHERS_MAX_AGE.to_seconds() else _OTHERS_MAX_AGE
        rule.add_target(_target(handlers[name], dead_letters, max_age))


def create_drill_schedules(
    scope: Construct,
    environment: Environment,
    policy: RecoveryPolicy,
    handler: lambda_.Function,
    dead_letters: sqs.IQueue,
) -> None:
    """Create the schedules that start drills, within the window after each scheduled time: one for each kind of backup.

    That of point-in-time recovery is disabled without a schedule. Standing grants have a schedule, too, without a window:
    the points between two sets are covered by the earlier one for some hours only.

    The handler receives the scheduled time instead of the invocation time, because the drill is named after it.
    """
    role = iam.Role(
        scope,
        "DrillScheduleRole",
        role_name=global_name(physical_name("drill-schedule", environment), environment),
        assumed_by=own_account_service(Stack.of(scope), "scheduler"),
        inline_policies={
            "access": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[handler.function_arn]),
                    iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]),
                ]
            )
        },
    )
    drill_window = round(policy.drill_window.total_seconds() / 60)

    def create(
        construct_id: str,
        name: str,
        expression: str,
        what: str,
        request: Mapping[str, str | int],
        window: int = drill_window,
    ) -> None:
        scheduler.CfnSchedule(
            scope,
            construct_id,
            name=physical_name(name, environment),
            description=f"Starts the {what} ({environment.name})",
            state="ENABLED" if expression else "DISABLED",
            schedule_expression=expression or _DISABLED_EXPRESSION,
            schedule_expression_timezone="UTC",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
                mode="FLEXIBLE" if window else "OFF", maximum_window_in_minutes=window or None
            ),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=handler.function_arn,
                role_arn=role.role_arn,
                input=json.dumps({"scheduled": "<aws.scheduler.scheduled-time>", **request}, allow_nan=False),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_OTHERS_MAX_AGE.to_seconds(), maximum_retry_attempts=_RETRIES
                ),
            ),
        )

    point = {} if policy.drill_point is Selection.LATEST else {"select": policy.drill_point.value}
    create("DrillSchedule", "drill", policy.drill_schedule, "recovery drill", point)
    if policy.standing_grants and not environment.standby:
        # A service that waits for a failover issues nothing.
        what = "giving of standing grants, which drills of older points try"
        create("StandingGrants", STANDING, policy.standing_grants, what, {"keep": STANDING}, window=0)
    for kind, drill in policy.drills.items():
        what = f"recovery drill of kind {kind}"
        days = {"within_days": drill.within_days} if drill.within_days else {}
        request = {"from": kind.value, "select": drill.selection.value, **days}
        create(f"DrillSchedule{kind.title()}", f"drill-{kind}", drill.expression, what, request)


def create_trace_rule(
    scope: Construct,
    environment: Environment,
    function: lambda_.Function,
    dead_letters: sqs.IQueue,
    state_machines: Sequence[str],
) -> None:
    """Create the rule that has the trace of every ended execution exported.

    Args:
        scope: the stack.
        environment: the environment.
        function: exports a trace.
        dead_letters: the queue for events that could not be delivered.
        state_machines: ARNs of all state machines.
    """
    pattern: dict[str, Any] = {
        "source": ["aws.states"],
        "detail_type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": list(state_machines), "status": ["SUCCEEDED", *FAILED_STATUSES]},
    }
    name = "execution_ended"
    rule = events.Rule(
        scope,
        f"{title_of(name)}Rule",
        rule_name=_rule_name(name, environment),
        event_pattern=events.EventPattern(**pattern),
    )
    rule.add_target(_target(function, dead_letters, _OTHERS_MAX_AGE))


def _failed_executions(state_machines: Sequence[str]) -> Mapping[str, Any]:
    return {
        "source": ["aws.states"],
        "detail_type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": list(state_machines), "status": list(FAILED_STATUSES)},
    }


def _target(handler: lambda_.Function, dead_letters: sqs.IQueue, max_age: Duration) -> targets.LambdaFunction:
    return targets.LambdaFunction(
        handler, dead_letter_queue=dead_letters, max_event_age=max_age, retry_attempts=_RETRIES
    )


def _rule_name(rule: str, environment: Environment) -> str:
    return physical_name(f"event-{rule.replace('_', '-')}", environment)
