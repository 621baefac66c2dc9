"""Managed clients in a failover: their records reach the other region's ledger, and its tables get their state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.clients import brief_client_in, translate_errors
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.domain.clients.client import Change
from orchestrator.domain.errors import LockLost, OrchestratorError
from orchestrator.domain.failover.managed_clients import (
    AppliedClients,
    ClientCopies,
    compare_items,
    disabled_records,
    records_to_bring,
    records_to_copy,
    replaced_revision,
)
from orchestrator.domain.recovery.record import Role

if TYPE_CHECKING:
    from orchestrator.application.failover.releases import HomeClients
    from orchestrator.aws.ledger.failovers import ReadAssignment, ReadFailover
    from orchestrator.domain.clients.client import ManagedClient


def home_records(cloud: Cloud, home_clients: HomeClients | None = None) -> ClientRecords:
    """Return the records of managed clients in the home region's ledger.

    Args:
        cloud: of the standby region.
        home_clients: botocore client by service, of the home region; by default with the function's credentials.
    """
    client = home_clients("dynamodb") if home_clients else brief_client_in("dynamodb", cloud.settings["HOME_REGION"])
    return ClientRecords(client, cloud.settings["LEDGER_TABLE"])


def client_copies(cloud: Cloud, home_clients: HomeClients) -> ClientCopies:
    """Return the records of managed clients in the ledgers of both regions."""
    try:
        with translate_errors():
            at_home = tuple(home_records(cloud, home_clients).list_clients())
            return ClientCopies(at_home, tuple(cloud.client_records.list_clients()))
    except (OrchestratorError, ClientError) as error:
        return ClientCopies(unread=f"{type(error).__name__}: {error}")


def copy_missing_clients(cloud: Cloud, home_clients: HomeClients | None = None) -> str:
    """Bring the records that a command could not copy into this region's ledger; return what was done, or nothing.

    A record that is newer here stays: the evaluation names it, and a person decides.

    Args:
        cloud: of the standby region.
        home_clients: as `home_records`.
    """
    home, seen = cloud.settings["HOME_REGION"], cloud.failovers.read_assignment()
    assignment = seen.assignment
    if assignment is None or not assignment.active or assignment.region != home:
        # The records of the region that issues tokens are the truth.
        return ""
    try:
        with translate_errors():
            at_home = home_records(cloud, home_clients).list_clients()
            missing = records_to_copy(at_home, cloud.client_records.list_clients())
            copied = [client.client_id for client in missing if cloud.client_records.copy_client(client, seen=seen)]
    except (OrchestratorError, ClientError):
        return ""  # The evaluation, which follows, cannot read them either, and says why.
    return f"; records of clients copied from {home}: {', '.join(copied)}" if copied else ""


def copy_records(source: ClientRecords, target: ClientRecords, seen: ReadAssignment) -> tuple[str, ...]:
    """Make the records of another region's ledger those of `source`; return the ids of those that were different.

    Args:
        source: the records in force.
        target: of the other region's ledger.
        seen: as `copy_record`.

    Raises:
        LockLost: the assignment has changed.
        Throttled, Unreachable: a ledger did not answer; a repetition continues.
    """
    missing = records_to_copy(source.list_clients(), target.list_clients())
    for client in missing:
        copy_record(source, target, client, seen)
    return tuple(client.client_id for client in missing)


def copy_record(source: ClientRecords, target: ClientRecords, client: ManagedClient, seen: ReadAssignment) -> None:
    """Write a record of `source` to another region's ledger. A newer revision that `source` does not know is replaced.

    `source` is of the region whose tables are in use, so its records are the truth.

    Args:
        source: the records in force.
        target: of the other region's ledger.
        client: the record.
        seen: the assignment in the ledger of `target`, by which those of `source` are in force.

    Raises:
        LockLost: the assignment has changed.
        Throttled, Unreachable: a ledger did not answer; a repetition continues.
    """
    if target.copy_client(client, seen=seen):
        return
    # In this order: a revision that another operator copied meanwhile is in `source` already.
    there = target.read_client(client.client_id)
    target.copy_client(source.read_client(client.client_id), replacing=there.revision, seen=seen)


def apply_clients(read: ReadFailover, cloud: Cloud, source: ClientRecords | None = None) -> ReadFailover:
    """Bring the clients of the new tokens table into the state of the ledger's records; return the failover as written.

    What differs is recorded before it is changed, so that a repetition still knows it. The lease of the region that is
    left has ended, so no request changes a client meanwhile.

    Args:
        read: the failover.
        cloud: of the region that takes over.
        source: on the way back, the records of the region that is left: the ledger gets them first.

    Raises:
        Throttled, Unreachable: DynamoDB did not answer; a repetition continues.
        LockLost: another writer changed the failover, or a record that is brought.
    """
    (table,) = (table.target for table in read.failover.tables if table.role is Role.TOKENS)
    if source:
        read = _bring_records(read, cloud, source)
    items, records = cloud.client_items(table), cloud.client_records.list_clients()
    found = for_each(records, lambda client: items.read_item(client.client_id))
    read = _record(read, cloud, compare_items(records, found))
    change = Change(f"failover {read.failover.id}", "its item was newer than its record", cloud.now())
    disabled = disabled_records(records, found, change)
    for client in disabled.values():
        cloud.client_records.copy_client(client)
    records = [disabled.get(client.client_id, client) for client in records]
    for_each(zip(records, found, strict=True), lambda pair: items.apply(pair[0], replacing=replaced_revision(*pair)))
    return read


def _bring_records(read: ReadFailover, cloud: Cloud, source: ClientRecords) -> ReadFailover:
    """Bring the records of the region that is left into this region's ledger, but none that undoes a disabling here."""
    target = cloud.client_records
    there = {client.client_id: client.revision for client in target.list_clients()}
    coming = records_to_bring(source.list_clients(), target.list_clients())
    brought = tuple(client.client_id for client in coming.records)
    read = _record(read, cloud, AppliedClients(brought=brought, kept=coming.kept))
    for client in coming.records:
        if not target.copy_client(client, replacing=there.get(client.client_id, 0)):
            raise LockLost(f"the record of {client.client_id} was changed in the ledger of the region that takes over")
    return read


def _record(read: ReadFailover, cloud: Cloud, found: AppliedClients) -> ReadFailover:
    """Write into the failover what was found, with what an earlier attempt had found."""
    found = found.with_earlier(read.failover.clients)
    if found == read.failover.clients:
        return read
    return cloud.failovers.commit(read, replace(read.failover, clients=found))
