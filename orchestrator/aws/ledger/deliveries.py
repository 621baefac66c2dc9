"""What was sent to each destination, in the ledger.

| pk                            | sk         | holds                                         |
|-------------------------------|------------|-----------------------------------------------|
| ``notification#{destination}``| dedup key  | the record, its version, and when it expires  |

Every write is conditional on the version that was read, so that two messages of one key never both claim it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.lock import unless_changed
from orchestrator.domain.notifications.delivery import DeliveryRecord

KEPT = timedelta(days=30)
"""Longer than a message can be in the queue and in the dead-letter queue."""


class DeliveryStore:
    """The records of deliveries.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def read_record(self, destination: str, key: str) -> DeliveryRecord:
        """Read the record of a dedup key at a destination, consistently; an empty one if there is none."""
        with translate_errors():
            item = self._client.get_item(TableName=self._table, Key=_key(destination, key), ConsistentRead=True).get(
                "Item"
            )
        return msgspec.json.decode(item["body"]["S"], type=DeliveryRecord) if item else DeliveryRecord()

    def write_record(self, destination: str, key: str, record: DeliveryRecord, now: datetime) -> DeliveryRecord | None:
        """Write a record that was read, and return it as it is stored; None if another writer was faster.

        Args:
            destination: the destination's name.
            key: the dedup key.
            record: the record, with the version that was read.
            now: the current time.
        """
        written = replace(record, version=record.version + 1)
        condition = unless_changed(record.version)
        item = {
            **_key(destination, key),
            "body": {"S": msgspec.json.encode(written).decode()},
            "record_version": {"N": str(written.version)},
            "expires_at": {"N": str(int((now + KEPT).timestamp()))},
        }
        response = conditional_write(self._client.put_item, TableName=self._table, Item=item, **condition)
        return None if response is None else written


def _key(destination: str, key: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"notification#{destination}"}, "sk": {"S": key}}
