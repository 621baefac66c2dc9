"""Alarms for people: limits that come near, stores that turn work away, and latency that is unusual for the hour.

None of them undoes a deployment. What a release does to clients is judged by the service's own alarms and by verification;
these say that somebody should look before clients notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from stack_parts import name_of, with_runbook

_MINUTE, _HOUR = Duration.minutes(1), Duration.hours(1)
_TABLE_OPERATIONS = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem")
"""What is asked of tables; DynamoDB counts its own errors by operation."""


_HOURS_BETWEEN_BACKUPS = 36
"""One begins a day, within an hour, and has eight to end."""


@dataclass(frozen=True)
class _Limit:
    """One alarm: `datapoints` of the last `of` periods are above `above`.

    Attributes:
        section: of the runbook.
        silence: it rings the other way round: below `above`, or where nothing is said at all.
    """

    what: str
    section: str
    meaning: str
    metric: cloudwatch.IMetric
    above: float
    datapoints: int = 3
    of: int = 3
    silence: bool = False


def tables_of(environment: Environment) -> Mapping[str, str]:
    """Return the tables that are watched, by what they are for."""
    return {
        "state": environment.service.state_table,
        "tokens": environment.service.tokens_table,
        "keys": name_of("keys", environment),
        "ledger": name_of("ledger", environment),
    }


def limits(scope: Construct, environment: Environment, operators: sns.ITopic) -> list[str]:
    """Make the alarms on what is used up; return their names."""
    used = environment.monitoring.used_percent / 100
    found = [_near_throttle(environment, used), _near_concurrency(environment, used), _log_volume(environment)]
    found += [_near_timeout(environment, function, used) for function in environment.service.functions]
    found += [limit for what, table in tables_of(environment).items() for limit in _of_table(what, table)]
    found += [*_of_backups(environment), _untold(environment)]
    return [_alarm(scope, environment, operators, limit) for limit in found]


def unusual(scope: Construct, environment: Environment, operators: sns.ITopic) -> list[str]:
    """Make an alarm a function on latency above the band that CloudWatch learned for the hour and the day; return their names."""
    names = []
    for function in environment.service.functions:
        name = name_of(f"{function}-unusual-latency", environment)
        alarm = cloudwatch.AnomalyDetectionAlarm(
            scope,
            f"{function.title()}UnusualLatency",
            alarm_name=name,
            alarm_description=with_runbook("latency is above what is usual for this hour", "unusual-latency"),
            metric=_metric(
                "IbOauth", "Latency", {"environment": environment.name, "function": function}, "p90", _MINUTE
            ),
            std_devs=environment.monitoring.band_deviations,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_UPPER_THRESHOLD,
            evaluation_periods=10,
            datapoints_to_alarm=8,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(operators))
        names.append(name)
    return names


def _near_throttle(environment: Environment, used: float) -> _Limit:
    a_minute = environment.service.throttle_requests_per_second * 60
    dimensions = {"ApiName": name_of("api", environment), "Stage": environment.name}
    return _Limit(
        "api-near-throttle",
        "near-throttle",
        f"more than {used:.0%} of the requests that the stage lets through",
        _metric("AWS/ApiGateway", "Count", dimensions, "Sum", _MINUTE),
        a_minute * used,
    )


def _near_concurrency(environment: Environment, used: float) -> _Limit:
    return _Limit(
        "account-near-concurrency",
        "near-concurrency",
        f"more than {used:.0%} of the account's concurrent executions, those of other workloads included",
        _metric("AWS/Lambda", "ConcurrentExecutions", {}, "Maximum", _MINUTE),
        environment.monitoring.account_concurrent_executions * used,
    )


def _near_timeout(environment: Environment, function: str, used: float) -> _Limit:
    timeout_ms = environment.service.functions[function].timeout_seconds * 1000
    return _Limit(
        f"{function}-near-timeout",
        "near-timeout",
        f"the slowest invocations take more than {used:.0%} of the function's timeout",
        _metric("AWS/Lambda", "Duration", {"FunctionName": name_of(function, environment)}, "p99", _MINUTE),
        timeout_ms * used,
    )


def _of_table(what: str, table: str) -> list[_Limit]:
    throttled = cloudwatch.MathExpression(
        expression="FILL(reads, 0) + FILL(writes, 0)",
        label="throttled",
        using_metrics={
            "reads": _metric("AWS/DynamoDB", "ReadThrottleEvents", {"TableName": table}, "Sum", _MINUTE),
            "writes": _metric("AWS/DynamoDB", "WriteThrottleEvents", {"TableName": table}, "Sum", _MINUTE),
        },
        period=_MINUTE,
    )
    by_operation = {
        operation.lower(): _metric(
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
        _Limit(
            f"{what}-table-throttled",
            "table-throttled",
            f"DynamoDB turns reads or writes of {table} away",
            throttled,
            0,
            2,
            3,
        ),
        _Limit(
            f"{what}-table-errors", "table-errors", f"DynamoDB fails by itself at requests to {table}", errors, 0, 2, 3
        ),
    ]


def _log_volume(environment: Environment) -> _Limit:
    by_function = {
        function: _metric(
            "AWS/Logs", "IncomingBytes", {"LogGroupName": f"/aws/lambda/{name_of(function, environment)}"}, "Sum", _HOUR
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
    return _Limit(
        "log-volume",
        "log-volume",
        f"the functions log more than {megabytes} MB an hour",
        total,
        megabytes * 1_000_000,
        1,
        1,
    )


def _of_backups(environment: Environment) -> list[_Limit]:
    """Watch AWS Backup's own counts of the vault; a copy may be counted by the vault it leaves or by the one it goes to."""
    vaults = [name_of(what, environment) for what in ("backups", "backup-copies")]

    def counted(*metrics: tuple[str, str]) -> cloudwatch.MathExpression:
        using = {
            f"m{number}": _metric("AWS/Backup", metric, {"BackupVaultName": vault}, "Sum", _HOUR)
            for number, (metric, vault) in enumerate(metrics)
        }
        summed = " + ".join(f"FILL({name}, 0)" for name in using)
        return cloudwatch.MathExpression(expression=summed, label="jobs", using_metrics=using, period=_HOUR)

    ended_badly = [(f"NumberOfBackupJobs{how}", vaults[0]) for how in ("Failed", "Expired", "Aborted")]
    done = _metric("AWS/Backup", "NumberOfBackupJobsCompleted", {"BackupVaultName": vaults[0]}, "Sum", _HOUR)
    limits = [
        _Limit("backup-failed", "backup-failed", "a backup failed or ended too late", counted(*ended_badly), 0, 1, 1),
        _Limit(
            "no-backup",
            "no-backup",
            f"no backup was completed for {_HOURS_BETWEEN_BACKUPS} hours",
            done,
            1,
            _HOURS_BETWEEN_BACKUPS,
            _HOURS_BETWEEN_BACKUPS,
            silence=True,
        ),
    ]
    if environment.backups.copy_region:
        copies = counted(*(("NumberOfCopyJobsFailed", vault) for vault in vaults))
        limits.append(
            _Limit("copy-failed", "copy-failed", f"a copy to {environment.backups.copy_region} failed", copies, 0, 1, 1)
        )
    return limits


