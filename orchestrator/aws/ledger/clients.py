"""Managed clients in the ledger's table, one item a client: ``pk`` is ``clients``, ``sk`` the client's id.

Each write is conditional on the revision that was read, so of two operators who change a client at once, one is
refused. The ledger's event records hold the history. The standby region's ledger has a copy of each record
(docs/adr/0081): a failover brings its tables into their state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.failovers import ReadAssignment, assignment_check
from orchestrator.aws.ledger.lock import UNMET, LockedTable, decoded, is_condition_unmet, refuse_busy, unless_changed
from orchestrator.domain.clients.client import ManagedClient
from orchestrator.domain.errors import LockLost, Refused

CLIENTS_KEY = "clients"
_ASSIGNMENT_CHECK = 0
"""The assignment's check is the first item of the transaction, and has the cancellation reason of this index."""


class ClientRecords(LockedTable):
    """The records of managed clients.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        super().__init__(client, table)

    def list_clients(self) -> list[ManagedClient]:
        """Return all managed clients by their ids, also removed ones.

        Raises:
            Refused: a record cannot be decoded; the error names it.
        """
        return [_decoded(item) for item in self._query(CLIENTS_KEY, forward=True)]

    def find_client(self, client_id: str) -> ManagedClient | None:
        """Return a managed client, read consistently; None if there never was one with this id.

        Raises:
            Refused: its record cannot be decoded.
        """
        item = self._get(CLIENTS_KEY, client_id)
        return _decoded(item) if item else None

    def read_client(self, client_id: str) -> ManagedClient:
        """Return a managed client, read consistently.

        Raises:
            Refused: there never was one with this id.
        """
        client = self.find_client(client_id)
        if client is None:
            raise Refused("CLIENT", client_id, "name a managed client: `orchestrator clients list`")
        return client

    def save_client(self, client: ManagedClient) -> None:
        """Write a new revision of a client. A retry finds its own earlier write.

        Raises:
            Refused: another operator was faster, or a client with this id exists or existed.
        """
        put = self._put(CLIENTS_KEY, client.client_id, client, revision=_number(client.revision))
        condition = unless_changed(client.revision - 1, "revision")
        if conditional_write(self._client.put_item, **put, **condition) is not None:
            return
        stored = self.find_client(client.client_id)
        if stored == client:
            return
        if client.revision == 1:
            raise Refused("CLIENT", client.client_id, "give another id: a client has it, or had it and was removed")
        raise Refused(
            "CLIENT", f"{client.client_id} changed meanwhile", "see `orchestrator clients show`, and try again"
        )

    def copy_client(self, client: ManagedClient, replacing: int = 0, seen: ReadAssignment | None = None) -> bool:
        """Write the record that another region's ledger has of a client. It is idempotent.

        Args:
            client: that record.
            replacing: a newer revision here that is replaced as well, because the other ledger does not know it.
            seen: the assignment in this ledger, which still has to be as it was read; None for no such condition.

        Returns:
            False if there is a newer revision here, which another operator copied meanwhile.

        Raises:
            LockLost: the assignment has changed.
            Throttled, Unreachable: DynamoDB did not answer. Whether it was written is not known: copy it again.
        """
        put = self._put(CLIENTS_KEY, client.client_id, client, revision=_number(client.revision))
        condition = "attribute_not_exists(pk) OR revision <= :revision OR revision = :replacing"
        values = {":revision": _number(client.revision), ":replacing": _number(replacing)}
        put |= {"ConditionExpression": condition, "ExpressionAttributeValues": values}
        if seen is None:
            return conditional_write(self._client.put_item, **put) is not None
        return self._put_while_assigned(put, seen)

    def _put_while_assigned(self, put: Mapping[str, Any], seen: ReadAssignment) -> bool:
        """Write an item if the assignment is as it was read; return False if the item's own condition is not met."""
        try:
            with translate_errors():
                self._client.transact_write_items(TransactItems=[assignment_check(self._table, seen), {"Put": put}])
        except ClientError as error:
            refuse_busy(error)
            if not is_condition_unmet(error):
                raise
            if error.response["CancellationReasons"][_ASSIGNMENT_CHECK].get("Code") == UNMET:
                raise LockLost("a failover changed the assignment meanwhile: repeat it") from error
            return False
        return True


def _decoded(item: Mapping[str, Any]) -> ManagedClient:
    try:
        return decoded(item, ManagedClient)
    except (KeyError, msgspec.DecodeError) as error:
        remedy = (
            f"it cannot be decoded ({type(error).__name__}: {error}), and was not written by `orchestrator clients`:"
            " correct or delete it (docs/runbooks/region-failover.md#clients-that-only-the-standby-region-has)"
        )
        raise Refused(f"ledger item {CLIENTS_KEY}", item["sk"]["S"], remedy) from error


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
