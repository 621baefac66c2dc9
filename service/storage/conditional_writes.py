"""Conditional writes to the service's tables: one for each decision, consistent reads, no cache.

If the response to a conditional write is lost, botocore sends the write again, and it fails because of its own
success. Every deciding write therefore stores the request's nonce. The item is returned when the condition fails, and
the request that finds its own nonce has succeeded. If no response arrives at all, the item is read again, with the
same result.

DynamoDB refuses a write to an item that a transaction is writing, and cancels a transaction whose items are being
written. Any visitor can bring this about by two requests for one login at once, so it is no failure: the write is
repeated after a pause, unless the other one has decided.

A failback closes the tables for a moment: the item of the epoch says from when until when nothing is written. A write
knows it as of at most `CLOSING_READ_SECONDS` before, so a closing that is announced earlier is seen by all processes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from time import sleep, time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from botocore.exceptions import ClientError

from service.aws_errors import TranslatedErrors, code_of
from service.storage import item_codec
from service.storage.item_schema import ItemSchemaUnknown, check_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from service.storage.item_codec import Item

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
_RESERVED: Final = {"#session": "session"}
"""Attributes whose names an expression may not contain (developer guide: reserved words in DynamoDB)."""
CONFLICT: Final = "TransactionConflictException"
_CONFLICT_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Pauses after conflicts with another write of the same item, which takes some milliseconds. Then the write fails."""

CLOSING_READ_SECONDS: Final = 2.0
"""How long before a write the item of the epoch was read, at most."""

Current = TypeVar("Current")


class StoreUnavailable(Exception):
    """A table did not respond, or rejected the request. Whether a write took effect is not known."""


STORE_ERRORS: Final = TranslatedErrors(StoreUnavailable, ItemSchemaUnknown)
"""Raises StoreUnavailable for the errors of a table's call and for an item that cannot be read."""


@dataclass(frozen=True)
class Lost(Generic[Current]):
    """Another request's write came first. current: the item as that write left it; None if there is none."""

    current: Current | None


class Answer(Enum):
    """Which request responds with the tokens of a redemption or rotation; REPLACED if it is no longer the latest."""

    OURS = auto()
    ANOTHERS = auto()
    REPLACED = auto()