def _untold(environment: Environment) -> _Limit:
    return _Limit(
        "operators-untold",
        "operators-untold",
        "messages to operators could not be delivered to some of them",
        _metric(
            "AWS/SNS",
            "NumberOfNotificationsFailed",
            {"TopicName": name_of("operators", environment)},
            "Sum",
            Duration.minutes(5),
        ),
        0,
        1,
        1,
    )


def _metric(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, period: Duration
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dimensions, statistic=statistic, period=period
    )


def _alarm(scope: Construct, environment: Environment, operators: sns.ITopic, limit: _Limit) -> str:
    name = name_of(limit.what, environment)
    above, below = (
        (cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD, cloudwatch.TreatMissingData.NOT_BREACHING),
        (cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD, cloudwatch.TreatMissingData.BREACHING),
    )
    comparison, missing = below if limit.silence else above
    alarm = cloudwatch.Alarm(
        scope,
        f"{limit.what.title().replace('-', '')}Limit",
        alarm_name=name,
        alarm_description=with_runbook(limit.meaning, limit.section),
        metric=limit.metric,
        threshold=limit.above,
        comparison_operator=comparison,
        evaluation_periods=limit.of,
        datapoints_to_alarm=limit.datapoints,
        treat_missing_data=missing,
    )
    alarm.add_alarm_action(actions.SnsAction(operators))
    return name
