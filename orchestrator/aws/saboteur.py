"""The saboteur: breaks copies of tables, never a source. A drill that stays green after it has proved nothing."""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import narrowed
from orchestrator.domain.recovery import Recovery, Sabotage, TableRecovery
from orchestrator.domain.recovery_plan import refuse_impossible_sabotage
from orchestrator.domain.sabotage import changed_byte, nothing_to_break


class Saboteur:
    """Sabotage.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def strike(self, recovery: Recovery, sabotage: Sabotage) -> str:
        """Break something of a recovery's copies; says what.

        Raises:
            Refused: there is nothing of the kind to break.
        """
        if sabotage is Sabotage.INDEX_GONE:
            return self._drop_index(recovery)
        for table in reversed(recovery.tables):  # tokens first: what matters most
            with narrowed():
                found = self._client.scan(TableName=table.target, Limit=1).get("Items")
            if found:
                return self._break(table, found[0], sabotage)
        raise nothing_to_break(sabotage)

    def _break(self, table: TableRecovery, item: dict[str, Any], sabotage: Sabotage) -> str:
        with narrowed():
            keys = [one["AttributeName"] for one in self._described(table)["KeySchema"]]
            if sabotage is Sabotage.MISSING_ROW:
                self._client.delete_item(TableName=table.target, Key={name: item[name] for name in keys})
                return f"one item of {table.target} is gone"
            self._client.put_item(TableName=table.target, Item=changed_byte(item, keys))
        return f"one byte of {table.target} is another"

    def _drop_index(self, recovery: Recovery) -> str:
        indexes = {
            index["IndexName"]: table.target
            for table in recovery.tables
            for index in self._described(table).get("GlobalSecondaryIndexes") or ()
        }
        refuse_impossible_sabotage(Sabotage.INDEX_GONE, indexes)
        name, table = next(iter(indexes.items()))
        with narrowed():
            self._client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        return f"index {name} of {table} is gone"

    def _described(self, table: TableRecovery) -> dict[str, Any]:
        with narrowed():
            found: dict[str, Any] = self._client.describe_table(TableName=table.target)["Table"]
        return found
