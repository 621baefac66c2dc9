"""Whichever way a table is read through, page after page: each item once, and in one order."""

import pytest

from tests.contract.tables import key, table

pytestmark = pytest.mark.both
"""That a page costs no more than it holds is another thing, which no response shows: tests/unit/local/emulator/dynamodb/test_scan.py."""

PARTITIONS, IN_EACH = 60, 3
SORTED = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
}


def pages(cloud, name, **params):
    start = {}
    while True:
        page = cloud.client("dynamodb").scan(TableName=name, **params, **start)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def names(read):
    return [(item["pk"]["S"], item.get("sk", {}).get("S", "")) for page in read for item in page["Items"]]


@pytest.fixture(scope="module")
def filled(cloud):
    name = table(cloud, recovery=False, **SORTED)
    client = cloud.client("dynamodb")
    for number in range(PARTITIONS):
        rows = [{**key(f"ключ-{number:03}"), "sk": {"S": f"{sort}"}, "n": {"N": f"{sort}"}} for sort in range(IN_EACH)]
        client.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": row}} for row in rows]})
    return name


@pytest.mark.parametrize("limit", [1, 2, 7, PARTITIONS * IN_EACH, 1000])
def test_pages_of_any_size_give_each_item_once(cloud, filled, limit):
    read = list(pages(cloud, filled, Limit=limit))
    assert names(read) == names(pages(cloud, filled))
    assert len(set(names(read))) == PARTITIONS * IN_EACH
    assert all(page["Count"] <= limit for page in read)


@pytest.mark.parametrize("segments", [1, 4, 100])
def test_segments_share_the_table_and_hold_whole_partitions(cloud, filled, segments):
    parts = [names(pages(cloud, filled, Segment=number, TotalSegments=segments, Limit=5)) for number in range(segments)]
    assert sorted(one for part in parts for one in part) == sorted(names(pages(cloud, filled)))
    assert sum(len({partition for partition, _ in part}) for part in parts) == PARTITIONS


def test_a_filter_leaves_items_out_and_counts_them_as_read(cloud, filled):
    params = {"FilterExpression": "n = :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    read = list(pages(cloud, filled, Limit=10, **params))
    assert [sort for _, sort in names(read)] == ["1"] * PARTITIONS
    assert sum(page["ScannedCount"] for page in read) == PARTITIONS * IN_EACH


def test_a_page_is_a_megabyte_of_large_items(cloud):
    name = table(cloud, recovery=False)
    client = cloud.client("dynamodb")
    for number in range(8):
        client.put_item(TableName=name, Item={**key(str(number)), "large": {"S": "x" * 300_000}})
    assert [page["Count"] for page in pages(cloud, name)] == [3, 3, 2]


def test_an_item_whose_attribute_is_named_like_the_end_of_a_page_ends_none(cloud):
    name = table(cloud, recovery=False)
    cloud.client("dynamodb").put_item(TableName=name, Item={**key("1"), "LastEvaluatedKey": {"S": "no"}})
    assert len(list(pages(cloud, name))) == 1
