"""Managed clients in a failover: the records that the standby region has. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.clients.client import ManagedClient

_NAMED = 3
"""So many clients are named in a reason; of others only the number is reported."""


@dataclass(frozen=True)
class ClientCopies:
    """The records of managed clients in the ledgers of both regions.

    Attributes:
        at_home: those of the home region; empty if they could not be read.
        copies: those of the standby region.
        unread: why one of both could not be read; empty if both were.
    """

    at_home: tuple[ManagedClient, ...] = ()
    copies: tuple[ManagedClient, ...] = ()
    unread: str = ""


def records_to_copy(records: Iterable[ManagedClient], there: Iterable[ManagedClient]) -> tuple[ManagedClient, ...]:
    """Return the records that the other ledger does not have, or has otherwise."""
    found = {client.client_id: client for client in there}
    return tuple(client for client in records if found.get(client.client_id) != client)


def clients_problem(copies: ClientCopies, home: str, region: str) -> str:
    """Return which clients a failover would bring into an older state; empty for none.

    Args:
        copies: the records of both regions.
        home: the region whose records are the truth.
        region: the standby region.
    """
    if copies.unread:
        return f"the records of managed clients could not be compared: {copies.unread}"
    there = {client.client_id: client for client in copies.copies}
    differing = records_to_copy(copies.at_home, copies.copies)
    if not differing:
        return ""
    named = ", ".join(_difference(client, there.get(client.client_id)) for client in differing[:_NAMED])
    more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
    remedy = "`orchestrator clients reapply` brings them over"
    return f"managed clients of which {region} has not the record of {home}: {named}{more}: {remedy}"


def _difference(client: ManagedClient, there: ManagedClient | None) -> str:
    copy = "no record" if there is None else f"revision {there.revision}"
    return f"{client.client_id} ({client.status}, revision {client.revision}; there {copy})"
