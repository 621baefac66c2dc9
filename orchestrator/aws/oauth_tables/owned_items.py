"""The codes and refresh token families of one owner, a user or a client: find them by full scans, and revoke them.

Attribute names are those of the service (service/storage/item_codec.py), which does not import the orchestrator; a
test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import sleep
from typing import Any, ClassVar

from orchestrator.aws.clients import conditional_write, read_pages
from orchestrator.aws.dynamodb.descriptions import describe_table
from orchestrator.domain.errors import Refused

CODE, FAMILY, REVOKED = "code#", "family#", "revoked#"
LOGGED_SECONDS, _KEEP_SECONDS = 40 * 24 * 3600, 24 * 3600
_PAGE_ITEMS = 1000
_OWNED = "#owner = :owner"


class OwnedItems:
    """The items of owners.

    Args:
        client: botocore's DynamoDB client.
        state_table: the table of authorization codes.
        tokens_table: the table of refresh token families.
        revocations_table: the revocation log, which no restore replaces.
        units_per_second: how many capacity units of the tables may be used, read and written.
        sleep: waits for some seconds.

    Attributes:
        OWNER: the attribute that names the owner.
    """

    OWNER: ClassVar[str]

    def __init__(
        self,
        client: Any,
        state_table: str,
        tokens_table: str,
        revocations_table: str,
        *,
        units_per_second: float,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._client = client
        self._state, self._tokens, self._revocations = state_table, tokens_table, revocations_table
        self._units_per_second, self._sleep = units_per_second, sleep
        # An item of up to 4 KB is a unit. So a page takes no more at once than a second may.
        self._page_items = max(1, min(_PAGE_ITEMS, int(units_per_second)))

    def table_bytes(self) -> int:
        """Return the size of both tables. It is DynamoDB's own count, which is up to six hours old.

        Raises:
            Refused: a table does not exist.
            Throttled, Unreachable: DynamoDB did not answer.
        """
        return sum(self._bytes(table) for table in (self._state, self._tokens))

    def _bytes(self, table: str) -> int:
        description = describe_table(self._client, table)
        if description is None:
            raise Refused("service tables", table, "deploy the service stack first")
        return int(description.get("TableSizeBytes", 0))

    def _keys(self, table: str, prefix: str, owner: str, also: str = "") -> Iterator[str]:
        """Yield the keys of an owner's items, page after page, consistently.

        Args:
            table: the table.
            prefix: of the keys.
            owner: the owner.
            also: a further condition on the items.
        """
        pages = read_pages(
            self._client,
            "scan",
            TableName=table,
            ConsistentRead=True,
            Limit=self._page_items,
            FilterExpression=f"begins_with(pk, :prefix) AND {_OWNED}{also}",
            ProjectionExpression="pk",
            ExpressionAttributeNames={"#owner": self.OWNER},
            ExpressionAttributeValues={":prefix": {"S": prefix}, ":owner": {"S": owner}},
            ReturnConsumedCapacity="TOTAL",
        )
        for page in pages:
            yield from (item["pk"]["S"] for item in page.get("Items", ()))
            self._pace(page)

    def _log_revocation(self, key: str, now: int) -> None:
        """Enter a revocation into the log, which no restore replaces; an existing entry stays."""
        self._write(
            self._client.put_item,
            TableName=self._revocations,
            Item={
                "pk": {"S": REVOKED + key.removeprefix(FAMILY)},
                "schema": {"N": "1"},
                "expires_at": {"N": str(now + LOGGED_SECONDS)},
                "delete_at": {"N": str(now + LOGGED_SECONDS + _KEEP_SECONDS)},
                "cause": {"S": "request"},
                "revoked_at": {"N": str(now)},
            },
            ConditionExpression="attribute_not_exists(pk)",
        )

    def _revoke(self, key: str, owner: str, now: int) -> bool:
        return self._write(
            self._client.update_item,
            TableName=self._tokens,
            Key={"pk": {"S": key}},
            UpdateExpression=(
                "SET revoked_because = if_not_exists(revoked_because, :cause),"
                " revoked_at = if_not_exists(revoked_at, :now)"
            ),
            ConditionExpression=_OWNED,
            ExpressionAttributeNames={"#owner": self.OWNER},
            ExpressionAttributeValues={
                ":cause": {"S": "request"},
                ":now": {"N": str(now)},
                ":owner": {"S": owner},
            },
        )

    def _delete(self, table: str, key: str, owner: str) -> bool:
        return self._write(
            self._client.delete_item,
            TableName=table,
            Key={"pk": {"S": key}},
            ConditionExpression=_OWNED,
            ExpressionAttributeNames={"#owner": self.OWNER},
            ExpressionAttributeValues={":owner": {"S": owner}},
        )

    def _write(self, operation: Callable[..., Mapping[str, Any]], **params: Any) -> bool:
        """Make a conditional write, and return whether its condition held."""
        response = conditional_write(operation, **params, ReturnConsumedCapacity="TOTAL")
        if response is None:
            return False
        self._pace(response)
        return True

    def _pace(self, response: Mapping[str, Any]) -> None:
        """Wait as long as the consumed capacity takes at our rate, so that clients keep theirs."""
        units = float(response.get("ConsumedCapacity", {}).get("CapacityUnits", 0))
        if units:
            self._sleep(units / self._units_per_second)
