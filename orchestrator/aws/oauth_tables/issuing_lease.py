"""The issuing lease of a region in the table of its key ring, which the service's functions read.

| attribute | content                                                                |
|-----------|------------------------------------------------------------------------|
| ``pk``    | ``issuing-lease``                                                      |
| ``epoch`` | of the assignment that granted it                                           |
| ``until`` | seconds since the epoch; 0 while the region never had a lease          |
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.domain.failover.issuing_region import IssuingLease

LEASE_KEY = "issuing-lease"
_KEY = {"pk": {"S": LEASE_KEY}}


class IssuingLeaseStore:
    """The lease of one region.

    Args:
        client: botocore's DynamoDB client.
        table: the key ring's table.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def read_lease(self) -> IssuingLease | None:
        """Read the lease, consistently; None if the region never had one."""
        with translate_errors():
            item = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item")
        if not item:
            return None
        return IssuingLease(int(item["epoch"]["N"]), datetime.fromtimestamp(float(item["until"]["N"]), UTC))

    def write_lease(self, lease: IssuingLease) -> bool:
        """Write a lease; return False if the one that is there lasts at least as long."""
        until = {"N": str(lease.until.timestamp())}
        item = {**_KEY, "epoch": {"N": str(lease.epoch)}, "until": until}
        written = conditional_write(
            self._client.put_item,
            TableName=self._table,
            Item=item,
            ConditionExpression="attribute_not_exists(pk) OR #until < :until",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues={":until": until},
        )
        return written is not None
