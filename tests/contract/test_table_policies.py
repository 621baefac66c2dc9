"""What a table's resource policy denies."""

import json

import boto3
import pytest

from orchestrator.local.cloud import ACCOUNT, LocalCloud
from tests.contract.conftest import CloudUnderTest
from tests.contract.tables import content, described, key, restore, table
from tests.contract.test_point_in_time_recovery import put, refusal
from tests.contract.test_policy_context import acting
from tests.contract.waiting import eventually

WRITES = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"]


def close(cloud, name: str, *, actions=WRITES, principal: str | dict = "*") -> str:
    """Deny actions on a table; returns its ARN."""
    arn = described(cloud, name)["TableArn"]
    statement = {
        "Effect": "Deny",
        "Principal": principal,
        "Action": [f"dynamodb:{action}" for action in actions],
        "Resource": arn,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("dynamodb").put_resource_policy(ResourceArn=arn, Policy=document)
    return arn


def test_a_closed_table_takes_no_write_whatever_its_form_and_is_still_read(cloud):
    client, name, other = cloud.client("dynamodb"), table(cloud), table(cloud)
    put(client, name, "a", "x")
    close(cloud, name)

    item = {**key("b"), "v": {"S": "y"}}
    batch = {other: [{"PutRequest": {"Item": item}}], name: [{"PutRequest": {"Item": item}}]}
    items = [{"Put": {"TableName": other, "Item": item}}, {"Delete": {"TableName": name, "Key": key("a")}}]
    statement = f"INSERT INTO \"{name}\" VALUE {{'pk': 'b'}}"
    for call, arguments in (
        (client.put_item, {"TableName": name, "Item": item}),
        (client.put_item, {"TableName": described(cloud, name)["TableArn"], "Item": item}),
        (client.update_item, {"TableName": name, "Key": key("a")}),
        (client.delete_item, {"TableName": name, "Key": key("a")}),
        (client.batch_write_item, {"RequestItems": batch}),
        (client.transact_write_items, {"TransactItems": items}),
        (client.execute_statement, {"Statement": statement}),
        (client.execute_transaction, {"TransactStatements": [{"Statement": statement}]}),
    ):
        assert refusal(call, **arguments) == "AccessDeniedException", call
    assert content(cloud, name) == [{**key("a"), "v": {"S": "x"}}]
    assert content(cloud, other) == []


def test_a_denial_says_that_the_table_s_own_policy_denies(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    arn = close(cloud, name)
    with pytest.raises(client.exceptions.ClientError) as refused:
        put(client, name, "a", "x")
    message = refused.value.response["Error"]["Message"]
    assert "dynamodb:PutItem" in message
    assert f"{arn} with an explicit deny in a resource-based policy" in message


def test_a_table_that_is_opened_again_takes_writes(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    arn = close(cloud, name)
    assert refusal(client.put_item, TableName=name, Item=key("a")) == "AccessDeniedException"
    client.delete_resource_policy(ResourceArn=arn)
    put(client, name, "a", "x")


def test_a_denial_stops_whom_it_names_and_nobody_else(cloud):
    name = table(cloud)
    everything = {"Action": "*", "Resource": "*"}
    writer, other = (acting(cloud, "dynamodb", everything) for _ in range(2))
    close(cloud, name, principal={"AWS": role_of(cloud, writer)})

    assert refusal(writer.put_item, TableName=name, Item=key("a")) == "AccessDeniedException"
    other.put_item(TableName=name, Item=key("a"))


def role_of(cloud, client) -> str:
    """The ARN of the role that a client acts as."""
    acts = client._request_signer._credentials
    session = boto3.Session(acts.access_key, acts.secret_key, acts.token, region_name=cloud.region)
    arn = session.client("sts", endpoint_url=cloud.endpoint_url).get_caller_identity()["Arn"]
    return f"arn:aws:iam::{ACCOUNT}:role/{arn.split('/')[1]}"


def test_a_denial_holds_where_roles_are_held_to_their_policies(cloud):
    name = table(cloud)
    writer = acting(cloud, "dynamodb", {"Action": "dynamodb:*", "Resource": "*"})
    cloud.local.enforce_policies(True)
    try:
        writer.put_item(TableName=name, Item=key("a"))
        close(cloud, name)
        assert refusal(writer.put_item, TableName=name, Item=key("b")) == "AccessDeniedException"
    finally:
        cloud.local.enforce_policies(False)


def test_a_policy_goes_with_its_table_and_is_not_restored(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    close(cloud, name)
    restored = restore(cloud, name)
    put(client, restored, "a", "x")

    client.delete_table(TableName=name)
    settings = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "pk", "AttributeType": "S"}]
    client.create_table(TableName=name, AttributeDefinitions=attributes, **settings)
    arn = described(cloud, name)["TableArn"]
    assert refusal(client.get_resource_policy, ResourceArn=arn) == "PolicyNotFoundException"


def test_as_late_as_on_aws_a_denial_is_there_a_moment_later(tmp_path):
    with LocalCloud.start(tmp_path, profile="aws-timing", seed=7) as local:
        cloud = CloudUnderTest(local, mended=True)
        client, names = cloud.client("dynamodb"), [table(cloud, recovery=False) for _ in range(5)]

        def denied(name: str) -> bool:
            try:
                put(client, name, "a", "x")
            except client.exceptions.ClientError as refused:
                return refused.response["Error"]["Code"] == "AccessDeniedException"
            return False

        at_once = []
        for name in names:
            close(cloud, name)
            at_once.append(denied(name))
        assert not all(at_once)
        for name in names:
            eventually(lambda name=name: denied(name))
