"""The record of calls: who did what on which resource, and under which condition keys."""

import json

from tests.contract.iam.test_request_context import acting, denied, enforced, fenced, key, table  # noqa: F401 - a fixture


def calls_of(cloud, role: str) -> list[tuple[str, str, list[str] | None]]:
    calls = [json.loads(line) for line in cloud.local.calls.read_text().splitlines()]
    return [
        (one["action"], one["resource"].rpartition(":")[2], one["context"].get("dynamodb:LeadingKeys"))
        for one in calls
        if f":assumed-role/{role}/" in one["principal"]
    ]


def test_a_call_is_recorded_once_with_its_resource_and_its_keys_also_if_it_is_denied(enforced):  # noqa: F811
    name, role = table(enforced), enforced.name("role")
    client = acting(enforced, "dynamodb", fenced(name, "synthetic#*"), name=role)
    for _ in range(2):
        client.get_item(TableName=name, Key=key("synthetic#1"))
    denied(client.get_item, TableName=name, Key=key("person#1"))

    resource = f"table/{name}"
    assert calls_of(enforced, role) == [
        ("dynamodb:GetItem", resource, ["synthetic#1"]),
        ("dynamodb:GetItem", resource, ["person#1"]),
    ]


def test_the_rights_that_an_action_requires_in_addition_are_calls_of_their_own(enforced):  # noqa: F811
    name, role = table(enforced), enforced.name("role")
    wanted = {"PointInTimeRecoveryEnabled": True}
    enforced.client("dynamodb").update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)
    arn = enforced.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    anything = {"Action": ["dynamodb:*", "s3:*"], "Resource": "*"}
    client = acting(enforced, "dynamodb", anything, name=role)
    client.export_table_to_point_in_time(TableArn=arn, S3Bucket="anywhere", S3Prefix="here/")

    assert {(action, resource) for action, resource, _ in calls_of(enforced, role)} == {
        ("dynamodb:ExportTableToPointInTime", f"table/{name}"),
        *((f"s3:{one}", "anywhere/here/*") for one in ("AbortMultipartUpload", "PutObject", "PutObjectAcl")),
    }
