"""What a deployment to the local cloud sets on tables: what the template says, of those that are there."""

from __future__ import annotations

import pytest

from orchestrator.local.post_deploy import apply_table_settings

pytestmark = pytest.mark.both


def test_a_table_that_was_deleted_outside_the_stack_fails_no_deployment(cloud):
    client, gone, there = cloud.client("dynamodb"), cloud.name("gone"), cloud.name("there")
    client.create_table(
        TableName=there,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    expiry = {"AttributeName": "delete_at", "Enabled": True}
    tables = {
        name: {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": name,
                "TimeToLiveSpecification": expiry,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            },
        }
        for name in (gone, there)
    }
    apply_table_settings({"Resources": tables}, cloud.local.environ)
    assert client.describe_time_to_live(TableName=there)["TimeToLiveDescription"]["AttributeName"] == "delete_at"
    assert gone not in client.list_tables()["TableNames"]
