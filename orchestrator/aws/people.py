"""The items of one person in the service's tables: found by reading the tables through, revoked, and deleted.

Attribute names are those of the service (service/items.py), which knows nothing of us; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.erasure import Counts, Subject
from orchestrator.domain.errors import Refused

CODE, FAMILY, REVOKED = "code#", "family#", "revoked#"
LOGGED_SECONDS, _KEEP_SECONDS = 40 * 24 * 3600, 24 * 3600
_PAGE_ITEMS = 1000
_CONDITION_FAILED = "ConditionalCheckFailedException"
_HIS = "#subject = :subject"


class People:
    """A person's items.

    Args:
        client: botocore's DynamoDB client.
        state_table: where codes are.
        tokens_table: where families are.
        revocations_table: the log of revocations, which no restore brings back.
        units_per_second: how much of the tables' capacity may be used, read and written.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        state_table: str,
        tokens_table: str,
        revocations_table: str,
        *,
        units_per_second: float,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._client = client
        self._state, self._tokens, self._revocations = state_table, tokens_table, revocations_table
        self._units_per_second, self._pause = units_per_second, pause

    def table_bytes(self) -> int:
        """How large both tables are, by DynamoDB's own count, which is up to six hours old.

        Raises:
            Refused: there is no such table.
            Throttled, Unreachable: DynamoDB does not answer.
        """
        return sum(self._bytes(table) for table in (self._state, self._tokens))

    def count(self, subject: Subject) -> Counts:
        """Count a person's items and change nothing.

        Raises:
            Throttled, Unreachable: DynamoDB does not answer.
        """
        codes = sum(1 for _ in self._keys(self._state, CODE, subject))
        return Counts(codes, sum(1 for _ in self._keys(self._tokens, FAMILY, subject)))

    def erase(self, subject: Subject, now: int) -> Counts:
        """Delete a person's items and return how many there were. now: epoch seconds.

        Codes go first: without its code nobody begins another family. A family is logged as revoked, revoked, and deleted, so
        that wherever this stops, nothing of what was reached lives on, nor after a restore. What is gone already is passed
        over: it can be repeated.

        Raises:
            Throttled, Unreachable: DynamoDB does not answer; what was erased by then stays so.
        """
        codes = sum(self._delete(self._state, key, subject) for key in self._keys(self._state, CODE, subject))
        families = 0
        for key in self._keys(self._tokens, FAMILY, subject):
            self._log(key, now)
            self._revoke(key, subject, now)
            families += self._delete(self._tokens, key, subject)
        return Counts(codes, families)

    def _bytes(self, table: str) -> int:
        with narrowed():
            try:
                return int(self._client.describe_table(TableName=table)["Table"].get("TableSizeBytes", 0))
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    raise Refused("service tables", table, "deploy the service stack first") from error
                raise

    def _keys(self, table: str, prefix: str, subject: Subject) -> Iterator[str]:
        """The keys of a person's items, page after page, consistently."""
        start: dict[str, Any] = {}
        while True:
            with narrowed():
                page = self._client.scan(
                    TableName=table,
                    ConsistentRead=True,
                    Limit=_PAGE_ITEMS,
                    FilterExpression=f"begins_with(pk, :prefix) AND {_HIS}",
                    ProjectionExpression="pk",
                    ExpressionAttributeNames={"#subject": "subject"},
                    ExpressionAttributeValues={":prefix": {"S": prefix}, ":subject": {"S": subject.text}},
                    ReturnConsumedCapacity="TOTAL",
                    **start,
                )
            yield from (item["pk"]["S"] for item in page.get("Items", ()))
            self._rest(page)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _log(self, key: str, now: int) -> None:
        """Write the revocation down where a restore does not reach; an entry that is there already stays."""
        self._change(
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

    def _revoke(self, key: str, subject: Subject, now: int) -> None:
        self._change(
            self._client.update_item,
            TableName=self._tokens,
            Key={"pk": {"S": key}},
            UpdateExpression=(
                "SET revoked_because = if_not_exists(revoked_because, :cause),"
                " revoked_at = if_not_exists(revoked_at, :now)"
            ),
            ConditionExpression=_HIS,
            ExpressionAttributeNames={"#subject": "subject"},
            ExpressionAttributeValues={
                ":cause": {"S": "request"},
                ":now": {"N": str(now)},
                ":subject": {"S": subject.text},
            },
        )

    def _delete(self, table: str, key: str, subject: Subject) -> bool:
        return self._change(
            self._client.delete_item,
            TableName=table,
            Key={"pk": {"S": key}},
            ConditionExpression=_HIS,
            ExpressionAttributeNames={"#subject": "subject"},
            ExpressionAttributeValues={":subject": {"S": subject.text}},
        )

    def _change(self, operation: Callable[..., Mapping[str, Any]], **arguments: Any) -> bool:
        """Make a conditional write. Returns whether its condition held."""
        with narrowed():
            try:
                answer = operation(**arguments, ReturnConsumedCapacity="TOTAL")
            except ClientError as error:
                if code_of(error) != _CONDITION_FAILED:
                    raise
                return False
        self._rest(answer)
        return True

    def _rest(self, answer: Mapping[str, Any]) -> None:
        """Wait for as long as what was consumed takes at our pace: clients come first."""
        units = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0))
        if units:
            self._pause(units / self._units_per_second)
