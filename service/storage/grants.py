"""The two tables: one conditional write for each decision, consistent reads, no cache.

If the response to a conditional write is lost, botocore sends the write again, and it fails because of its own
success. Every deciding write therefore stores the request's nonce. The item is returned when the condition fails, and
the request that finds its own nonce has succeeded. If no response arrives at all, the item is read again, with the
same result.

A redemption or rotation is recorded as unanswered until its response is about to be sent. Only then is the same
request, sent again, a replay (service/oauth/codes.py, families.py).

DynamoDB refuses a write to an item that a transaction is writing, and cancels a transaction whose items are being
written. Any visitor can bring this about by two requests for one login at once, so it is no failure: the write is
repeated after a pause, unless the other one has decided.

Conditions compare `expires_at` with a given time, because DynamoDB deletes expired items with a delay.

A failback closes the tables for a moment: the item of the epoch says from when until when nothing is written. A write
knows it as of at most `CLOSING_READ_SECONDS` before, so a closing that is announced earlier is seen by all processes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from time import sleep, time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from botocore.exceptions import ClientError

from service.aws_errors import TranslatedErrors, code_of
from service.oauth import logins
from service.oauth.credentials import Kind
from service.storage import item_codec
from service.storage.item_schema import ItemSchemaUnknown, check_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from service.oauth.codes import Code
    from service.oauth.credentials import Credential
    from service.oauth.families import Family
    from service.oauth.logins import Login
    from service.storage.item_codec import Item
    from service.storage.tables import Table

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
_RESERVED: Final = {"#session": "session"}
"""Attributes whose names an expression may not contain (developer guide: reserved words in DynamoDB)."""
_CONFLICT: Final = "TransactionConflictException"
_CONFLICT_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Pauses after conflicts with another write of the same item, which takes some milliseconds. Then the write fails."""

_NEXT: Final = (
    "refresh_hash = :next, rotated_by = :nonce, rotated_at = :now, exchanged_by = :nonce, unanswered = :salt"
    " ADD generation :one"
)

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


