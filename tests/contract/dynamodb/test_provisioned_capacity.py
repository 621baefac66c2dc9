"""What requests consume, and what a provisioned table does when nothing is left."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.contract.tables import key, table

KB = 1024


def provisioned(cloud, reads=1, writes=100):
    units = {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}
    return table(cloud, recovery=False, BillingMode="PROVISIONED", ProvisionedThroughput=units)


def item(name, size):
    return {**key(name), "v": {"S": "x" * (size - len("pk") - len(name) - len("v"))}}


def consumed(response):
    return response["ConsumedCapacity"]["CapacityUnits"]


def throttled(call, **request):
    """The refusal that requests of a client without pauses meet."""

    def go_on():
        for _ in range(2000):
            call(**request)

    with pytest.raises(ClientError) as refused:
        go_on()
    return refused.value.response


def test_reads_consume_by_size_and_half_if_eventually_consistent(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    for number in range(8):
        client.put_item(TableName=name, Item=item(f"item {number}", 9 * KB))
    params = {"TableName": name, "ReturnConsumedCapacity": "TOTAL"}
    assert consumed(client.get_item(**params, Key=key("item 1"), ConsistentRead=True)) == 3
    assert consumed(client.get_item(**params, Key=key("item 1"))) == 1.5
    assert consumed(client.get_item(**params, Key=key("nothing"), ConsistentRead=True)) == 1
    assert consumed(client.scan(**params, ConsistentRead=True)) == 18
    assert consumed(client.scan(**params, Limit=4)) == 4.5
    filtered = {"FilterExpression": "pk = :k", "ExpressionAttributeValues": {":k": {"S": "item 1"}}}
    assert consumed(client.scan(**params, **filtered, ConsistentRead=True)) == 18
    keys = {name: {"Keys": [key("item 1"), key("nothing")], "ConsistentRead": True}}
    (batch,) = client.batch_get_item(RequestItems=keys, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert batch["CapacityUnits"] == 4


def test_a_table_without_units_left_throttles_until_it_has_some(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=2)
    client.put_item(TableName=name, Item=item("a", 4000))
    refused = throttled(client.get_item, TableName=name, Key=key("a"), ConsistentRead=True)
    assert refused["Error"]["Code"] == "ProvisionedThroughputExceededException"
    time.sleep(1.1)
    assert client.get_item(TableName=name, Key=key("a"), ConsistentRead=True)["Item"]


def test_what_was_not_used_is_a_burst(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=10)
    time.sleep(2)
    for _ in range(20):
        client.get_item(TableName=name, Key=key("a"), ConsistentRead=True)
    assert throttled(client.get_item, TableName=name, Key=key("a"), ConsistentRead=True)


def test_a_large_page_leaves_nothing_for_others(cloud):
    """This is why a recovery reads in small pages: one of a megabyte is 256 units."""
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=5, writes=10_000)
    for number in range(10):
        client.put_item(TableName=name, Item=item(f"item {number}", 100 * KB))
    client.scan(TableName=name, ConsistentRead=True)
    refused = throttled(client.get_item, TableName=name, Key=key("item 1"))
    assert refused["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_writes_consume_units_of_their_own(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=5, writes=1)
    refused = throttled(client.put_item, TableName=name, Item=item("a", 1000))
    assert refused["Error"]["Code"] == "ProvisionedThroughputExceededException"
    assert client.get_item(TableName=name, Key=key("a"))["Item"]


def test_a_batch_returns_what_it_has_no_capacity_for(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=3, writes=1000)
    for number in range(10):
        client.put_item(TableName=name, Item=key(str(number)))
    request_items = {name: {"Keys": [key(str(number)) for number in range(10)], "ConsistentRead": True}}
    got = client.batch_get_item(RequestItems=request_items)
    left = got["UnprocessedKeys"][name]["Keys"]
    assert 0 < len(got["Responses"][name]) < 10
    assert len(got["Responses"][name]) + len(left) == 10
    refused = throttled(client.batch_get_item, RequestItems=request_items)
    assert refused["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_a_batch_of_writes_does_too(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, reads=100, writes=3)
    writes = [{"PutRequest": {"Item": key(str(number))}} for number in range(10)]
    left = client.batch_write_item(RequestItems={name: writes})["UnprocessedItems"][name]
    assert len(client.scan(TableName=name)["Items"]) == 10 - len(left) < 10


def test_a_transaction_without_capacity_is_cancelled(cloud):
    client, name = cloud.client("dynamodb"), provisioned(cloud, writes=1)
    refused = throttled(client.transact_write_items, TransactItems=[{"Put": {"TableName": name, "Item": key("a")}}])
    assert refused["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in refused["CancellationReasons"]] == ["ProvisionedThroughputExceeded"]


@pytest.mark.both
def test_a_table_on_demand_does_not_throttle(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    for number in range(40):
        client.put_item(TableName=name, Item=key(str(number)))
        assert "ConsumedCapacity" not in client.get_item(TableName=name, Key=key(str(number)))
