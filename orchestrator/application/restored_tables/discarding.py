"""Delete the restored tables of a restore that the service does not use. One that is not proved to be its own stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.restored_tables.restore_jobs import describe_restored
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.restored_table import Removal
from orchestrator.domain.recovery.unused_tables import TableFacts, refuse_discard, unproved_reason

POLL_SECONDS = 5.0
REMOVED_WITHIN = timedelta(minutes=10)
"""How long a deletion is awaited: a table that is being changed cannot be deleted before the change is complete."""

InUse = Callable[[], Mapping[str, str]]
"""Returns the name of each table in use, of any environment, with what uses it, as it is at that moment."""


class TableNotRemoved(OrchestratorError):
    """A restored table that is to be deleted is still there."""


@dataclass(frozen=True)
class TablesOfRestore:
    """The tables that have the names of a restore's.

    Attributes:
        own: the tables that are proved to be the restore's.
        foreign: the name of each other one, to why it is not. It is never deleted.
    """

    own: tuple[TableFacts, ...]
    foreign: Mapping[str, str]


@dataclass(frozen=True)
class Discarded:
    """The result of a discard.

    Attributes:
        deleted: the names of the tables that are deleted.
        foreign: the name of each table that is left, to why it is not the restore's.
    """

    deleted: tuple[str, ...]
    foreign: Mapping[str, str]


def tables_to_discard(cloud: Cloud, recovery: Recovery, in_use: InUse) -> TablesOfRestore:
    """Return the tables with the names of a restore's that still exist. It changes nothing.

    Raises:
        Refused: a table is in use, or the restore has not ended.
    """
    _refuse_used(cloud, recovery, in_use)
    own, foreign = [], {}
    for table in recovery.tables:
        facts = cloud.table_inventory.describe(table.target)
        if facts is None:
            continue
        if reason := reason_unproved(cloud, recovery, table.target):
            foreign[table.target] = reason
        else:
            own.append(facts)
    return TablesOfRestore(tuple(own), foreign)


def discard_tables(cloud: Cloud, recovery: Recovery, in_use: InUse) -> Discarded:
    """Delete the tables of a restore. Before each one, all conditions are checked again.

    Raises:
        Refused: a table came into use, or the lock is held; tables that were deleted by then are gone.
        TableNotRemoved: AWS refuses to delete a table, or it was not deleted in time.
    """
    found = tables_to_discard(cloud, recovery, in_use)
    deleted, foreign = [], dict(found.foreign)
    for facts in found.own:
        _refuse_used(cloud, recovery, in_use)
        if reason := reason_unproved(cloud, recovery, facts.name):
            foreign[facts.name] = reason
            continue
        cloud.table_inventory.deregister_scaling(facts.name)
        _remove(cloud, facts.name)
        deleted.append(facts.name)
    return Discarded(tuple(deleted), foreign)


def reason_unproved(cloud: Cloud, recovery: Recovery, name: str) -> str:
    """Return why it is not proved that a restore created the table of a name; empty if it is, or the table is gone."""
    table = next((one for one in recovery.tables if one.target == name), None)
    if table is None:
        return f"{recovery.id} has no table of this name"
    restored = describe_restored(cloud, recovery, table)
    return unproved_reason(recovery, table, restored) if restored else ""


def _refuse_used(cloud: Cloud, recovery: Recovery, in_use: InUse) -> None:
    alive = recovery.ended_at is None and cloud.executions.describe_execution(recovery.execution).alive
    refuse_discard(recovery, in_use(), cloud.restores.read_lock(), alive=alive)


def _remove(cloud: Cloud, table: str) -> None:
    deadline = cloud.now() + REMOVED_WITHIN
    while (removal := cloud.table_restores.remove_table(table)) is not Removal.GONE:
        if removal is Removal.REFUSED:
            raise TableNotRemoved(f"AWS refuses to delete {table}: check its resource policy and your permissions")
        if cloud.now() >= deadline:
            raise TableNotRemoved(f"{table} was not deleted in time: repeat the command")
        cloud.sleep(POLL_SECONDS)
