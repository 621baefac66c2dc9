"""Tables under a customer managed key: permissions of callers, DynamoDB's grant, and keys that cannot be used.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
"""

import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import ACCOUNT
from tests.contract.iam.test_request_context import acting, enforced  # noqa: F401 - a fixture
from tests.contract.keys import customer_key, delete_later, disable, through
from tests.contract.tables import described, key, moment, restorable, restore, table

TABLE_RIGHTS = {"Action": "dynamodb:*", "Resource": "*"}
KEY_DENIED = "KMS key access denied error"


def encrypted(cloud, kms_key, **settings):
    spec = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": kms_key}
    return table(cloud, SSESpecification=spec, **settings)


def refused(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    return error.value.response["Error"]["Message"]


REQUESTS = {
    "GetItem": lambda name: ("get_item", {"TableName": name, "Key": key("a")}),
    "PutItem": lambda name: ("put_item", {"TableName": name, "Item": key("a")}),
    "Scan": lambda name: ("scan", {"TableName": name}),
    "BatchGetItem": lambda name: ("batch_get_item", {"RequestItems": {name: {"Keys": [key("a")]}}}),
    "TransactWriteItems": lambda name: (
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": name, "Item": key("a")}}]},
    ),
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_role_that_uses_items_needs_the_right_to_decrypt_through_dynamodb(enforced, operation):  # noqa: F811
    kms_key = customer_key(enforced)
    name = encrypted(enforced, kms_key, recovery=False)
    method, request = REQUESTS[operation](name)
    context = {"kms:EncryptionContext:aws:dynamodb:tableName": name}
    right = through(enforced, "dynamodb", kms_key, "Decrypt")
    right["Condition"]["StringEquals"] |= context
    allowed = acting(enforced, "dynamodb", TABLE_RIGHTS, right)
    wrong = acting(enforced, "dynamodb", TABLE_RIGHTS, through(enforced, "s3", kms_key, "Decrypt"))
    getattr(allowed, method)(**request)
    for client in (wrong, acting(enforced, "dynamodb", TABLE_RIGHTS)):
        message = refused(getattr(client, method), **request)
        assert KEY_DENIED in message
        assert "kms:Decrypt" in message


def test_the_key_policy_counts_for_table_access(enforced):  # noqa: F811
    name = enforced.name("role")
    fence = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt"}
    fence["Condition"] = {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}}
    kms_key = customer_key(enforced, fence)
    used, rights = encrypted(enforced, kms_key, recovery=False), (TABLE_RIGHTS, {"Action": "kms:*", "Resource": "*"})
    assert acting(enforced, "dynamodb", *rights).scan(TableName=used)["Items"] == []
    assert KEY_DENIED in refused(acting(enforced, "dynamodb", *rights, name=name).scan, TableName=used)


def test_a_stream_is_decrypted_with_the_readers_rights(enforced):  # noqa: F811
    kms_key = customer_key(enforced)
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    name = encrypted(enforced, kms_key, recovery=False, StreamSpecification=stream)
    arn, streams = described(enforced, name)["LatestStreamArn"], enforced.client("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    position = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**position)["ShardIterator"]
    reader = acting(enforced, "dynamodbstreams", TABLE_RIGHTS, through(enforced, "dynamodb", kms_key, "Decrypt"))
    assert "Records" in reader.get_records(ShardIterator=iterator)
    assert KEY_DENIED in refused(acting(enforced, "dynamodbstreams", TABLE_RIGHTS).get_records, ShardIterator=iterator)


@pytest.mark.parametrize("missing", ["CreateGrant", "DescribeKey"])
@pytest.mark.parametrize("restored", [False, True])
def test_a_role_that_encrypts_a_table_needs_the_right_to_create_grants(enforced, missing, restored):  # noqa: F811
    kms_key = customer_key(enforced)
    source = encrypted(enforced, kms_key)
    at = restorable(enforced, source, moment())

    def create(client):
        target = enforced.name("target")
        if restored:
            client.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=target, RestoreDateTime=at)
            return
        client.create_table(
            TableName=target,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": kms_key},
        )

    rights = {"CreateGrant", "DescribeKey"}
    create(acting(enforced, "dynamodb", TABLE_RIGHTS, through(enforced, "dynamodb", kms_key, *rights)))
    lacking = acting(enforced, "dynamodb", TABLE_RIGHTS, through(enforced, "dynamodb", kms_key, *(rights - {missing})))
    assert f"kms:{missing}" in refused(create, client=lacking)


def test_dynamodb_has_a_grant_for_its_table_until_the_table_is_deleted(cloud):
    kms, kms_key = cloud.client("kms"), customer_key(cloud)
    name = encrypted(cloud, kms_key)
    copy = restore(cloud, name)

    def granted():
        grants = kms.list_grants(KeyId=kms_key)["Grants"]
        assert {grant["GranteePrincipal"] for grant in grants} <= {f"dynamodb.{cloud.region}.amazonaws.com"}
        return {grant["Constraints"]["EncryptionContextSubset"]["aws:dynamodb:tableName"] for grant in grants}

    assert granted() == {name, copy}
    cloud.client("dynamodb").delete_table(TableName=copy)
    assert granted() == {name}


def test_a_table_names_its_key_by_arn(cloud):
    kms_key, alias = customer_key(cloud), f"alias/{cloud.name('alias')}"
    cloud.client("kms").create_alias(AliasName=alias, TargetKeyId=kms_key)
    assert described(cloud, encrypted(cloud, alias, recovery=False))["SSEDescription"]["KMSMasterKeyArn"] == kms_key


@pytest.mark.parametrize("close", [disable, delete_later])
def test_a_key_that_cannot_be_used_closes_its_table_and_opens_it_again(cloud, close):
    """Whether or not policies are enforced."""
    kms, client, kms_key = cloud.client("kms"), cloud.client("dynamodb"), customer_key(cloud)
    name = encrypted(cloud, kms_key, recovery=False)
    client.put_item(TableName=name, Item=key("a"))
    close(cloud, kms_key)
    assert kms_key in refused(client.get_item, TableName=name, Key=key("a"))
    assert kms_key in refused(client.put_item, TableName=name, Item=key("b"))
    shut = described(cloud, name)
    assert shut["TableStatus"] == "INACCESSIBLE_ENCRYPTION_CREDENTIALS"
    assert shut["SSEDescription"]["InaccessibleEncryptionDateTime"]
    if close is delete_later:
        kms.cancel_key_deletion(KeyId=kms_key)
    kms.enable_key(KeyId=kms_key)
    assert client.get_item(TableName=name, Key=key("a"))["Item"] == key("a")
    again = described(cloud, name)
    assert again["TableStatus"] == "ACTIVE"
    assert "InaccessibleEncryptionDateTime" not in again["SSEDescription"]
