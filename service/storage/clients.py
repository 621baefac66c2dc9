"""Storage of clients that are not configured: cached metadata documents, registrations and managed clients.

A document can be fetched again, so it is stored with short-lived data in the state table. A registration or a managed
client cannot: it is stored in the tokens table, and backed up and restored with the grants of its client.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from service.storage import item_codec
from service.storage.conditional_writes import STORE_ERRORS, StoreUnavailable
from service.storage.item_schema import check_readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from service.clients.managed import Managed
    from service.oauth.client_metadata import CachedDocument
    from service.oauth.registration import Registered


class ClientStore:
    """Clients in the two tables. Every method may raise StoreUnavailable. `now` is in epoch seconds."""

    def __init__(self, client: DynamoDBClient, state_table: str, tokens_table: str) -> None:
        self._client = client
        self._state = state_table
        self._tokens = tokens_table

    def read_document(self, client_id: str) -> CachedDocument | None:
        """Return a client's cached document, however old."""
        with STORE_ERRORS:
            response = self._client.get_item(
                TableName=self._state, Key=item_codec.document_key(client_id), ConsistentRead=True
            )
            item = check_readable(response.get("Item"))
        return item_codec.decode_document(item) if item else None

    def store_document(self, client_id: str, document: CachedDocument) -> None:
        """Cache a client's document; the last write wins."""
        with STORE_ERRORS:
            self._client.put_item(TableName=self._state, Item=item_codec.encode_document(client_id, document))

    def read_registration(self, client_id: str, now: int) -> Registered | None:
        """Return a registered client, unless its registration has ended."""
        item = self._read_client(client_id)
        registration = item_codec.decode_registered(item) if item else None
        return registration if registration is not None and now < registration.expires_at else None

    def read_managed(self, client_id: str) -> Managed | None:
        """Return a managed client, also a disabled one. Raises KeyError, TypeError or ValueError for an invalid item."""
        item = self._read_client(client_id)
        return item_codec.decode_managed(item) if item else None

    def _read_client(self, client_id: str) -> Mapping[str, Any] | None:
        key = item_codec.primary_key("client", client_id, synthetic=False)
        with STORE_ERRORS:
            return check_readable(
                self._client.get_item(TableName=self._tokens, Key=key, ConsistentRead=True).get("Item")
            )

    def store_registration(self, registered: Registered) -> None:
        """Store a new registration.

        Its id is random, so an existing item is this request's own, sent again. If the response is lost, it is read
        again: otherwise the client would register twice, and never learn the secret of the first registration.
        """
        item = item_codec.encode_registered(registered)
        try:
            with STORE_ERRORS:
                self._client.put_item(TableName=self._tokens, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except StoreUnavailable:
            found: Registered | None = None
            with suppress(StoreUnavailable):
                found = self.read_registration(registered.client_id, registered.registered_at)
            if found is None:
                raise
            if found != registered:
                raise StoreUnavailable("the id of a new client already exists") from None