class Store:
    """Logins and codes in the state table, families and the revocation epoch in the tokens table.

    Tables with an epoch below `least_epoch` are not served. Only a RevokingStore (revocations.py) can revoke. Every
    method may raise StoreUnavailable. `now` is in epoch seconds. sleep(s) waits for s seconds; clock: epoch seconds.
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

    # Reads

    def revocation_epoch(self) -> int:
        """Return the revocation epoch: everything issued in a lower one is invalid."""
        requested_at = self._clock()
        item = self._get(self._tokens, {"pk": item_codec.string_attribute(item_codec.EPOCH_KEY)})
        return self._checked_epoch(item, requested_at)

    def read_login(self, transaction: Credential) -> Login | None:
        """Return the login of a transaction."""
        key = item_codec.primary_key("login", transaction.digest, synthetic=transaction.synthetic)
        item = self._get(self._state, key)
        if item is None:
            return None
        return item_codec.decode_login(transaction.digest, item, synthetic=transaction.synthetic)

    def read_code(self, code: Credential) -> Code | None:
        """Return a code."""
        item = self._get(self._state, item_codec.primary_key("code", code.digest, synthetic=code.synthetic))
        return item_codec.decode_code(code.digest, item, synthetic=code.synthetic) if item is not None else None

    def read_code_and_epoch(self, code: Credential) -> tuple[Code | None, int]:
        """Return a code and the revocation epoch, in one call."""
        key = item_codec.primary_key("code", code.digest, synthetic=code.synthetic)
        item, epoch = self._with_epoch(self._state, key)
        return (item_codec.decode_code(code.digest, item, synthetic=code.synthetic) if item else None), epoch

    def read_family_and_epoch(self, family_id: str, *, synthetic: bool) -> tuple[Family | None, int]:
        """Return a family and the revocation epoch, in one call."""
        key = item_codec.primary_key("family", family_id, synthetic=synthetic)
        item, epoch = self._with_epoch(self._tokens, key)
        return (item_codec.decode_family(family_id, item, synthetic=synthetic) if item else None), epoch

    def probe_table(self, name: str, probed: Table) -> None:
        """Read one key of a table. An empty name, which the settings lack, is an unavailable table."""
        if not name:
            raise StoreUnavailable(f"{probed.variable} is not set")
        with STORE_ERRORS:
            key = {"pk": item_codec.string_attribute(probed.probed_key)}
            self._client.get_item(TableName=name, Key=key, ConsistentRead=True)

    # Logins

    def create_login(self, login: Login) -> None:
        """Store a new login."""
        self._require_open()
        with STORE_ERRORS:
            self._client.put_item(TableName=self._state, Item=item_codec.encode_login(login))

    def start_upstream_login(self, login: Login, platform: str, upstream: bytes, now: int) -> bool:
        """Record which identity provider the user goes to. Return whether the login was still open."""
        lost = self._attempt(
            self._state,
            item_codec.primary_key("login", login.digest, synthetic=login.synthetic),
            "SET phase = :waiting, platform = :platform, upstream = :upstream, polls = :zero, polled_at = :zero",
            "phase <> :complete AND expires_at > :now",
            {
                ":waiting": item_codec.string_attribute(logins.Phase.WAITING.value),
                ":complete": item_codec.string_attribute(logins.Phase.COMPLETE.value),
                ":platform": item_codec.string_attribute(platform),
                ":upstream": {"B": upstream},
                ":zero": item_codec.number_attribute(0),
                ":now": item_codec.number_attribute(now),
            },
        )
        return lost is None

    def acquire_poll(self, login: Login, now: int) -> bool:
        """Acquire the right to query the identity provider once in this second. Return whether this request has it."""
        try:
            lost = self._attempt(
                self._state,
                item_codec.primary_key("login", login.digest, synthetic=login.synthetic),
                "SET polled_at = :now ADD polls :one",
                "phase = :waiting AND polled_at < :now AND polls < :most AND expires_at > :now",
                {
                    ":now": item_codec.number_attribute(now),
                    ":one": item_codec.number_attribute(1),
                    ":most": item_codec.number_attribute(logins.MAX_POLLS),
                    ":waiting": item_codec.string_attribute(logins.Phase.WAITING.value),
                },
            )
        except StoreUnavailable as error:
            if str(error) == _CONFLICT:
                return False
            raise
        return lost is None

    def complete_login(self, login: Login, code: Code | None, nonce: str, now: int) -> bool:
        """End a login, with a code unless the user denied the request. Return whether this request ended it.

        Both items are written or neither. The nonce (at most 36 characters) makes repetitions of this request
        idempotent. The login stays readable for its browser as long as the code is valid.
        """
        outcome = logins.Outcome.DENIED if code is None else logins.Outcome.CODE
        ends_at = login.expires_at if code is None else max(login.expires_at, code.expires_at)
        key = item_codec.primary_key("login", login.digest, synthetic=login.synthetic)
        expression = (
            "SET phase = :complete, claimed_by = :nonce, outcome = :outcome, expires_at = :ends_at REMOVE upstream"
        )
        condition = "phase <> :complete AND expires_at > :now"
        values = {
            ":complete": item_codec.string_attribute(logins.Phase.COMPLETE.value),
            ":nonce": item_codec.string_attribute(nonce),
            ":outcome": item_codec.string_attribute(outcome.value),
            ":ends_at": item_codec.number_attribute(ends_at),
            ":now": item_codec.number_attribute(now),
        }
        try:
            if code is None:
                lost = self._attempt(self._state, key, expression, condition, values)
                return lost is None or (lost.current or {}).get("claimed_by") == values[":nonce"]
            update = {
                "TableName": self._state,
                "Key": key,
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
            }
            return self._transact(
                [{"Update": update}, {"Put": {"TableName": self._state, "Item": item_codec.encode_code(code)}}], nonce
            )
        except StoreUnavailable:
            # It may be the error of a second sending, after a lost response; or another request ended the login.
            claimed_by = self._claimed_by(key)
            if claimed_by is None:
                raise
            return bool(claimed_by == values[":nonce"])

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

    def _claimed_by(self, key: Item) -> Any:
        """Return the nonce of the request that ended a login, as an attribute; None if none has, or it is not known."""
        with suppress(StoreUnavailable):
            item = self._get(self._state, key)
            return item.get("claimed_by") if item is not None else None
        return None

    # Codes and families

    def redeem(self, code: Code, family_id: str, nonce: str, now: int, epoch: int, *, salt: str) -> Lost[Code] | None:
        """Redeem a live code for a family. Return None if this request redeemed it, otherwise the code as it is now.

        salt: of the family's refresh token. The code is unanswered until `answer_redemption`. Its item is kept as long
        as the family's, so that a replay is recognized as long as there are tokens to revoke; without the user's
        session, which the family has.
        """
        return self._decide(
            self._state,
            item_codec.primary_key("code", code.digest, synthetic=code.synthetic),
            "SET redeemed_by = :nonce, redeemed_at = :now, family_id = :family, unanswered = :salt,"
            " delete_at = :delete_at REMOVE #session",
            "attribute_exists(pk) AND attribute_not_exists(redeemed_by) AND expires_at > :now"
            " AND session_expires_at > :now AND epoch >= :epoch",
            {
                ":nonce": item_codec.string_attribute(nonce),
                ":family": item_codec.string_attribute(family_id),
                ":salt": item_codec.string_attribute(salt),
                ":now": item_codec.number_attribute(now),
                ":epoch": item_codec.number_attribute(epoch),
                ":delete_at": item_codec.deletion_time(code.session_expires_at),
            },
            "redeemed_by",
            partial(item_codec.decode_code, code.digest, synthetic=code.synthetic),
        )

    def answer_redemption(self, code: Credential, redemption: str, nonce: str) -> Answer:
        """Record that the response to a redemption is about to be sent. Return which request sends it.

        redemption, nonce: the nonces of the request that redeemed the code and of this one, which may be a later one.
        """
        key = item_codec.primary_key("code", code.digest, synthetic=code.synthetic)
        return self._answer(self._state, key, "redeemed_by", redemption, nonce)

    def create_family(self, family: Family) -> bool:
        """Store a new family. Return whether it is this request's; another request would have to guess the handle."""
        item = item_codec.encode_family(family)
        self._require_open()
        try:
            with STORE_ERRORS:
                self._client.put_item(TableName=self._tokens, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except StoreUnavailable as error:
            # A failed condition may be this request's own success, too: then the response to the first sending was lost.
            found: Mapping[str, Any] | None = None
            with suppress(StoreUnavailable):
                found = self._read_again(self._tokens, {"pk": item["pk"]})
            if found is not None:
                return bool(found["rotated_by"] == item["rotated_by"])
            if str(error) == CONDITION_FAILED:
                return False
            raise
        return True

    def rotate(
        self, family: Family, refresh_hash: str, nonce: str, now: int, epoch: int, *, salt: str
    ) -> Lost[Family] | None:
        """Exchange the token with which `family` was read for `refresh_hash`, which becomes the current one.

        salt: of that token. The exchange is unanswered until `answer_rotation`. Return None if this request made it,
        otherwise the family as it is now.
        """
        expression = f"SET exchanged_hash = :current, exchanged_at = :now, {_NEXT}"
        return self._exchange(expression, family, refresh_hash, nonce, now, epoch, salt)

    def replace_unused(
        self, family: Family, refresh_hash: str, nonce: str, now: int, epoch: int, *, salt: str
    ) -> Lost[Family] | None:
        """Replace the token with which `family` was read, and which was not used, by `refresh_hash`.

        The token that was exchanged stays the preceding one, and its grace period is not extended. Everything else is
        as in `rotate`.
        """
        return self._exchange(f"SET {_NEXT}", family, refresh_hash, nonce, now, epoch, salt)

    def answer_rotation(self, refresh: Credential, rotation: str, nonce: str) -> Answer:
        """Record that the response with a family's current token is about to be sent, as in `answer_redemption`.

        refresh: a token of the family; rotation: the nonce of the request that made the current one.
        """
        key = item_codec.primary_key("family", refresh.family, synthetic=refresh.synthetic)
        return self._answer(self._tokens, key, "rotated_by", rotation, nonce)

    def _exchange(
        self, expression: str, family: Family, refresh_hash: str, nonce: str, now: int, epoch: int, salt: str
    ) -> Lost[Family] | None:
        return self._decide(
            self._tokens,
            item_codec.primary_key("family", family.family_id, synthetic=family.synthetic),
            expression,
            "refresh_hash = :current AND attribute_not_exists(revoked_because) AND expires_at > :now AND epoch >= :epoch",
            {
                ":current": item_codec.string_attribute(family.refresh_hash),
                ":next": item_codec.string_attribute(refresh_hash),
                ":nonce": item_codec.string_attribute(nonce),
                ":salt": item_codec.string_attribute(salt),
                ":one": item_codec.number_attribute(1),
                ":now": item_codec.number_attribute(now),
                ":epoch": item_codec.number_attribute(epoch),
            },
            "rotated_by",
            partial(item_codec.decode_family, family.family_id, synthetic=family.synthetic),
        )

    def mark_refused(self, grant: Credential, client_id: str, now: int) -> bool:
        """Record that a client's own code or refresh token was refused. Return whether it never was before.

        Return False, too, if there is no such grant or it is another client's. One conditional write decides, so that a
        person who presents one grant again and again, to many processes, is counted once.
        """
        table, kind, digest = (
            (self._state, "code", grant.digest) if grant.kind is Kind.CODE else (self._tokens, "family", grant.family)
        )
        lost = self._attempt(
            table,
            item_codec.primary_key(kind, digest, synthetic=grant.synthetic),
            "SET refused_at = :now",
            "client_id = :client AND attribute_not_exists(refused_at)",
            {":client": item_codec.string_attribute(client_id), ":now": item_codec.number_attribute(now)},
        )
        return lost is None

    # The table calls

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
                    pause = next(pauses, None) if code_of(error) == _CONFLICT else None
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
