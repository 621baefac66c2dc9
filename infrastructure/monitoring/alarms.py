"""Alarms that notify the operators: quotas close to their limit, throttles, dependencies, and latency anomalies.

None of them triggers a rollback. The service's own alarms and the canary analysis evaluate a release; these alarms
report capacity and dependency problems, which visitors and upstream identity providers can cause.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.alarms import SILENCE, Alarm, create_alarm, create_anomaly_alarm, metric
from infrastructure.naming import physical_name
from infrastructure.service.alarms import UPSTREAM_FUNCTION
from orchestrator.environments import Environment

SERVICE = "IbOauth"
_MINUTE, _HOUR = Duration.minutes(1), Duration.hours(1)
_MINUTES_NEAR_A_LIMIT = 3
_TABLE_OPERATIONS = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem")
"""The operations that the service uses; DynamoDB counts its own errors by operation."""

_HOURS_BETWEEN_BACKUPS = 36
"""A backup starts once a day, within one hour, and may take eight hours."""


def monitored_tables(environment: Environment) -> Mapping[str, str]:
    """Return the names of the monitored tables, by their short names."""
    return {
        "state": environment.service.state_table,
        "tokens": environment.service.tokens_table,
        "keys": physical_name("keys", environment),
        "ledger": physical_name("ledger", environment),
    }


def create_limit_alarms(scope: Construct, environment: Environment, operators: sns.ITopic) -> list[str]:
    """Create the alarms on quotas, tables, logs, backups and notifications; return their names."""
    used = environment.monitoring.used_percent / 100
    alarms = [_near_throttle(environment, used), _near_concurrency(environment, used), _log_volume(environment)]
    alarms += [_near_timeout(environment, function, used) for function in environment.service.functions]
    alarms += [_throttled(environment, function) for function in environment.service.functions]
    alarms.append(_upstream_errors(environment))
    alarms += [alarm for role, table in monitored_tables(environment).items() for alarm in _table_alarms(role, table)]
    alarms += [*_backup_alarms(environment), _notification_failures(environment)]
    return [create_alarm(scope, environment, alarm, operators) for alarm in alarms]


def create_latency_anomaly_alarms(scope: Construct, environment: Environment, operators: sns.ITopic) -> list[str]:
    """Create one alarm a function on latency above CloudWatch's anomaly detection band; return their names."""
    return [
        create_anomaly_alarm(
            scope,
            environment,
            Alarm(
                f"{function}-latency-anomaly",
                "latency-anomaly",
                "the function's p90 latency is above the band that is usual for this hour and weekday",
                metric(SERVICE, "Latency", {"environment": environment.name, "function": function}, "p90", _MINUTE),
                environment.monitoring.band_deviations,
                datapoints=8,
                least_periods=10,
                construct_id=f"{function.title()}UnusualLatency",
            ),
            operators,
        )
        for function in environment.service.functions
    ]


def _near_throttle(environment: Environment, used: float) -> Alarm:
    requests_per_minute = environment.service.throttle_requests_per_second * 60
    dimensions = {"ApiName": physical_name("api", environment), "Stage": environment.name}
    return Alarm(
        "api-throttle-near-limit",
        "api-throttle-near-limit",
        f"the API stage receives more than {used:.0%} of its request throttle",
        metric("AWS/ApiGateway", "Count", dimensions, "Sum", _MINUTE),
        requests_per_minute * used,
        _MINUTES_NEAR_A_LIMIT,
    )


def _near_concurrency(environment: Environment, used: float) -> Alarm:
    return Alarm(
        "account-concurrency-near-limit",
        "concurrency-near-limit",
        f"all Lambda functions of the account together use more than {used:.0%} of its concurrent executions",
        metric("AWS/Lambda", "ConcurrentExecutions", {}, "Maximum", _MINUTE),
        environment.monitoring.account_concurrent_executions * used,
        _MINUTES_NEAR_A_LIMIT,
    )


def _near_timeout(environment: Environment, function: str, used: float) -> Alarm:
    timeout_ms = environment.service.functions[function].timeout_seconds * 1000
    return Alarm(
        f"{function}-duration-near-timeout",
        "duration-near-timeout",
        f"the function's p99 duration is above {used:.0%} of its timeout",
        metric("AWS/Lambda", "Duration", {"FunctionName": physical_name(function, environment)}, "p99", _MINUTE),
        timeout_ms * used,
        _MINUTES_NEAR_A_LIMIT,
    )


def _throttled(environment: Environment, function: str) -> Alarm:
    dimensions = {"FunctionName": physical_name(function, environment)}
    settings = environment.service.alarms
    return Alarm(
        f"{function}-throttled",
        "throttles",
        f"Lambda throttles more than {settings.server_error_percent:g} % of the function's invocations",
        _percent(
            metric("AWS/Lambda", "Throttles", dimensions, "Sum", _MINUTE),
            # Lambda does not count a throttled request as an invocation.
            metric("AWS/Lambda", "Invocations", dimensions, "Sum", _MINUTE),
            settings.minimum_requests,
        ),
        settings.server_error_percent,
        2,
    )


