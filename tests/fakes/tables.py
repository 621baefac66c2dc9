"""DynamoDB in this process: the local cloud's own code, called without its server.

So conditions and updates are judged by an evaluator that is not ours and that the tests of the local cloud know, and a call takes
a fraction of a millisecond. Every call is atomic as long as one thread at a time makes one, which a `Scheduler` sees to.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import dynamodb

from tests.fakes.errors import client_error

_OPERATIONS = {
    "batch_get_item": dynamodb._batch_get_item,
    "batch_write_item": dynamodb._batch_write_item,
    "create_table": dynamodb._create_table,
    "delete_item": dynamodb._delete_item,
    "delete_table": dynamodb._delete_table,
    "get_item": dynamodb._get_item,
    "put_item": dynamodb._put_item,
    "scan": dynamodb._scan,
    "transact_write_items": dynamodb._transact_write_items,
    "update_item": dynamodb._update_item,
}


class Tables:
    """A DynamoDB client. Attributes of octets are not known to it: JSON carries them as text.

    Args:
        names: the tables to begin with, made anew: empty, with the partition key `pk`.
        prefix: before every name in the evaluator, whose tables are all one process's.
    """

    def __init__(self, *names: str, prefix: str = "") -> None:
        self._prefix = prefix
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Make a table anew."""
        if dynamodb._describe_table({"TableName": self._prefix + name})[0] == 200:
            self.delete_table(TableName=name)
        self.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def __getattr__(self, name: str) -> Any:
        operation = _OPERATIONS[name]

        def call(**params: Any) -> dict[str, Any]:
            # Through JSON there and back, so that neither side holds on to what the other may change.
            status, _, body = operation(json.loads(json.dumps(self._named(params))))
            answer: dict[str, Any] = json.loads(body)
            if "Responses" in answer:
                answer["Responses"] = {
                    name.removeprefix(self._prefix): rows for name, rows in answer["Responses"].items()
                }
            if status != 200:
                code = answer.pop("__type").rpartition("#")[2]
                raise client_error(code, answer.pop("message", ""), **answer)
            return answer

        return call

    def _named(self, params: dict[str, Any]) -> dict[str, Any]:
        if not self._prefix:
            return params
        named = {**params}
        if "TableName" in named:
            named["TableName"] = self._prefix + named["TableName"]
        if "RequestItems" in named:
            named["RequestItems"] = {self._prefix + name: rows for name, rows in named["RequestItems"].items()}
        if "TransactItems" in named:
            named["TransactItems"] = [
                {kind: self._named(write) for kind, write in item.items()} for item in named["TransactItems"]
            ]
        return named
