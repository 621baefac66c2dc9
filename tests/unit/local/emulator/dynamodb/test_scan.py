"""How much of a table is looked at for one page of it."""

import sys
import types

import pytest

from orchestrator.local.emulator.dynamodb import scan
from orchestrator.local.emulator.options import Options

SOURCE = '''
def _scan(data):
    """As MiniStack's: it walks what it finds, and answers through its module."""
    if data.get("Limit", 1) <= 0:
        return error_response(data)
    table = _tables.get(data["TableName"])
    items = [item for key in sorted(table["items"]) for item in table["items"][key].values()]
    walked.append(len(items))
    if "ExclusiveStartKey" in data:
        items = [item for item in items if item["pk"]["S"] > data["ExclusiveStartKey"]["pk"]["S"]]
    page = items[: data.get("Limit", page_items)]
    more = {"LastEvaluatedKey": page[-1]} if len(page) < len(items) or data.get("Limit") == len(page) else {}
    return json_response({"Items": page} | more)
'''
TABLE = 40_000


@pytest.fixture
def dynamodb(monkeypatch):
    module = types.ModuleType("stand_in_for_dynamodb")
    items = {f"{number:06}": {"__no_sort__": {"pk": {"S": f"{number:06}"}}} for number in range(TABLE)}
    vars(module).update(
        _tables={"t": {"pk_name": "pk", "items": items}},
        walked=[],
        page_items=8_000,
        json_response=lambda body: (200, {}, body),
        error_response=lambda data: (400, {}, data),
        _normalize_table_name=lambda name: name,
        _extract_key_val=lambda value: value["S"],
    )
    exec(SOURCE, vars(module))
    monkeypatch.setitem(sys.modules, "ministack.services.dynamodb", module)
    scan.install(Options())
    return module


def test_a_page_of_a_large_table_is_made_of_few_items_wherever_it_begins(dynamodb):
    first = dynamodb._scan({"TableName": "t"})[2]
    last = dynamodb._scan({"TableName": "t", "ExclusiveStartKey": {"pk": {"S": "031999"}}})[2]
    assert [item["pk"]["S"] for item in (first["Items"][0], last["Items"][0])] == ["000000", "032000"]
    assert "LastEvaluatedKey" in first
    assert "LastEvaluatedKey" not in last
    assert dynamodb.walked == [scan.PAGE_ITEMS, 8_001]


def test_a_page_that_holds_more_than_it_may_is_made_again_of_more(dynamodb):
    dynamodb.page_items = 30_000
    page = dynamodb._scan({"TableName": "t"})[2]
    assert len(page["Items"]) == 30_000
    assert dynamodb.walked == [10_000, 20_000, 40_000]


def test_a_page_of_a_segment_is_made_of_that_segment(dynamodb):
    read = [dynamodb._scan({"TableName": "t", "Segment": part, "TotalSegments": 8})[2] for part in range(8)]
    assert sum(dynamodb.walked) == sum(len(page["Items"]) for page in read) == TABLE


@pytest.mark.parametrize(
    "params",
    [
        {"IndexName": "by-client"},
        {"ExclusiveStartKey": {"other": {"S": "1"}, "pk": {"S": ""}}, "Segment": 3},
        {"Segment": 4, "TotalSegments": 4},
    ],
)
def test_what_is_not_a_plain_page_is_left_to_ministack_with_the_whole_table(dynamodb, params):
    dynamodb._scan({"TableName": "t", **params})
    assert dynamodb.walked == [TABLE]


def test_a_refusal_stays_a_refusal(dynamodb):
    assert dynamodb._scan({"TableName": "t", "Limit": 0})[0] == 400
    assert dynamodb.walked == []


def test_a_page_with_a_limit_is_made_of_no_more_items_than_it_may_hold(dynamodb):
    first = dynamodb._scan({"TableName": "t", "Limit": 100})[2]
    following = dynamodb._scan({"TableName": "t", "Limit": 100, "ExclusiveStartKey": {"pk": {"S": "000099"}}})[2]
    assert [item["pk"]["S"] for item in (first["Items"][-1], following["Items"][-1])] == ["000099", "000199"]
    assert dynamodb.walked == [101, 101]
