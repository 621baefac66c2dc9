"""Select the backups that a drill restores: one of each table, all of one time within a stated bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backup_times import MAX_LISTED, TOGETHER, Backup, groups_made_together
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.plan import Source
from orchestrator.domain.recovery.record import Role, TableRecovery
from orchestrator.domain.table_comparison.between_exports import times_around

START_WINDOW: Final = timedelta(hours=1)
"""The time within which a backup plan starts the jobs of all tables (infrastructure/backups/stack.py)."""

MADE_WITHIN: Final[Mapping[BackupKind, timedelta]] = {
    BackupKind.BACKUP: TOGETHER,
    BackupKind.VAULT: START_WINDOW,
    BackupKind.COPY: START_WINDOW,
}
"""The longest time between backups of all tables that are restored together, by kind."""


def select_backups(
    kind: BackupKind,
    selection: Selection,
    tables: Mapping[Role, str],
    backups: Mapping[Role, Sequence[Backup]],
    recovery: str,
    since: datetime | None = None,
) -> Mapping[Role, Backup]:
    """Return the backups that a drill restores, one of each table.

    Args:
        kind: their kind.
        selection: which of them. A random one is drawn by the recovery's id: every attempt draws the same.
        tables: the tables by role.
        backups: all backups of this kind that can be restored, of each table, in any order.
        recovery: id of the drill.
        since: they are of no earlier time; None for all.

    Raises:
        Refused: a table has none, or no backups of all tables are of one time.
    """
    for role, table in tables.items():
        if not backups[role]:
            raise Refused("from", kind.value, f"{table} has no backup of this kind that can be restored")
    if since is not None:
        backups = {role: [one for one in found if one.at >= since] for role, found in backups.items()}
        for role, table in tables.items():
            if not backups[role]:
                remedy = (
                    f"{table} has no backup of this kind since {since.isoformat(timespec='seconds')}: give more days"
                )
                raise Refused("within_days", kind.value, remedy)
    within = MADE_WITHIN[kind]
    groups = groups_made_together(backups, within)
    if not groups:
        times = "; ".join(f"{table}: {_times(backups[role])}" for role, table in tables.items())
        remedy = f"no backups of all tables were made within {within.total_seconds():.0f} s of each other: {times}"
        raise Refused("from", kind.value, remedy)
    chosen = {Selection.LATEST: 0, Selection.OLDEST: -1, Selection.RANDOM: _draw(recovery, len(groups))}
    return groups[chosen[selection]]


def _draw(recovery: str, count: int) -> int:
    return int.from_bytes(blake2b(recovery.encode(), digest_size=8).digest()) % count


def _times(backups: Sequence[Backup]) -> str:
    times = sorted((backup.at for backup in backups), reverse=True)
    more = f" and {len(times) - MAX_LISTED} more" if len(times) > MAX_LISTED else ""
    return ", ".join(at.isoformat(timespec="seconds") for at in times[:MAX_LISTED]) + more


def source_of_backup(source: Source, backup: Backup) -> Source:
    """Return an existing table as a source that is restored from a backup.

    Its window of point-in-time recovery does not matter then, and its counts and capacity still do: the restored table
    is compared with it.

    Args:
        source: the table as it is.
        backup: the backup to restore.
    """
    return replace(
        source,
        size_bytes=max(source.size_bytes, backup.size_bytes),
        exportable_from=source.earliest,
        earliest=backup.at,
        latest=backup.at,
        backup_arn=backup.arn,
        uncertainty=backup.uncertainty,
        backup_bytes=backup.size_bytes,
    )


def cannot_be_exported(table: TableRecovery) -> str:
    """Return why no export shows what the source of a backup held at its time; empty if one does."""
    earliest, at = table.exportable_from, table.backup_at
    if at is None or earliest is None:
        return f"point-in-time recovery of {table.source} is off, so there is no export of the backup's time"
    if times_around(at, table.uncertainty)[0] < earliest:
        return (
            f"it is older than {table.source}'s point-in-time recovery, which reaches back to "
            f"{earliest.isoformat(timespec='seconds')}: no evidence of what it should hold is left"
        )
    return ""