def _upstream_errors(environment: Environment) -> Alarm:
    dimensions = {"environment": environment.name, "function": UPSTREAM_FUNCTION}
    settings = environment.service.alarms
    return Alarm(
        "upstream-errors",
        "upstream-errors",
        f"upstream identity providers fail more than {settings.server_error_percent:g} % of the requests to "
        f"{UPSTREAM_FUNCTION}",
        cloudwatch.MathExpression(
            expression=f"IF(whole >= {settings.minimum_requests}, 100 * FILL(part, 0) / whole, 0)",
            label="percent",
            using_metrics={
                "part": metric(SERVICE, "UpstreamErrors", dimensions, "Sum", _MINUTE),
                "whole": metric(SERVICE, "Requests", dimensions, "Sum", _MINUTE),
            },
            period=_MINUTE,
        ),
        settings.server_error_percent,
        2,
    )


def _percent(part: cloudwatch.Metric, others: cloudwatch.Metric, minimum: int) -> cloudwatch.MathExpression:
    """Return part / (part + others) in percent, 0 below a minimum of both."""
    counts = "(FILL(part, 0) + FILL(others, 0))"
    return cloudwatch.MathExpression(
        expression=f"IF({counts} >= {minimum}, 100 * FILL(part, 0) / {counts}, 0)",
        label="percent",
        using_metrics={"part": part, "others": others},
        period=_MINUTE,
    )


def _table_alarms(role: str, table: str) -> list[Alarm]:
    throttled = cloudwatch.MathExpression(
        expression="FILL(reads, 0) + FILL(writes, 0)",
        label="throttled",
        using_metrics={
            "reads": metric("AWS/DynamoDB", "ReadThrottleEvents", {"TableName": table}, "Sum", _MINUTE),
            "writes": metric("AWS/DynamoDB", "WriteThrottleEvents", {"TableName": table}, "Sum", _MINUTE),
        },
        period=_MINUTE,
    )
    by_operation = {
        operation.lower(): metric(
            "AWS/DynamoDB", "SystemErrors", {"TableName": table, "Operation": operation}, "Sum", _MINUTE
        )
        for operation in _TABLE_OPERATIONS
    }
    errors = cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({operation}, 0)" for operation in by_operation),
        label="errors",
        using_metrics=by_operation,
        period=_MINUTE,
    )
    return [
        Alarm(
            f"{role}-table-throttled",
            "table-throttled",
            f"DynamoDB throttles reads or writes of {table}",
            throttled,
            0,
            2,
        ),
        Alarm(
            f"{role}-table-errors",
            "table-errors",
            f"DynamoDB returns internal errors for requests to {table}",
            errors,
            0,
            2,
        ),
    ]


def _log_volume(environment: Environment) -> Alarm:
    by_function = {
        function: metric(
            "AWS/Logs",
            "IncomingBytes",
            {"LogGroupName": f"/aws/lambda/{physical_name(function, environment)}"},
            "Sum",
            _HOUR,
        )
        for function in environment.service.functions
    }
    total = cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({function}, 0)" for function in by_function),
        label="bytes",
        using_metrics=by_function,
        period=_HOUR,
    )
    megabytes = environment.monitoring.log_megabytes_per_hour
    return Alarm(
        "log-volume",
        "log-volume",
        f"the service's functions log more than {megabytes} MB an hour",
        total,
        megabytes * 1_000_000,
        1,
    )


def _backup_alarms(environment: Environment) -> list[Alarm]:
    """Return the alarms on AWS Backup's own metrics. A copy job may be counted by its source or by its target vault."""
    vaults = [physical_name(name, environment) for name in ("backups", "backup-copies")]

    def sum_of(*metrics: tuple[str, str]) -> cloudwatch.MathExpression:
        using_metrics = {
            f"m{number}": metric("AWS/Backup", jobs, {"BackupVaultName": vault}, "Sum", _HOUR)
            for number, (jobs, vault) in enumerate(metrics)
        }
        summed = " + ".join(f"FILL({name}, 0)" for name in using_metrics)
        return cloudwatch.MathExpression(expression=summed, label="jobs", using_metrics=using_metrics, period=_HOUR)

    failed = [(f"NumberOfBackupJobs{status}", vaults[0]) for status in ("Failed", "Expired", "Aborted")]
    completed = metric("AWS/Backup", "NumberOfBackupJobsCompleted", {"BackupVaultName": vaults[0]}, "Sum", _HOUR)
    alarms = [
        Alarm("backup-failed", "backup-failed", "a backup job failed, expired or was aborted", sum_of(*failed), 0, 1),
        Alarm(
            "backup-overdue",
            "backup-overdue",
            f"no backup completed in {_HOURS_BETWEEN_BACKUPS} hours",
            completed,
            1,
            _HOURS_BETWEEN_BACKUPS,
            below=True,
            missing=SILENCE,
        ),
    ]
    if environment.backups.copy_region:
        copies = sum_of(*(("NumberOfCopyJobsFailed", vault) for vault in vaults))
        alarms.append(
            Alarm(
                "backup-copy-failed",
                "backup-copy-failed",
                f"a copy of a backup to {environment.backups.copy_region} failed",
                copies,
                0,
                1,
            )
        )
    return alarms


def _notification_failures(environment: Environment) -> Alarm:
    return Alarm(
        "notification-delivery-failed",
        "notification-delivery-failed",
        "SNS could not deliver a message to at least one subscriber of the operators topic",
        metric(
            "AWS/SNS",
            "NumberOfNotificationsFailed",
            {"TopicName": physical_name("operators", environment)},
            "Sum",
            Duration.minutes(5),
        ),
        0,
        1,
    )
