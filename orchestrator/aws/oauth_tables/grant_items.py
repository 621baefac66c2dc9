"""The items of grants in a restored copy of the service's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.clients import translate_errors


class GrantItems:
    """Reads items of grants. client: botocore's DynamoDB client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_item(self, table: str, key: str) -> Mapping[str, Mapping[str, Any]] | None:
        """Read an item by its partition key, consistently; None if the table lacks it."""
        with translate_errors():
            answer = self._client.get_item(TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True)
        item: Mapping[str, Mapping[str, Any]] | None = answer.get("Item")
        return item
