"""Inject faults into restored tables, never into a source. A drill that succeeds in spite of a fault proves nothing."""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.recovery.fault_injection import Item, longest_lived, no_items_refusal, with_changed_byte
from orchestrator.domain.recovery.record import Fault, Recovery, TableRecovery
from orchestrator.domain.recovery.request import refuse_impossible_fault

EXAMINED_ITEMS = 100


class FaultInjector:
    """Injects faults.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def inject(self, recovery: Recovery, fault: Fault) -> str:
        """Inject a fault into a recovery's restored tables; return a description of it.

        Raises:
            Refused: the restored tables have nothing that this fault could change.
        """
        if fault is Fault.INDEX_GONE:
            return self._drop_index(recovery)
        for table in reversed(recovery.tables):  # the tokens table first: it matters most
            with translate_errors():
                items = self._client.scan(TableName=table.target, Limit=EXAMINED_ITEMS).get("Items")
            if items:
                return self._change_item(table, longest_lived(items), fault)
        raise no_items_refusal(fault)

    def _change_item(self, table: TableRecovery, item: Item, fault: Fault) -> str:
        with translate_errors():
            keys = [part["AttributeName"] for part in self._describe(table)["KeySchema"]]
            if fault is Fault.MISSING_ROW:
                self._client.delete_item(TableName=table.target, Key={name: item[name] for name in keys})
                return f"one item of {table.target} was deleted"
            self._client.put_item(TableName=table.target, Item=with_changed_byte(item, keys))
        return f"one byte of {table.target} was changed"

    def _drop_index(self, recovery: Recovery) -> str:
        indexes = {
            index["IndexName"]: table.target
            for table in recovery.tables
            for index in self._describe(table).get("GlobalSecondaryIndexes") or ()
        }
        refuse_impossible_fault(Fault.INDEX_GONE, indexes)
        name, table = next(iter(indexes.items()))
        with translate_errors():
            self._client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        return f"index {name} of {table} was deleted"

    def _describe(self, table: TableRecovery) -> dict[str, Any]:
        with translate_errors():
            description: dict[str, Any] = self._client.describe_table(TableName=table.target)["Table"]
        return description
