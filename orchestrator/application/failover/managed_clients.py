"""Managed clients in a failover: their records reach the other region's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import client_in, translate_errors
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.failover.managed_clients import ClientCopies, records_to_copy

if TYPE_CHECKING:
    from orchestrator.application.failover.releases import HomeClients
    from orchestrator.domain.clients.client import ManagedClient


def home_records(cloud: Cloud, home_clients: HomeClients | None = None) -> ClientRecords:
    """Return the records of managed clients in the home region's ledger.

    Args:
        cloud: of the standby region.
        home_clients: botocore client by service, of the home region; by default with the function's credentials.
    """
    client = home_clients("dynamodb") if home_clients else client_in("dynamodb", cloud.settings["HOME_REGION"])
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
    home, assignment = cloud.settings["HOME_REGION"], cloud.failovers.read_assignment().assignment
    if assignment is None or not assignment.active or assignment.region != home:
        # The records of the region that issues tokens are the truth.
        return ""
    try:
        with translate_errors():
            at_home = home_records(cloud, home_clients).list_clients()
            missing = records_to_copy(at_home, cloud.client_records.list_clients())
            copied = [client.client_id for client in missing if cloud.client_records.copy_client(client)]
    except (OrchestratorError, ClientError):
        return ""  # The evaluation, which follows, cannot read them either, and says why.
    return f"; records of clients copied from {home}: {', '.join(copied)}" if copied else ""


def copy_records(source: ClientRecords, target: ClientRecords) -> tuple[str, ...]:
    """Make the records of another region's ledger those of `source`; return the ids of those that were different.

    Raises:
        Throttled, Unreachable: a ledger did not answer; a repetition continues.
    """
    missing = records_to_copy(source.list_clients(), target.list_clients())
    for client in missing:
        copy_record(source, target, client)
    return tuple(client.client_id for client in missing)


def copy_record(source: ClientRecords, target: ClientRecords, client: ManagedClient) -> None:
    """Write a record of `source` to another region's ledger. A newer revision that `source` does not know is replaced.

    `source` is of the region whose tables are in use, so its records are the truth.

    Raises:
        Throttled, Unreachable: a ledger did not answer; a repetition continues.
    """
    if target.copy_client(client):
        return
    # In this order: a revision that another operator copied meanwhile is in `source` already.
    there = target.read_client(client.client_id)
    target.copy_client(source.read_client(client.client_id), replacing=there.revision)
