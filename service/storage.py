"""The two tables: one conditional write for each decision, consistent reads, no cache.

A conditional write whose answer got lost is sent again by botocore and then fails on its own success. So every deciding write
leaves the request's nonce, the item comes back when the condition fails, and whoever finds their own nonce has won.

Conditions compare `expires_at` with the time given: DynamoDB deletes what has expired when it gets round to it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from service import items
from service.item_layouts import LayoutUnknown, readable
from service.oauth import logins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from service.items import Item
    from service.oauth.codes import Code
    from service.oauth.credentials import Credential
    from service.oauth.families import Family
    from service.oauth.logins import Login

CONDITION_FAILED: Final = "ConditionalCheckFailedException"

Found = TypeVar("Found")


class StoreUnavailable(Exception):
    """A table did not answer, or refused. Nothing was decided, or what was decided is told by reading again."""


@dataclass(frozen=True)
class Lost(Generic[Found]):
    """Another request's write came first. found: what it left; None where there is nothing any more."""

    found: Found | None


class Store:
    """Logins and codes in the state table, families and the revocation epoch in the tokens table.

    Tables of an epoch below `least_epoch` are not served. What revokes has a RevokingStore (revocations.py). Every method may raise StoreUnavailable. `now` is in epoch seconds.
    """

    def __init__(self, client: DynamoDBClient, state_table: str, tokens_table: str, *, least_epoch: int = 0) -> None:
        self._client = client
        self._state = state_table
        self._tokens = tokens_table
        self._least_epoch = least_epoch

    # Reads

    def epoch(self) -> int:
        """Return the revocation epoch: whatever carries a lower one is dead."""
        return self._in_force(self._get(self._tokens, {"pk": items.text(items.EPOCH_KEY)}))

    def login(self, transaction: Credential) -> Login | None:
        """Return the login of a transaction."""
        key = items.key("login", transaction.digest, synthetic=transaction.synthetic)
        item = self._get(self._state, key)
        if item is None:
            return None
        return items.to_login(transaction.digest, item, synthetic=transaction.synthetic)

    def code_and_epoch(self, code: Credential) -> tuple[Code | None, int]:
        """Return a code and the revocation epoch, in one call."""
        key = items.key("code", code.digest, synthetic=code.synthetic)
        item, epoch = self._with_epoch(self._state, key)
        return (items.to_code(code.digest, item, synthetic=code.synthetic) if item else None), epoch

    def family_and_epoch(self, family_id: str, *, synthetic: bool) -> tuple[Family | None, int]:
        """Return a family and the revocation epoch, in one call."""
        key = items.key("family", family_id, synthetic=synthetic)
        item, epoch = self._with_epoch(self._tokens, key)
        return (items.to_family(family_id, item, synthetic=synthetic) if item else None), epoch

    def probe_state(self) -> None:
        """Read a key that does not exist from the state table."""
        self._get(self._state, {"pk": items.text("health")})

    # Logins

    def begin(self, login: Login) -> None:
        """Store a login that has just started."""
        with narrowed():
            self._client.put_item(TableName=self._state, Item=items.of_login(login))

    def await_platform(self, login: Login, platform: str, upstream: bytes, now: int) -> bool:
        """Note which platform the person goes to. Return whether the login was still open."""
        lost = self._attempt(
            self._state,
            items.key("login", login.digest, synthetic=login.synthetic),
            "SET phase = :waiting, platform = :platform, upstream = :upstream, polls = :zero, polled_at = :zero",
            "phase <> :complete AND expires_at > :now",
            {
                ":waiting": items.text(logins.Phase.WAITING.value),
                ":complete": items.text(logins.Phase.COMPLETE.value),
                ":platform": items.text(platform),
                ":upstream": {"B": upstream},
                ":zero": items.number(0),
                ":now": items.number(now),
            },
        )
        return lost is None

    def count_poll(self, login: Login, now: int) -> bool:
        """Take the right to ask the platform once in this second. Return whether this request has it."""
        lost = self._attempt(
            self._state,
            items.key("login", login.digest, synthetic=login.synthetic),
            "SET polled_at = :now ADD polls :one",
            "phase = :waiting AND polled_at < :now AND polls < :most AND expires_at > :now",
            {
                ":now": items.number(now),
                ":one": items.number(1),
                ":most": items.number(logins.MAX_POLLS),
                ":waiting": items.text(logins.Phase.WAITING.value),
            },
        )
        return lost is None

    def complete(self, login: Login, code: Code | None, nonce: str, now: int) -> bool:
        """End a login, with a code or, where the person refused, without one. Return whether this request ended it.

        Both items are written or neither; the nonce (at most 36 characters) makes a repetition of this request the same.
        """
        writes: list[Any] = [
            {
                "Update": {
                    "TableName": self._state,
                    "Key": items.key("login", login.digest, synthetic=login.synthetic),
                    "UpdateExpression": "SET phase = :complete, claimed_by = :nonce REMOVE upstream",
                    "ConditionExpression": "phase <> :complete AND expires_at > :now",
                    "ExpressionAttributeValues": {
                        ":complete": items.text(logins.Phase.COMPLETE.value),
                        ":nonce": items.text(nonce),
                        ":now": items.number(now),
                    },
                },
            },
        ]
        if code is not None:
            writes.append({"Put": {"TableName": self._state, "Item": items.of_code(code)}})
        try:
            self._client.transact_write_items(TransactItems=writes, ClientRequestToken=nonce)
        except ClientError as error:
            reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                return False
            raise StoreUnavailable(code_of(error)) from error
        except BotoCoreError as error:
            raise StoreUnavailable(type(error).__name__) from error
        return True

    # Codes and families

    def redeem(self, code: Code, family_id: str, nonce: str, now: int, epoch: int) -> Lost[Code] | None:
        """Redeem a live code for a family. Return None where this request did, or the code as it was found."""
        return self._decide(
            self._state,
            items.key("code", code.digest, synthetic=code.synthetic),
            "SET redeemed_by = :nonce, redeemed_at = :now, family_id = :family",
            "attribute_exists(pk) AND attribute_not_exists(redeemed_by) AND expires_at > :now"
            " AND session_expires_at > :now AND epoch >= :epoch",
            {
                ":nonce": items.text(nonce),
                ":family": items.text(family_id),
                ":now": items.number(now),
                ":epoch": items.number(epoch),
            },
            "redeemed_by",
            partial(items.to_code, code.digest, synthetic=code.synthetic),
        )

    def found(self, family: Family) -> bool:
        """Store a family that begins. Return whether it is this request's; another's would have to guess its handle."""
        with narrowed():
            try:
                self._client.put_item(
                    TableName=self._tokens,
                    Item=items.of_family(family),
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise
                item: Any = error.response.get("Item", {})
                return bool(item) and item["rotated_by"]["S"] == family.rotated_by
        return True

    def rotate(self, family: Family, refresh_hash: str, nonce: str, now: int, epoch: int) -> Lost[Family] | None:
        """Make `refresh_hash` current in place of the token that `family` was read with.

        Return None where this request did, or the family as it was found.
        """
        return self._decide(
            self._tokens,
            items.key("family", family.family_id, synthetic=family.synthetic),
            "SET refresh_hash = :next, rotated_by = :nonce, rotated_at = :now ADD generation :one",
            "refresh_hash = :current AND attribute_not_exists(revoked_because) AND expires_at > :now AND epoch >= :epoch",
            {
                ":current": items.text(family.refresh_hash),
                ":next": items.text(refresh_hash),
                ":nonce": items.text(nonce),
                ":one": items.number(1),
                ":now": items.number(now),
                ":epoch": items.number(epoch),
            },
            "rotated_by",
            partial(items.to_family, family.family_id, synthetic=family.synthetic),
        )

    # The table calls

    def _get(self, table: str, key: Item) -> Mapping[str, Any] | None:
        with narrowed():
            return readable(self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item"))

    def _with_epoch(self, table: str, key: Item) -> tuple[Mapping[str, Any] | None, int]:
        epoch_key = {"pk": items.text(items.EPOCH_KEY)}
        requests: dict[str, Any] = {self._tokens: {"Keys": [epoch_key], "ConsistentRead": True}}
        requests.setdefault(table, {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        with narrowed():
            answer = self._client.batch_get_item(RequestItems=requests)
            if answer.get("UnprocessedKeys"):
                raise StoreUnavailable("UnprocessedKeys")
            found = {(name, item["pk"]["S"]): item for name, rows in answer["Responses"].items() for item in rows}
            epoch = self._in_force(readable(found.get((self._tokens, items.EPOCH_KEY))))
            return readable(found.get((table, key["pk"]["S"]))), epoch

    def _in_force(self, item: Mapping[str, Any] | None) -> int:
        """Return the epoch in its item. A restored copy that nobody made safe has a lower one than its readers were told."""
        epoch = items.to_epoch(item)
        if epoch < self._least_epoch:
            raise StoreUnavailable(
                f"the tables are of epoch {epoch}, before {self._least_epoch}: nobody made them safe"
            )
        return epoch

    def _attempt(
        self, table: str, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> Lost[Mapping[str, Any]] | None:
        """Write where the condition holds. Return None where it did, else the item as it was found."""
        with narrowed():
            try:
                self._client.update_item(
                    TableName=table,
                    Key=key,
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise
                item: Any = error.response.get("Item")
                return Lost(readable(item or None))
        return None

    def _decide(
        self,
        table: str,
        key: Item,
        expression: str,
        condition: str,
        values: Mapping[str, Any],
        winner: str,
        read: Callable[[Mapping[str, Any]], Found],
    ) -> Lost[Found] | None:
        """Write once, where the condition holds. winner: the attribute that keeps the nonce of whoever has.

        Return None where this request has, be it by an earlier sending of the same write; else the item as it was found, read.
        """
        lost = self._attempt(table, key, expression, condition, values)
        if lost is None:
            return None
        item = lost.found
        if item is not None and item.get(winner) == values[":nonce"]:
            return None
        return Lost(None if item is None else read(item))


class _Narrowed(AbstractContextManager[None]):
    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            raise StoreUnavailable(code_of(error)) from error
        if isinstance(error, BotoCoreError):
            raise StoreUnavailable(type(error).__name__) from error
        if isinstance(error, LayoutUnknown):
            raise StoreUnavailable(str(error)) from error


_NARROWED: Final = _Narrowed()


def narrowed() -> AbstractContextManager[None]:
    """Turn whatever a table's call raises, and an item that cannot be read, into StoreUnavailable."""
    return _NARROWED


def code_of(error: ClientError) -> str:
    """Return AWS's word for an error."""
    return error.response.get("Error", {}).get("Code", "Unknown")
