"""The times of standing grants in the ledger, without their secrets (orchestrator/aws/ledger/seeded_grants.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.recovery.standing_grants.coverage import StandingGrants

STANDING = "standing-grants"
"""The partition key of all sets."""


class StandingGrantIndex:
    """Which sets of standing grants the ledger keeps.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's table.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def list_sets(self, begin: datetime, end: datetime, limit: int = 0) -> list[StandingGrants]:
        """Return the sets that were written in a time, both ends included, in their order.

        Args:
            begin: its beginning.
            end: its end.
            limit: the most sets to return; 0 for all.
        """
        if begin > end:
            return []  # DynamoDB refuses BETWEEN with such bounds
        params: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :begin AND :end",
            "ExpressionAttributeValues": {
                ":pk": {"S": STANDING},
                ":begin": {"S": set_key(begin)},
                ":end": {"S": set_key(end)},
            },
            "ProjectionExpression": "sk, changed_at",
            "ConsistentRead": True,
        }
        if limit:
            params["PaginationConfig"] = {"MaxItems": limit, "PageSize": limit}
        with translate_errors():
            pages = self._client.get_paginator("query").paginate(**params)
            items = [item for page in pages for item in page["Items"]]
        return [
            StandingGrants(
                datetime.fromisoformat(item["sk"]["S"]),
                datetime.fromisoformat(item["changed_at"]["S"]) if "changed_at" in item else None,
            )
            for item in items
        ]


def set_key(written_at: datetime) -> str:
    """Return the sort key of a set. Keys are in the order of their times, which are in UTC."""
    return written_at.astimezone(UTC).isoformat()
