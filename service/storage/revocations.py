"""Revoking families, and the revocation log: a separate table, so that no restore reverts a revocation.

A restore brings the tables back as of the recovery point, including families that were revoked later. The restore
revokes these again from this log before the tables are used. Therefore the log is written first: it contains every
acknowledged revocation, whatever failed in between. If the log cannot be written, nothing is revoked and the response
is 503. If the family's own write fails afterwards, the response is also 503, and the log has a requested revocation
that the family does not have yet.

    pk                                        meaning
    revoked#{family id}                       the family was revoked
    disowned#{family id}#{digest of client}   this client revoked a token of a family that did not exist

The second is for tables that have lost rows: the client got 200 (RFC 7009 §2.2), so a restore that brings the family
back must not bring the token back. It counts only if the family belongs to that client. The synthetic identity gets
none. Any client can write such entries at will, so the log is read by key and never scanned. Keys of the synthetic
identity have their prefix here too. The log contains only hashes and no personal names.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from service.aws_errors import code_of
from service.storage import item_codec
from service.storage.conditional_writes import CONDITION_FAILED, STORE_ERRORS
from service.storage.grants import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from service.oauth.families import Cause
    from service.storage.item_codec import Item


class RevokingStore(Store):
    """A store that can revoke families. Every method may raise StoreUnavailable."""

    def __init__(
        self,
        client: DynamoDBClient,
        state_table: str,
        tokens_table: str,
        revocations_table: str,
        *,
        least_epoch: int = 0,
        clock: Callable[[], float] = time,
    ) -> None:
        super().__init__(client, state_table, tokens_table, least_epoch=least_epoch, clock=clock)
        self._revocations: Final = revocations_table

    def revoke(self, family_id: str, cause: Cause, now: int, *, synthetic: bool) -> None:
        """Revoke a family. The first cause is kept; a deleted family is already invalid."""
        self._log(item_codec.encode_revocation(family_id, cause, now, synthetic=synthetic))
        self._attempt(
            self._tokens,
            item_codec.primary_key("family", family_id, synthetic=synthetic),
            "SET revoked_because = if_not_exists(revoked_because, :cause), revoked_at = if_not_exists(revoked_at, :now)",
            "attribute_exists(pk)",
            {":cause": item_codec.string_attribute(cause.value), ":now": item_codec.number_attribute(now)},
        )

    def record_disowned_token(self, family_id: str, client_id: str, now: int) -> None:
        """Record that a client, not the synthetic identity, revoked a token of a family that does not exist."""
        self._log(item_codec.encode_disowned_token(family_id, client_id, now))

    def _log(self, entry: Item) -> None:
        """Write an entry; an existing one is kept. While the tables are closed, nothing is logged either."""
        self._require_open()
        with STORE_ERRORS:
            try:
                self._client.put_item(
                    TableName=self._revocations, Item=entry, ConditionExpression="attribute_not_exists(pk)"
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise
