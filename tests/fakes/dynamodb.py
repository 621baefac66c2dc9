"""DynamoDB as the ledger uses it: one table's items in memory, conditions, queries by key, transactions.

It knows the operators that the ledger uses and refuses every other. tests/unit/aws/ledger/test_deployments.py runs the same
tests over this and over moto, so that the two are known to agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from ministack.services._dynamodb_keywords import AWS_KEYWORDS

from orchestrator.domain.failover.back.history import kind_of_item
from tests.fakes.errors import client_error

Item = Mapping[str, Any]
Values = Mapping[str, Any]
_TOKEN = re.compile(r"\s*(\(|\)|,|<=|>=|<>|=|<|>|:\w+|\w+)")


class FakeDynamoDB:
    """A DynamoDB client over one table that is simply there.

    Attributes:
        page_size: the most items of a page of Scan.
    """

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.page_size = 1000

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803 - botocore's
        assert TableName, "a table has a name"
        assert ConsistentRead, "the ledger never reads what may be stale"
        found = self.items.get(_key(Key))
        return {"Item": deepcopy(found)} if found else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - botocore's
        ((table, request),) = RequestItems.items()
        keys = [_key(key) for key in request["Keys"]]
        assert 1 <= len(keys) <= 100, "BatchGetItem takes no more"
        assert len(set(keys)) == len(keys), "BatchGetItem takes each key once"
        assert request["ConsistentRead"], "the ledger never reads what may be stale"
        # In no order, as the service does.
        found = [deepcopy(self.items[key]) for key in sorted(keys) if key in self.items]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def put_item(self, **put: Any) -> dict[str, Any]:
        if not self._holds(put, _key(put["Item"])):
            raise client_error("ConditionalCheckFailedException", "The conditional request failed")
        self._put(put)
        return {}

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        writes = [next(iter(one.items())) for one in TransactItems]
        keys = [_key(write.get("Key") or write["Item"]) for _, write in writes]
        assert len(set(keys)) == len(keys), "AWS refuses two operations on one item in a transaction"
        held = [self._holds(write, key) for (_, write), key in zip(writes, keys, strict=True)]
        if not all(held):
            reasons = [{"Code": "None"} if holds else {"Code": "ConditionalCheckFailed"} for holds in held]
            raise client_error("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)
        for kind, write in writes:
            if kind == "Put":
                self._put(write)
            else:
                assert kind == "ConditionCheck", f"{kind} is not faked"
        return {}

    def query(self, **params: Any) -> dict[str, Any]:
        assert params["ConsistentRead"], "the ledger never reads what may be stale"
        values = params["ExpressionAttributeValues"]
        found = [
            deepcopy(self.items[key])
            for key in sorted(self.items, reverse=not params.get("ScanIndexForward", True))
            if holds(params["KeyConditionExpression"], self.items[key], values)
        ]
        return {"Items": found[: params.get("Limit", len(found))]}

    def scan(self, **params: Any) -> dict[str, Any]:
        assert params["ConsistentRead"], "the ledger never reads what may be stale"
        assert params.get("TotalSegments", 1) == 1, "segments are not faked"
        start = params.get("ExclusiveStartKey")
        # Partitions are in the order of their hashes; the items of one in the order of their sort keys.
        order = sorted(self.items, key=lambda key: (self.partition_order(key[0]), key))
        rest = order[order.index(_key(start)) + 1 :] if start else order
        page = [deepcopy(self.items[key]) for key in rest[: self.page_size]]
        more = {"LastEvaluatedKey": {name: page[-1][name] for name in ("pk", "sk")}} if len(page) < len(rest) else {}
        return {"Items": page, **more}

    def partition_order(self, pk: str) -> Any:
        """Where Scan reads a partition, compared with the others."""
        return hash(pk)

    def get_paginator(self, operation: str) -> Any:
        return _OnePage(getattr(self, operation))

    def _holds(self, write: Mapping[str, Any], key: tuple[str, str]) -> bool:
        condition = write.get("ConditionExpression")
        return not condition or holds(condition, self.items.get(key, {}), write.get("ExpressionAttributeValues", {}))

    def _put(self, put: Mapping[str, Any]) -> None:
        key = _key(put["Item"])
        known = "ledger" not in put["TableName"] or kind_of_item(*key)
        assert known, f"{key}: place this kind in LEDGER_KINDS (orchestrator/domain/failover/back/history.py)"
        self.items[_key(put["Item"])] = deepcopy(dict(put["Item"]))


class _OnePage:
    def __init__(self, operation: Any) -> None:
        self._operation = operation

    def paginate(self, *, PaginationConfig: Mapping[str, int] | None = None, **params: Any) -> list[Any]:  # noqa: N803
        limit = {"Limit": PaginationConfig["MaxItems"]} if PaginationConfig else {}
        return [self._operation(**params, **limit)]


def holds(condition: str, item: Item, values: Values) -> bool:
    """Whether a condition expression is true of an item, which is empty where there is none."""
    tokens = _tokens(condition)
    result, rest = _either(tokens, item, values)
    assert not rest, f"{condition} goes on after its end: {rest}"
    return result


def _tokens(condition: str) -> list[str]:
    reserved = {word for word in re.findall(r"(?<![:\w])[a-z]\w*", condition) if word.upper() in AWS_KEYWORDS}
    assert not reserved, f"DynamoDB refuses {reserved} in an expression: they are reserved words"
    found, at = [], 0
    while at < len(condition.rstrip()):
        match = _TOKEN.match(condition, at)
        assert match, f"{condition[at:]} is not faked"
        found.append(match[1])
        at = match.end()
    return found


def _either(tokens: list[str], item: Item, values: Values) -> tuple[bool, list[str]]:
    result, rest = _both(tokens, item, values)
    while rest and rest[0] == "OR":
        other, rest = _both(rest[1:], item, values)
        result = result or other
    return result, rest


def _both(tokens: list[str], item: Item, values: Values) -> tuple[bool, list[str]]:
    result, rest = _one(tokens, item, values)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:], item, values)
        result = result and other
    return result, rest


def _one(tokens: list[str], item: Item, values: Values) -> tuple[bool, list[str]]:
    match tokens:
        case ["(", *inner]:
            result, rest = _either(inner, item, values)
            assert rest[0] == ")", "a bracket is not closed"
            return result, rest[1:]
        case ["attribute_not_exists", "(", name, ")", *rest]:
            return name not in item, rest
        case ["begins_with", "(", name, ",", value, ")", *rest]:
            return name in item and str(item[name]["S"]).startswith(values[value]["S"]), rest
        case [name, "=", value, *rest] if value.startswith(":"):
            return item.get(name) == values[value], rest
        case [name, "BETWEEN", first, "AND", last, *rest]:
            return name in item and values[first]["S"] <= str(item[name]["S"]) <= values[last]["S"], rest
        case [name, ("<=" | ">=") as operator, value, *rest] if value.startswith(":"):
            return name in item and _compare(item[name], operator, values[value]), rest
    raise AssertionError(f"{' '.join(tokens)} is not faked")


def _compare(found: Mapping[str, str], operator: str, value: Mapping[str, str]) -> bool:
    """Numbers by their size, texts by their order; of two kinds, neither is the greater."""
    if found.keys() != value.keys():
        return False
    first, second = (int(one["N"]) if "N" in one else one["S"] for one in (found, value))
    lower, higher = (first, second) if operator == "<=" else (second, first)
    return lower <= higher  # type: ignore[operator]


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]
