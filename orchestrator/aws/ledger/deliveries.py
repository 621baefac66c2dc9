"""What was sent to each destination, in the ledger.

| pk                            | sk         | holds                                         |
|-------------------------------|------------|-----------------------------------------------|
| ``notification#{destination}``| dedup key  | the record, its version, and when it expires  |

Every write is conditional on the version that was read, so that two messages of one key never both claim it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.aws.clients import conditional_write
from orchestrator.aws.ledger.lock import LockedTable
from orchestrator.domain.notifications.delivery import DeliveryRecord

KEPT = timedelta(days=30)
"""Longer than a message can be in the queue and in the dead-letter queue."""


class DeliveryStore(LockedTable):
    """The records of deliveries. The environment's lock does not fence them.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def read_record(self, destination: str, key: str) -> DeliveryRecord:
        """Read the record of a dedup key at a destination, consistently; an empty one if there is none."""
        return self._read_or_new(_partition(destination), key, DeliveryRecord)

    def write_record(self, destination: str, key: str, record: DeliveryRecord, now: datetime) -> DeliveryRecord | None:
        """Write a record that was read, and return it as it is stored; None if another writer was faster.

        Args:
            destination: the destination's name.
            key: the dedup key.
            record: the record, with the version that was read.
            now: the current time.
        """
        expires_at = {"N": str(int((now + KEPT).timestamp()))}
        written, put = self._put_next(_partition(destination), key, record, expires_at=expires_at)
        return written if conditional_write(self._client.put_item, **put) is not None else None


def _partition(destination: str) -> str:
    return f"notification#{destination}"
