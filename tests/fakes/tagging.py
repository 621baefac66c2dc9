"""The tagging API over tables as things to be restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.restorable_tables import RestorableTables


class FakeTagging:
    """A client of the tagging API.

    Args:
        tables: the tables that it finds by their tags.
    """

    def __init__(self, tables: RestorableTables) -> None:
        self._tables = tables

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_resources"
        return self

    def paginate(self, *, TagFilters: Sequence[dict[str, Any]], ResourceTypeFilters: Sequence[str]) -> list[Any]:  # noqa: N803
        assert "dynamodb:table" in ResourceTypeFilters
        (wanted,) = TagFilters
        found = [
            {
                "ResourceARN": table.description["TableArn"],
                "Tags": [{"Key": key, "Value": value} for key, value in table.tags.items()],
            }
            for table in self._tables.tables.values()
            if wanted["Key"] in table.tags
        ]
        return [{"ResourceTagMappingList": found}]