class ConditionalStore:
    """The state table and the tokens table, with the revocation epoch that the latter has.

    Tables with an epoch below `least_epoch` are not served. Every method may raise StoreUnavailable. sleep(s) waits for s
    seconds; clock: epoch seconds.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        state_table: str,
        tokens_table: str,
        *,
        least_epoch: int = 0,
        sleep: Callable[[float], None] = sleep,
        clock: Callable[[], float] = time,
    ) -> None:
        self._client = client
        self._sleep, self._clock = sleep, clock
        self._closing, self._closing_read_at = (0.0, 0.0), -float("inf")
        self._state = state_table
        self._tokens = tokens_table
        self._least_epoch = least_epoch

    def revocation_epoch(self) -> int:
        """Return the revocation epoch: everything issued in a lower one is invalid."""
        requested_at = self._clock()
        item = self._get(self._tokens, {"pk": item_codec.string_attribute(item_codec.EPOCH_KEY)})
        return self._checked_epoch(item, requested_at)

    def _get(self, table: str, key: Item) -> Mapping[str, Any] | None:
        with STORE_ERRORS:
            return check_readable(self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item"))

    def _with_epoch(self, table: str, key: Item) -> tuple[Mapping[str, Any] | None, int]:
        epoch_key = {"pk": item_codec.string_attribute(item_codec.EPOCH_KEY)}
        requests: dict[str, Any] = {self._tokens: {"Keys": [epoch_key], "ConsistentRead": True}}
        requests.setdefault(table, {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        requested_at = self._clock()
        with STORE_ERRORS:
            response = self._client.batch_get_item(RequestItems=requests)
            if response.get("UnprocessedKeys"):
                raise StoreUnavailable("UnprocessedKeys")
            items = {(name, item["pk"]["S"]): item for name, rows in response["Responses"].items() for item in rows}
            epoch = self._checked_epoch(check_readable(items.get((self._tokens, item_codec.EPOCH_KEY))), requested_at)
            return check_readable(items.get((table, key["pk"]["S"]))), epoch

    def _checked_epoch(self, item: Mapping[str, Any] | None, requested_at: float) -> int:
        """Return the epoch in its item, and note the closing that it has.

        requested_at: when the item was requested. Raises StoreUnavailable for restored tables that have not been sanitized.
        """
        epoch = item_codec.decode_epoch(item)
        self._closing, self._closing_read_at = item_codec.decode_closing(item), requested_at
        if epoch < self._least_epoch:
            raise StoreUnavailable(
                f"the tables have the revocation epoch {epoch}, below {self._least_epoch}: they are not sanitized"
            )
        return epoch

    def _require_open(self) -> None:
        """Raise StoreUnavailable while the tables are closed to writes."""
        if self._clock() - self._closing_read_at >= CLOSING_READ_SECONDS:
            self.revocation_epoch()
        closes_at, opens_at = self._closing
        if closes_at <= self._clock() < opens_at:
            raise StoreUnavailable("the tables take no writes for a moment, because the service moves to others")

    def _transact(self, writes: list[Any], nonce: str) -> bool:
        """Make all writes or none; they are repeated if another write of an item conflicts. Return whether they were made.

        The nonce identifies the transaction, so that a repetition makes it once.
        """
        self._require_open()
        pauses = iter(_CONFLICT_PAUSES_SECONDS)
        with STORE_ERRORS:
            while True:
                try:
                    self._client.transact_write_items(TransactItems=writes, ClientRequestToken=nonce)
                except ClientError as error:
                    response: Any = error.response
                    reasons = {reason.get("Code") for reason in response.get("CancellationReasons", [])}
                    if "ConditionalCheckFailed" in reasons:
                        return False
                    pause = next(pauses, None) if "TransactionConflict" in reasons else None
                    if pause is None:
                        raise
                    self._sleep(pause)
                else:
                    return True

    def _attempt(
        self, table: str, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> Lost[Mapping[str, Any]] | None:
        """Write if the condition holds. Return None if it did, otherwise the item as it is now.

        The write is repeated if it conflicts with a transaction.
        """
        self._require_open()
        pauses = iter(_CONFLICT_PAUSES_SECONDS)
        names: Any = {"ExpressionAttributeNames": _RESERVED} if "#session" in expression else {}
        with STORE_ERRORS:
            while True:
                try:
                    self._client.update_item(
                        TableName=table,
                        Key=key,
                        UpdateExpression=expression,
                        ConditionExpression=condition,
                        ExpressionAttributeValues=values,
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                        **names,
                    )
                except ClientError as error:
                    if code_of(error) == CONDITION_FAILED:
                        item: Any = error.response.get("Item")
                        return Lost(check_readable(item or None))
                    pause = next(pauses, None) if code_of(error) == CONFLICT else None
                    if pause is None:
                        raise
                    self._sleep(pause)
                else:
                    return None

    def _decide(
        self,
        table: str,
        key: Item,
        expression: str,
        condition: str,
        values: Mapping[str, Any],
        winner: str,
        read: Callable[[Mapping[str, Any]], Current],
    ) -> Lost[Current] | None:
        """Write once, if the condition holds. winner: the attribute with the nonce of the request that wrote.

        Return None if this request wrote, even by an earlier sending of the same write; otherwise the decoded item as
        it is now.
        """
        try:
            lost = self._attempt(table, key, expression, condition, values)
        except StoreUnavailable:
            # No error says that nothing was written: it may be that of a second sending, after a lost response.
            with suppress(StoreUnavailable):
                item = self._read_again(table, key)
                if item is not None and item.get(winner) == values[":nonce"]:
                    return None
            raise
        if lost is None:
            return None
        item = lost.current
        if item is not None and item.get(winner) == values[":nonce"]:
            return None
        return Lost(None if item is None else read(item))

    def _answer(self, table: str, key: Item, winner: str, decided: str, nonce: str) -> Answer:
        """Remove `unanswered`, if it is that of the decision with the nonce `decided`. Return which request did."""
        values = {":decided": item_codec.string_attribute(decided), ":nonce": item_codec.string_attribute(nonce)}
        condition = f"{winner} = :decided AND attribute_exists(unanswered)"
        try:
            lost = self._attempt(table, key, "SET answered_by = :nonce REMOVE unanswered", condition, values)
            if lost is None:
                return Answer.OURS
            item = lost.current
        except StoreUnavailable:
            try:
                item = self._read_again(table, key)
            except StoreUnavailable:
                # The decision stands, and may be recorded as answered: then no other response can have the tokens.
                return Answer.OURS
            if item is not None and item.get(winner) == values[":decided"] and "unanswered" in item:
                raise
        if item is None or item.get(winner) != values[":decided"]:
            return Answer.REPLACED
        return Answer.OURS if item.get("answered_by") == values[":nonce"] else Answer.ANOTHERS

    def _read_again(self, table: str, key: Item) -> Mapping[str, Any] | None:
        """Read an item whose write got no response. The function `token` may read codes only in batches."""
        with STORE_ERRORS:
            response = self._client.batch_get_item(RequestItems={table: {"Keys": [key], "ConsistentRead": True}})
            if response.get("UnprocessedKeys"):
                raise StoreUnavailable("UnprocessedKeys")
            items: Any = response["Responses"].get(table, [])
            return check_readable(items[0] if items else None)
