"""Revoking families, and the log of revocations: a table of its own, so that no restore takes a revocation back.

A restore brings the tables back as they were, with families alive that were revoked since. Whoever restores reads this log and
revokes them again, before anybody is served. So the log is written first: a revocation that was acknowledged is in it, whatever
failed in between. Where it cannot be written, nothing is revoked and the request is 503; where the family's own write fails
afterwards, the request is 503 as well, and the log is ahead by a revocation that somebody asked for.

    pk                                        says
    revoked#{family id}                       that the family was revoked
    disowned#{family id}#{digest of client}   that this client gave up a token of a family that was not there

The second is for tables that have lost rows: the client was told 200 (RFC 7009 §2.2), and the restore that brings the family back
must not bring the token back. It counts only where the family is that client's. The synthetic identity's keys are prefixed as
everywhere. There is nothing but hashes in it, and nobody's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from service import items
from service.storage import CONDITION_FAILED, Store, code_of, narrowed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from service.items import Item
    from service.oauth.families import Cause


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
    ) -> None:
        super().__init__(client, state_table, tokens_table, least_epoch=least_epoch)
        self._revocations: Final = revocations_table

    def revoke(self, family_id: str, cause: Cause, now: int, *, synthetic: bool) -> None:
        """Revoke a family. The first cause stays; one that was deleted already is dead already."""
        self._log(items.of_revocation(family_id, cause, now, synthetic=synthetic))
        self._attempt(
            self._tokens,
            items.key("family", family_id, synthetic=synthetic),
            "SET revoked_because = if_not_exists(revoked_because, :cause), revoked_at = if_not_exists(revoked_at, :now)",
            "attribute_exists(pk)",
            {":cause": items.text(cause.value), ":now": items.number(now)},
        )

    def disown(self, family_id: str, client_id: str, now: int, *, synthetic: bool) -> None:
        """Note that a client gave up a token of a family that is not there."""
        self._log(items.of_disowning(family_id, client_id, now, synthetic=synthetic))

    def _log(self, entry: Item) -> None:
        """Write an entry; one that is there already stays."""
        with narrowed():
            try:
                self._client.put_item(
                    TableName=self._revocations, Item=entry, ConditionExpression="attribute_not_exists(pk)"
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise
