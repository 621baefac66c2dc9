"""The items of managed clients in a tokens table, brought into the state that the ledger has.

A restore brings the tokens table back as it was, also its clients. So a cutover and a failback do it before clients can
use the tables, and once more when they do: an operator may have changed a client meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.application.cloud import Cloud
from orchestrator.domain.clients.client import ManagedClient

if TYPE_CHECKING:
    from orchestrator.aws.oauth_tables.managed_clients import ClientItems


def reapply_clients(cloud: Cloud, table: str) -> tuple[str, ...]:
    """Write the item of every client of the ledger; return the ids of those that were different.

    Args:
        cloud: the environment.
        table: the tokens table.

    Raises:
        Throttled, Unreachable: DynamoDB did not answer; a repetition continues.
    """
    items, changed = cloud.client_items(table), []
    for client in cloud.client_records.list_clients():
        expected = None if client.removed else client.revision
        if items.read_revision(client.client_id) != expected:
            changed.append(client.client_id)
        bring_into_effect(cloud, items, client)
    return tuple(changed)


def bring_into_effect(cloud: Cloud, items: ClientItems, client: ManagedClient) -> None:
    """Write a client's item. An item with a revision that the ledger does not know was written by hand: replace it."""
    if items.apply(client):
        return
    newest = cloud.client_records.read_client(client.client_id)
    items.apply(newest, replacing=max(newest.revision, items.read_revision(client.client_id) or 0))
