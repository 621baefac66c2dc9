"""The failover in the orchestrator's stack: variables, the role that restores copies, schedules and alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.alarms import SILENCE, Alarm, create_alarm, metric
from infrastructure.arns import state_machine_arn
from infrastructure.backups.roles import RESTORE_ROLE, create_backup_role
from infrastructure.naming import physical_name, title_of
from infrastructure.orchestrator.buckets import copies_bucket_name, home_evidence_bucket_name
from infrastructure.standby.functions import EVALUATE_FAILOVER, RECORD_HOME_RELEASE, RENEW_LEASE
from orchestrator.application.failover.metrics import LEASE_SECONDS_LEFT, STEPS_NOT_READY
from orchestrator.aws.cloudwatch.embedded_metrics import NAMESPACE
from orchestrator.environments import Environment

_SCHEDULES = {
    RENEW_LEASE: Duration.minutes(1),
    RECORD_HOME_RELEASE: Duration.minutes(1),
    EVALUATE_FAILOVER: Duration.days(1),
}
_RETRIES = 2
_MINUTE = Duration.minutes(1)
_SILENT_MINUTES = 3
"""So many minutes in a row without a renewal have to breach: two of them may be late."""
LEASE_MISSES = 3
"""So many renewals in a row may fail before the alarm fires, if the lease lasts longer."""
_LEAST_THRESHOLD_SECONDS = 30
"""The metric is never below 0, so a threshold must be above it, also where a lease lasts only two renewals."""


def hosts_failover(environment: Environment) -> bool:
    """Return whether these stacks are in the standby region, where the failover runs."""
    return environment.failover is not None and environment.failover.region == environment.region


def failover_handlers(environment: Environment) -> tuple[str, ...]:
    """Return the event handlers of the environment's region."""
    if environment.failover is None:
        return ()
    if not hosts_failover(environment):
        return (RENEW_LEASE,)
    return (RENEW_LEASE, RECORD_HOME_RELEASE, EVALUATE_FAILOVER)


def failover_variables(environment: Environment, restore_role: str) -> Mapping[str, str]:
    """Return the environment variables that only functions of a failover have."""
    assert environment.failover is not None, "the caller has asked"
    domain = environment.api.domain
    operators = len(environment.contacts["operators"]) + len(environment.notifications)
    return {
        "FAILOVER_POLICY": json.dumps(environment.failover.encode(), separators=(",", ":"), allow_nan=False),
        "HOME_REGION": environment.lost_region or environment.region,
        "RESTORE_ROLE": restore_role,
        "REVOCATIONS_TABLE": physical_name("revocations", environment),
        "API_DOMAIN": domain.name if domain else "",
        "HOSTED_ZONE_ID": (domain.hosted_zone_id or "") if domain else "",
        "OPERATORS": str(operators),
        "HOME_EVIDENCE_BUCKET": home_evidence_bucket_name(environment),
        "EVIDENCE_COPIES_BUCKET": copies_bucket_name(environment),
    }


def create_restore_role(scope: Construct, environment: Environment) -> iam.Role:
    """Create the role with which AWS Backup restores copied recovery points."""
    role = create_backup_role(scope, environment, "RestoreRole", RESTORE_ROLE)
    # AWS Backup creates tables, which the environment's boundary does not allow to its own roles.
    iam.PermissionsBoundary.of(role).clear()
    return role


def create_schedules(
    scope: Construct, environment: Environment, handlers: Mapping[str, lambda_.Function], dead_letters: sqs.IQueue
) -> None:
    """Create the schedules of the handlers."""
    for name, function in handlers.items():
        rule = events.Rule(
            scope,
            f"{title_of(name)}Rule",
            rule_name=physical_name(f"event-{name.replace('_', '-')}", environment),
            schedule=events.Schedule.rate(_SCHEDULES[name]),
        )
        rule.add_target(
            targets.LambdaFunction(
                function,
                dead_letter_queue=dead_letters,
                max_event_age=min(_SCHEDULES[name], Duration.hours(1), key=lambda age: age.to_seconds()),
                retry_attempts=_RETRIES,
            )
        )


def create_failover_alarms(scope: Construct, environment: Environment, operators: sns.ITopic) -> None:
    """Create the alarms of the lease, of the plan's evaluation and of the failover's executions."""
    assert environment.failover is not None, "the caller has asked"
    alarms = [_lease_alarm(environment, environment.failover.lease)]
    if hosts_failover(environment):
        alarms += [_plan_alarm(environment), *_execution_alarms(Stack.of(scope), environment)]
    for alarm in alarms:
        create_alarm(scope, environment, alarm, operators)


def _lease_alarm(environment: Environment, lease: timedelta) -> Alarm:
    metrics = {"environment": environment.name}
    alarm = Alarm(
        "issuing-lease",
        "issuing-lease",
        "the issuing lease is not renewed: when it ends, this region issues no tokens",
        metric(NAMESPACE, LEASE_SECONDS_LEFT, metrics, "Minimum", _MINUTE),
        lease_threshold_seconds(lease),
        datapoints=2,
        below=True,
    )
    if environment.standby:
        # The standby region has no lease, and emits nothing.
        return alarm
    return replace(alarm, datapoints=_SILENT_MINUTES, missing=SILENCE)


def _plan_alarm(environment: Environment) -> Alarm:
    metrics = {"environment": environment.name}
    return Alarm(
        "failover-plan",
        "failover-plan",
        "a failover could not run now; the notification names each step and its reason",
        metric(NAMESPACE, STEPS_NOT_READY, metrics, "Maximum", Duration.days(1)),
        0,
        missing=SILENCE,
    )


def _execution_alarms(stack: Stack, environment: Environment) -> list[Alarm]:
    machine = {"StateMachineArn": state_machine_arn(stack, environment, "failover")}
    return [
        Alarm(
            f"failover-{name.lower()}",
            "failover-stopped",
            f"a failover stopped ({name})",
            metric("AWS/States", name, machine, "Sum", _MINUTE),
            0,
            construct_id=f"Failover{name}Alarm",
        )
        for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    ]


def lease_threshold_seconds(lease: timedelta) -> float:
    """Return below how many seconds left of a lease the alarm fires: above 0, and below the lease."""
    return max(lease.total_seconds() - LEASE_MISSES * 60, _LEAST_THRESHOLD_SECONDS)
