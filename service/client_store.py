"""Where clients that nobody configured are kept: what their documents said in the state table, registrations in the tokens table.

What a document said can be asked for again, so it lives with what is short-lived. A registration cannot: it lives, is backed up
and is restored with the grants that were given to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from service import items
from service.item_layouts import readable
from service.storage import CONDITION_FAILED, StoreUnavailable, code_of, narrowed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from service.oauth.client_metadata import Kept
    from service.oauth.registration import Registered


class ClientStore:
    """Clients in the two tables. Every method may raise StoreUnavailable. `now` is in epoch seconds."""

    def __init__(self, client: DynamoDBClient, state_table: str, tokens_table: str) -> None:
        self._client = client
        self._state = state_table
        self._tokens = tokens_table

    def document(self, client_id: str) -> Kept | None:
        """Return what a client's document said when it was last asked for, however long ago."""
        with narrowed():
            answer = self._client.get_item(
                TableName=self._state, Key=items.document_key(client_id), ConsistentRead=True
            )
            item = readable(answer.get("Item"))
        return items.to_document(item) if item else None

    def keep_document(self, client_id: str, kept: Kept) -> None:
        """Keep what a client's document says; the last one to ask is right."""
        with narrowed():
            self._client.put_item(TableName=self._state, Item=items.of_document(client_id, kept))

    def registered(self, client_id: str, now: int) -> Registered | None:
        """Return a client that registered, where its registration has not ended."""
        key = items.key("client", client_id, synthetic=False)
        with narrowed():
            item = readable(self._client.get_item(TableName=self._tokens, Key=key, ConsistentRead=True).get("Item"))
        found = items.to_registered(item) if item else None
        return found if found is not None and now < found.expires_at else None

    def register(self, registered: Registered) -> None:
        """Store a client that registers. Its id is random: one that is taken is this request's own, sent again."""
        with narrowed():
            try:
                self._client.put_item(
                    TableName=self._tokens,
                    Item=items.of_registered(registered),
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise
                if error.response.get("Item") != items.of_registered(registered):
                    raise StoreUnavailable("a new client's id was taken") from error
