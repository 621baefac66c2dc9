"""Step 5: drills on tables with provisioned capacity, under load, that no client may notice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from orchestrator.aws.dynamodb.batch import batch_write
from orchestrator.domain.names import DRILL_PREFIX
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from orchestrator.smoke.access import SmokeClient, load_of
from orchestrator.smoke.load import THROTTLED, Answer
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import World

UNITS = 20
ITEMS = {"account": 50_000, "local": 2000}


def run(world: World) -> Iterator[Fact]:
    """Yield the outcome of a drill by the stream and one with an export, clients' bad answers, and what is left."""
    tables = (world.environment.service.state_table, world.environment.service.tokens_table)
    for table in tables:
        _provision(world, table)
    with load_of(world, SmokeClient.of(world)) as load:
        for key, fills in (("small", False), ("large", True)):
            if fills:
                fill(world, tables[1], ITEMS["local" if world.environment.local else "account"])
            began = time.time()
            recovery = world.drill(f"smoke-{key}")
            yield _outcome(key, recovery)
            yield from answers_of(key, recovery)
            yield _clients(key, load.answers(began))
            yield _throttles(world, key, tables, began)
    yield _left(world)


def fill(world: World, table: str, items: int) -> None:
    """Write items that expire, at the rate that the table allows."""
    expires = str(round(time.time()) + 6 * 3600)
    filler = {"delete_at": {"N": expires}, "filler": {"S": "x" * 120}}
    batch_write(world.clients("dynamodb"), table, [{"pk": {"S": f"smoke#{n}"}, **filler} for n in range(items)])


def _provision(world: World, table: str) -> None:
    client = world.clients("dynamodb")
    summary = client.describe_table(TableName=table)["Table"].get("BillingModeSummary", {})
    if summary.get("BillingMode") != "PAY_PER_REQUEST":
        return
    units = {"ReadCapacityUnits": UNITS, "WriteCapacityUnits": UNITS}
    client.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units)
    client.get_waiter("table_exists").wait(TableName=table)
    if world.environment.local:
        return  # nothing scales there
    scaling = world.clients("application-autoscaling")
    for dimension, metric in (
        ("Read", "DynamoDBReadCapacityUtilization"),
        ("Write", "DynamoDBWriteCapacityUtilization"),
    ):
        target = {
            "ServiceNamespace": "dynamodb",
            "ResourceId": f"table/{table}",
            "ScalableDimension": f"dynamodb:table:{dimension}CapacityUnits",
        }
        scaling.register_scalable_target(**target, MinCapacity=UNITS, MaxCapacity=2 * UNITS)
        scaling.put_scaling_policy(
            **target,
            PolicyName="smoke",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            },
        )


def _outcome(key: str, recovery: Recovery) -> Fact:
    failed = [one.check for one in recovery.check_results if one.verdict.outcome == "FAIL"]
    seconds = {phase.name: round(phase.took.total_seconds(), 1) for phase in recovery.phases}
    verdict = Verdict.PASS if recovery.outcome is RecoveryOutcome.SUCCEEDED else Verdict.FAIL
    answer = f"the drill of the {key} tables: {recovery.outcome}, {recovery.reason or 'every check passed'}"
    return Fact("3", verdict, answer, {"failed_checks": failed, "seconds": seconds})


def answers_of(key: str, recovery: Recovery) -> Iterator[Fact]:
    """Yield what a drill's own checks answer: of the contents, the settings, the tokens, and the export."""
    checks = {result.check: result for result in recovery.check_results}

    def fact(row: str, prefix: str, meaning: str) -> Fact:
        found = {name: result.verdict for name, result in checks.items() if name.startswith(prefix)}
        bad = [f"{name}: {verdict.reason}" for name, verdict in found.items() if verdict.outcome is not Outcome.PASS]
        answer = f"the drill of the {key} tables: {meaning}" if found and not bad else "; ".join(bad) or "not reached"
        return Fact(row, Verdict.FAIL if bad or not found else Verdict.PASS, answer, {"checks": sorted(found)})

    exported = [table.source for table in recovery.tables if table.exported_at]
    if exported:
        yield Fact("4", Verdict.PASS, f"exports were written and read: {', '.join(exported)}")
    elif any(table.by_export for table in recovery.tables):
        yield Fact("4", Verdict.FAIL, "an export was planned and is not complete")
    else:
        # DescribeTable reports sizes that are up to six hours old.
        yield Fact("4", Verdict.MEASURED, f"the drill of the {key} tables needed no export, by the sizes that it read")
        yield fact("15", "content.", "the contents were compared by the stream")
    yield fact("20", "settings.", "every setting is as the source's, capacity and scaling included")
    yield fact(
        "26", "settings.", "UpdateTable of tables under customer managed keys succeeded without a right on the key"
    )
    yield fact("3b", "tokens.safe", "all families were sanitized in time")


def _clients(key: str, answers: Sequence[Answer]) -> Fact:
    bad = sum(answer.bad for answer in answers)
    throttled = sum(answer.status == THROTTLED for answer in answers)
    return Fact(
        "3",
        Verdict.FAIL if bad or not answers else Verdict.PASS,
        f"{bad} of {len(answers)} requests of clients failed during the drill of the {key} tables",
        {"requests": len(answers), "bad": bad, "throttled": throttled},
    )


def _throttles(world: World, key: str, tables: Sequence[str], began: float) -> Fact:
    found = {}
    for table in tables:
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            answer = world.clients("cloudwatch").get_metric_statistics(
                Namespace="AWS/DynamoDB",
                MetricName=metric,
                Dimensions=[{"Name": "TableName", "Value": table}],
                StartTime=datetime.fromtimestamp(began, UTC),
                EndTime=datetime.now(UTC),
                Period=60,
                Statistics=["Sum"],
            )
            found[f"{table} {metric}"] = sum(point["Sum"] for point in answer["Datapoints"])
    events = sum(found.values())
    return Fact(
        "3",
        Verdict.PASS if events == 0 else Verdict.FAIL,
        f"DynamoDB throttled {events:g} requests to the tables in use during the drill of the {key} tables",
        found,
    )


def _left(world: World) -> Fact:
    """Tables, functions, scaling targets and their alarms that drills left."""
    tables = [
        name
        for page in world.clients("dynamodb").get_paginator("list_tables").paginate()
        for name in page["TableNames"]
        if name.startswith(DRILL_PREFIX)
    ]
    left = [f"table {name}" for name in tables]
    if not world.environment.local:
        alarms = world.clients("cloudwatch").get_paginator("describe_alarms")
        for page in alarms.paginate(AlarmNamePrefix=f"TargetTracking-table/{DRILL_PREFIX}"):
            left += [f"alarm {alarm['AlarmName']}" for alarm in page["MetricAlarms"]]
        targets = world.clients("application-autoscaling").get_paginator("describe_scalable_targets")
        for page in targets.paginate(ServiceNamespace="dynamodb"):
            found = [one["ResourceId"] for one in page["ScalableTargets"]]
            left += [f"target {name}" for name in found if name.startswith(f"table/{DRILL_PREFIX}")]
    return Fact("5", Verdict.FAIL if left else Verdict.PASS, f"drills left {len(left)} resources", {"left": left})
