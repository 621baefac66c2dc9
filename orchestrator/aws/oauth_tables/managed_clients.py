"""The items of managed clients in the tokens table: what the service reads of the ledger's records.

Attribute names are those of the service (service/storage/item_codec.py), which does not import the orchestrator; a
test compares the two. An item has the schema version 1 (docs/adr/0016): releases without managed clients never read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.domain.clients.client import ManagedClient
from orchestrator.domain.failover.managed_clients import ClientItem

SCHEMA = 1
PREFIX = "client#"


class ClientItems:
    """The items of managed clients.

    Args:
        client: botocore's DynamoDB client.
        table: the tokens table that the service uses.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def read_item(self, client_id: str) -> ClientItem | None:
        """Return a client's item, read consistently; None without an item.

        Raises:
            Throttled, Unreachable: DynamoDB did not answer.
        """
        with translate_errors():
            response = self._client.get_item(TableName=self._table, Key=_key(client_id), ConsistentRead=True)
        item = response.get("Item")
        if not item:
            return None
        secret, earlier = (item.get(name, {}).get("S") for name in ("secret_sha256", "earlier_secret_sha256"))
        return ClientItem(int(item.get("revision", _number(0))["N"]), "disabled_at" in item, (secret, earlier))

    def read_revision(self, client_id: str) -> int | None:
        """Return the revision of a client's item as `read_item`; None without an item."""
        item = self.read_item(client_id)
        return item.revision if item else None

    def apply(self, client: ManagedClient, replacing: int = 0) -> bool:
        """Make a client's item what its record says. It is idempotent.

        Args:
            client: the record.
            replacing: a newer revision that is replaced as well, because the ledger does not know it.

        Returns:
            False if the item has a newer revision, which another operator applied meanwhile.

        Raises:
            Throttled, Unreachable: DynamoDB did not answer. Whether the item was written is not known: apply it again.
        """
        condition = {
            "ConditionExpression": "attribute_not_exists(revision) OR revision <= :revision OR revision = :replacing",
            "ExpressionAttributeValues": {":revision": _number(client.revision), ":replacing": _number(replacing)},
        }
        if client.removed:
            response = conditional_write(
                self._client.delete_item, TableName=self._table, Key=_key(client.client_id), **condition
            )
        else:
            response = conditional_write(
                self._client.put_item, TableName=self._table, Item=encode_item(client), **condition
            )
        return response is not None


def encode_item(client: ManagedClient) -> Mapping[str, Any]:
    """Return the item of a client, without what the service does not need: contacts, people and reasons."""
    item: dict[str, Any] = {
        **_key(client.client_id),
        "schema": _number(SCHEMA),
        "revision": _number(client.revision),
        "client_id": {"S": client.client_id},
        "client_name": {"S": client.name},
        "redirect_uris": {"S": json.dumps(client.redirect_uris, allow_nan=False)},
        "scope": {"S": " ".join(client.scopes)},
        "resources": {"S": json.dumps(client.resources, allow_nan=False)},
    }
    if client.secret_sha256 is not None:
        item["secret_sha256"] = {"S": client.secret_sha256}
    if client.earlier_secret_sha256 is not None and client.earlier_secret_until is not None:
        item["earlier_secret_sha256"] = {"S": client.earlier_secret_sha256}
        item["earlier_secret_until"] = _number(int(client.earlier_secret_until.timestamp()))
    if client.disabled_at is not None:
        item["disabled_at"] = _number(int(client.disabled_at.timestamp()))
    return item


def _key(client_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"{PREFIX}{client_id}"}}


def _number(value: int) -> Mapping[str, str]:
    return {"N": str(value)}
