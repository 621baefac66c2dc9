"""What a restore lost, measured by heartbeats: within a second of the truth, on a cloud whose restores are honest."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from orchestrator.aws.ledger.heartbeats import HeartbeatStore
from orchestrator.domain.recovery.heartbeats import data_loss_of, judge_heartbeats
from orchestrator.domain.verdict import Outcome

SECOND = timedelta(seconds=1)
SILENT = {3, 4}
"""Seconds of the story in which nothing is written: a gap."""


def make_table(client, table, *keys):
    kinds = {"S": "HASH", "N": "RANGE"}
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": name, "KeyType": kinds[kind]} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return table


def test_the_measured_loss_is_within_a_second_of_the_truth_and_gaps_are_listed(cloud):
    client = cloud.client("dynamodb")
    guarded = make_table(client, cloud.name("guarded"), ("pk", "S"))
    heartbeats = HeartbeatStore(
        client, make_table(client, cloud.name("receipts"), ("monitored_table", "S"), ("second", "N"))
    )
    client.update_continuous_backups(
        TableName=guarded, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    began = int(time.time()) + 1
    written = []
    for number in range(12):
        time.sleep(max(0.0, began + number - time.time()))
        # On a busy machine a write may come late, and has no receipt then: that is a gap as well.
        if number not in SILENT and heartbeats.write_heartbeat(guarded, began + number, lambda: datetime.now(UTC)):
            written.append(began + number)
    point, moment = datetime.fromtimestamp(began + 8, UTC), datetime.now(UTC)
    copy = cloud.name("copy")
    client.restore_table_to_point_in_time(SourceTableName=guarded, TargetTableName=copy, RestoreDateTime=point)
    client.get_waiter("table_exists").wait(TableName=copy, WaiterConfig={"Delay": 1})

    acknowledged = heartbeats.read_acknowledged(guarded, point - timedelta(minutes=15))
    found = data_loss_of(acknowledged, heartbeats.read_rows(copy), point, moment)

    assert acknowledged == set(written)
    assert judge_heartbeats("tokens", found, acknowledged).outcome is Outcome.PASS, found
    assert found.data_loss is not None
    assert found.certain_to is not None
    assert timedelta(0) <= found.data_loss - (moment - point) <= max(SECOND, found.certain_to)
    assert any(first <= began + 3 and began + 4 <= last for first, last in found.missed)
