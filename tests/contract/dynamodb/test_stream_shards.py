"""How a stream is divided into shards, and what reading one returns."""

import pytest

from tests.contract.tables import key, table

RECORDS = 2400
"""Enough for several closed shards."""


@pytest.fixture(scope="module")
def stream(cloud):
    view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    name, client = table(cloud, recovery=False, StreamSpecification=view), cloud.client("dynamodb")
    for start in range(0, RECORDS, 25):
        puts = [
            {"PutRequest": {"Item": {**key(f"item {n % 100}"), "n": {"N": str(n)}}}} for n in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={name: puts})
    return client.describe_table(TableName=name)["Table"]["LatestStreamArn"]


def shards_of(cloud, stream):
    found, start = [], {}
    while True:
        page = cloud.client("dynamodbstreams").describe_stream(StreamArn=stream, Limit=2, **start)["StreamDescription"]
        found += page["Shards"]
        if "LastEvaluatedShardId" not in page:
            return found
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def is_closed(shard):
    return "EndingSequenceNumber" in shard["SequenceNumberRange"]


def responses(cloud, stream, shard, most=200):
    """The responses of a shard, to its end or until the last twenty had no records."""
    client = cloud.client("dynamodbstreams")
    params = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator, found = client.get_shard_iterator(**params)["ShardIterator"], []
    while iterator and len(found) < most and (len(found) < 20 or any(found[-20:])):
        page = client.get_records(ShardIterator=iterator)
        found.append(page["Records"])
        iterator = page.get("NextShardIterator")
    return found, iterator


def test_a_stream_has_several_shards_and_those_that_are_closed_have_children(cloud, stream):
    shards = shards_of(cloud, stream)
    assert sum(not is_closed(shard) for shard in shards) > 1
    closed = {shard["ShardId"] for shard in shards if is_closed(shard)}
    assert closed
    assert {shard["ParentShardId"] for shard in shards if "ParentShardId" in shard} == closed


def test_all_shards_together_have_every_record_once_and_those_of_a_key_in_order(cloud, stream):
    numbers = {}
    for shard in shards_of(cloud, stream):  # each after its parent
        for record in (one for page in responses(cloud, stream, shard)[0] for one in page):
            image = record["dynamodb"]["NewImage"]
            numbers.setdefault(image["pk"]["S"], []).append(int(image["n"]["N"]))
    assert sum(map(len, numbers.values())) == RECORDS
    assert all(found == sorted(found) for found in numbers.values())
    assert len(shards_of(cloud, stream)) > 2


def test_a_closed_shard_ends_without_an_iterator_after_empty_responses_in_its_middle(cloud, stream):
    closed = next(shard for shard in shards_of(cloud, stream) if is_closed(shard))
    pages, iterator = responses(cloud, stream, closed)
    assert iterator is None
    full = [number for number, page in enumerate(pages) if page]
    empty_before = [number for number, page in enumerate(pages) if not page and number < full[-1]]
    assert len(full) > 1
    assert len(empty_before) > 3
    assert any(number > full[0] for number in empty_before)


def test_an_open_shard_has_no_end(cloud, stream):
    is_open = [shard for shard in shards_of(cloud, stream) if not is_closed(shard)]
    assert len(is_open) > 1
    for shard in is_open:
        pages, iterator = responses(cloud, stream, shard)
        assert iterator
        assert pages[-1] == []
