"""Delete the restored tables of a restore that the service does not use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.record import Recovery, TableRecovery
from orchestrator.domain.recovery.restored_table import Removal
from orchestrator.domain.recovery.unused_tables import TableFacts, refuse_discard, refuse_unproved

POLL_SECONDS = 5.0
REMOVED_WITHIN = timedelta(minutes=10)
"""How long a deletion is awaited: a table that is being changed cannot be deleted before the change is complete."""

InUse = Callable[[], Mapping[str, str]]
"""Returns the name of each table in use, of any environment, with what uses it, as it is at that moment."""


class TableNotRemoved(OrchestratorError):
    """A restored table that is to be deleted is still there."""


def tables_to_discard(cloud: Cloud, recovery: Recovery, in_use: InUse) -> list[TableFacts]:
    """Return the tables of a restore that still exist, if all of them may be deleted. It changes nothing.

    Raises:
        Refused: a table is in use, the restore has not ended, or a table is not proved to be this restore's.
    """
    _refuse_used(cloud, recovery, in_use)
    for table in recovery.tables:
        _refuse_unproved(cloud, recovery, table)
    described = [cloud.table_inventory.describe(table.target) for table in recovery.tables]
    return [facts for facts in described if facts is not None]


def discard_tables(cloud: Cloud, recovery: Recovery, in_use: InUse) -> list[str]:
    """Delete the tables of a restore, and return their names. Before each one, all conditions are checked again.

    Raises:
        Refused: a condition no longer holds; tables that were deleted by then are gone.
        TableNotRemoved: AWS refuses to delete a table, or it was not deleted in time.
    """
    tables = {table.target: table for table in recovery.tables}
    deleted = []
    for facts in tables_to_discard(cloud, recovery, in_use):
        _refuse_used(cloud, recovery, in_use)
        _refuse_unproved(cloud, recovery, tables[facts.name])
        cloud.table_inventory.deregister_scaling(facts.name)
        _remove(cloud, facts.name)
        deleted.append(facts.name)
    return deleted


def _refuse_used(cloud: Cloud, recovery: Recovery, in_use: InUse) -> None:
    alive = recovery.ended_at is None and cloud.executions.describe_execution(recovery.execution).alive
    refuse_discard(recovery, in_use(), cloud.restores.read_lock(), alive=alive)


def _refuse_unproved(cloud: Cloud, recovery: Recovery, table: TableRecovery) -> None:
    restored = cloud.table_restores.describe_restore(table.target)
    if restored is not None:
        refuse_unproved(recovery, table, restored)


def _remove(cloud: Cloud, table: str) -> None:
    deadline = cloud.now() + REMOVED_WITHIN
    while (removal := cloud.table_restores.remove_table(table)) is not Removal.GONE:
        if removal is Removal.REFUSED:
            raise TableNotRemoved(f"AWS refuses to delete {table}: check its resource policy and your permissions")
        if cloud.now() >= deadline:
            raise TableNotRemoved(f"{table} was not deleted in time: repeat the command")
        cloud.sleep(POLL_SECONDS)
