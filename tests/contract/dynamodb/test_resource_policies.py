"""What a table's resource policy denies."""

import json
import time

import boto3
import pytest
from botocore.credentials import Credentials

from orchestrator.aws.dynamodb.raw_client import TABLES, Account, DynamoDBError, RawDynamoDBClient
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.emulator.dynamodb.resource_policies import LONGEST_SECONDS
from tests.contract.conftest import CloudUnderTest
from tests.contract.dynamodb.test_point_in_time_recovery import put, refusal
from tests.contract.iam.test_request_context import acting
from tests.contract.tables import content, described, key, restore, table
from tests.contract.waiting import eventually

SPREAD_SECONDS = 1.5
SOON = LONGEST_SECONDS["instant"]
WRITES = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"]


def close(cloud, name: str, *, actions=WRITES, principal: str | dict = "*", wait_seconds: float = SOON) -> str:
    """Deny actions on a table, and wait until every host does; returns its ARN."""
    arn = described(cloud, name)["TableArn"]
    statement = {
        "Effect": "Deny",
        "Principal": principal,
        "Action": [f"dynamodb:{action}" for action in actions],
        "Resource": arn,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("dynamodb").put_resource_policy(ResourceArn=arn, Policy=document)
    time.sleep(wait_seconds)
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
    time.sleep(SOON)
    put(client, name, "a", "x")


def test_a_denial_stops_the_principal_that_it_names_and_no_other(cloud):
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


def connect(cloud) -> RawDynamoDBClient:
    """A connection of its own, without the time that it takes to make a client."""
    return RawDynamoDBClient(Account(cloud.endpoint_url, cloud.region, Credentials("test", "test")), TABLES)


def accepts(connection: RawDynamoDBClient, name: str) -> bool:
    """Whether a table accepts a write."""
    try:
        connection.call("PutItem", {"TableName": name, "Item": key("a")}, bytes)
    except DynamoDBError as refused:
        if refused.code != "AccessDeniedException":
            raise
        return False
    return True


def writes(cloud, name: str) -> bool:
    """Whether a write over a new connection is accepted."""
    connection = connect(cloud)
    try:
        return accepts(connection, name)
    finally:
        connection.close()


@pytest.fixture
def spread(request, tmp_path, cloud):
    """A cloud on which a policy takes seconds to reach the last host; on stock MiniStack there is none."""
    if not cloud.patched:
        yield cloud
        return
    with LocalCloud.start(tmp_path, seed=7, policy_seconds=SPREAD_SECONDS) as local:
        yield CloudUnderTest(local, patched=True)


def test_a_policy_reaches_hosts_one_by_one_and_a_connection_stays_with_one(spread):
    name = table(spread, recovery=False)
    close(spread, name, wait_seconds=0)
    kept, seen, ends = connect(spread), list[bool](), time.monotonic() + SPREAD_SECONDS
    kept_accepts = list[bool]()
    while time.monotonic() < ends:
        seen.append(writes(spread, name))
        kept_accepts.append(accepts(kept, name))
    first_denial, last_accepted = seen.index(False), len(seen) - 1 - seen[::-1].index(True)
    assert first_denial < last_accepted, "some hosts deny while others accept"
    assert kept_accepts == sorted(kept_accepts, reverse=True), "one host does not change its mind"
    assert not any(writes(spread, name) for _ in range(30))


def test_an_opened_table_still_denies_on_some_hosts(spread):
    name = table(spread, recovery=False)
    arn = close(spread, name, wait_seconds=SPREAD_SECONDS)
    spread.client("dynamodb").delete_resource_policy(ResourceArn=arn)
    seen = []
    eventually(lambda: seen.append(writes(spread, name)) or all([len(seen) >= 30, *seen[-30:]]), 10)
    assert not all(seen)


def test_the_policy_of_before_is_shown_for_a_while_and_a_revision_is_compared_with_the_newest(spread):
    client, name = spread.client("dynamodb"), table(spread, recovery=False)
    arn = described(spread, name)["TableArn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    shown: list[bool] = []
    for _ in range(5):
        put_policy = {"ResourceArn": arn, "Policy": document, "ExpectedRevisionId": "NO_POLICY"}
        revision = client.put_resource_policy(**put_policy)["RevisionId"]
        shown.append(is_shown(client, arn))
        assert refusal(client.put_resource_policy, **put_policy) == "PolicyNotFoundException"
        client.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=revision)
    assert not all(shown)
    eventually(lambda: not is_shown(client, arn))
    time.sleep(SPREAD_SECONDS)
    assert not is_shown(client, arn)


def is_shown(client, arn: str) -> bool:
    """Whether GetResourcePolicy returns a policy."""
    try:
        client.get_resource_policy(ResourceArn=arn)
    except client.exceptions.PolicyNotFoundException:
        return False
    return True
