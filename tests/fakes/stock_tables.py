"""Tables as stock MiniStack restores them: its own code, in this process, without our patches. What a drill must not believe."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.services import dynamodb

from tests.fakes.errors import client_error
from tests.fakes.pages import Pages

TIMES = ("EarliestRestorableDateTime", "LatestRestorableDateTime")


class StockTables:
    """A DynamoDB client for whole tables. A table's window is open from the year 2000 until now: stock MiniStack knows no other.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.restored: list[tuple[str, str, datetime]] = []
        self.tables: set[str] = set()

    def add(self, name: str) -> None:
        """A table under point-in-time recovery."""
        if name in self._names():
            self.delete_table(TableName=name)
        self.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        recovery = {"PointInTimeRecoveryEnabled": True}
        self.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        self.tables.add(name)

    def copies(self) -> set[str]:
        """The copies that there are."""
        return {name for name in self._names() if name.startswith("ib-oauth-drill-")}

    def restore_table_to_point_in_time(self, *, RestoreDateTime: datetime, **params: Any) -> dict[str, Any]:  # noqa: N803
        self.restored.append((params["SourceTableName"], params["TargetTableName"], RestoreDateTime))
        return self._call("restore_table_to_point_in_time", {**params, "RestoreDateTime": RestoreDateTime.timestamp()})

    def describe_continuous_backups(self, **params: Any) -> dict[str, Any]:
        answer = self._call("describe_continuous_backups", params)
        found = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        found |= dict(zip(TIMES, (datetime(2000, 1, 1, tzinfo=UTC), self._now()), strict=True))
        return answer

    def describe_time_to_live(self, **params: Any) -> dict[str, Any]:
        return self._call("describe_ttl", params)

    def list_tags_of_resource(self, **params: Any) -> dict[str, Any]:
        return self._call("list_tags", params)

    def get_paginator(self, operation: str) -> Any:
        return Pages(getattr(self, operation))

    def __getattr__(self, operation: str) -> Any:
        return lambda **params: self._call(operation, params)

    def _names(self) -> list[str]:
        names: list[str] = self._call("list_tables", {})["TableNames"]
        return names

    def _call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        status, _, body = getattr(dynamodb, f"_{operation}")(json.loads(json.dumps(params)))
        answer: dict[str, Any] = json.loads(body)
        if status != 200:
            raise client_error(answer.pop("__type").rpartition("#")[2], answer.pop("message", ""))
        return answer
