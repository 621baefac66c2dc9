"""Logins, codes and families in the two tables. How they are written is in `conditional_writes.py`.

A redemption or rotation is recorded as unanswered until its response is about to be sent. Only then is the same
request, sent again, a replay (service/oauth/codes.py, families.py).

Conditions compare `expires_at` with a given time, because DynamoDB deletes expired items with a delay.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from service.oauth import logins
from service.oauth.credentials import Kind
from service.storage import item_codec
from service.storage.conditional_writes import (
    CONDITION_FAILED,
    CONFLICT,
    STORE_ERRORS,
    Answer,
    ConditionalStore,
    Lost,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.codes import Code
    from service.oauth.credentials import Credential
    from service.oauth.families import Family
    from service.oauth.logins import Login
    from service.storage.item_codec import Item
    from service.storage.tables import Table

_NEXT: Final = (
    "refresh_hash = :next, rotated_by = :nonce, rotated_at = :now, exchanged_by = :nonce, unanswered = :salt"
    " ADD generation :one"
)


class Store(ConditionalStore):
    """Logins and codes in the state table, families and the revocation epoch in the tokens table.

    Only a RevokingStore (revocations.py) can revoke. Every method may raise StoreUnavailable. `now` is in epoch seconds.
    """

    # Reads

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
            if str(error) == CONFLICT:
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
