"""The kinds of backup that a drill restores, and the rules for selecting one of its backups."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader


class BackupKind(StrEnum):
    """What a drill restores from. `docs/runbooks/drill.md` says what each of them proves."""

    PITR = "pitr"  # point-in-time recovery
    BACKUP = "backup"  # DynamoDB's own backups, which deployments make
    VAULT = "vault"  # recovery points of AWS Backup in the environment's vault
    COPY = "copy"  # their copies in the vault of the other region


class Selection(StrEnum):
    """Which backup a drill restores. Of point-in-time recovery: the latest or a random recovery point."""

    LATEST = "latest"
    RANDOM = "random"  # drawn by the drill's id, so that a repeated attempt draws the same
    OLDEST = "oldest"


BY_RESTORE_JOB: Final = frozenset({BackupKind.VAULT, BackupKind.COPY})
"""The kinds that AWS Backup restores, by a job."""


def exports_of(kind: BackupKind) -> int:
    """Return how many exports of each table a drill of a kind may need to know what the tables held.

    One of the recovery point; those from before and after the content of a backup (`await_export`), if the streams do
    not reach that far or are inconclusive.
    """
    return 1 if kind is BackupKind.PITR else 2


def read_backup_kind(fields: SettingsReader) -> BackupKind:
    """Read the kind of backup from a request; without one, it is point-in-time recovery.

    Raises:
        Refused: there is no such kind.
    """
    value = fields.take("from")
    if value is None:
        return BackupKind.PITR
    if value not in tuple(BackupKind):
        raise fields.refused("from", value, f"give one of {', '.join(BackupKind)}")
    return BackupKind(str(value))


def read_selection(fields: SettingsReader, kind: BackupKind) -> Selection:
    """Read which backup of its kind a drill restores; without a choice, it is the latest.

    Raises:
        Refused: there is no such selection, or the kind has no single backups.
    """
    value = fields.take("select")
    if value is None:
        return Selection.LATEST
    if value not in tuple(Selection):
        raise fields.refused("select", value, f"give one of {', '.join(Selection)}")
    if kind is BackupKind.PITR and value == Selection.OLDEST:
        raise fields.refused("select", value, "point-in-time recovery has no single backups: give a time, with --to")
    return Selection(str(value))


MAX_DAYS: Final = 3650


def read_within_days(fields: SettingsReader, kind: BackupKind) -> int:
    """Read of how many days backups are selected from; 0, without a choice, stands for all.

    Raises:
        Refused: it is no number of days, or the kind has no single backups.
    """
    days = fields.whole_number("within_days", 0, MAX_DAYS, default=0)
    if days and kind is BackupKind.PITR:
        remedy = "point-in-time recovery has no single backups: `recovery.drill_point_days` is the window of its points"
        raise fields.refused("within_days", days, remedy)
    return days


UNDETECTED: Final = {
    "time-off-by-a-minute": "it shifts the recovery point, and a backup has its own time",
    "revoked-token-alive": "a backup has no grants of this drill, by which it would be detected",
}
"""Faults that no check of a backup could detect, with the reason."""


def refuse_with_backup_kind(kind: BackupKind, to: object, fault: object) -> None:
    """Refuse what has no effect on a backup, which has a time of its own.

    Args:
        kind: the kind of backup.
        to: the requested recovery point; None if there is none.
        fault: the fault to inject; None without one.

    Raises:
        Refused: the request has such an option.
    """
    if kind is BackupKind.PITR:
        return
    if to is not None:
        raise Refused("to", str(to), f"omit it: a backup has its own time. --select chooses one of kind {kind}")
    if fault in UNDETECTED:
        raise Refused("fault", fault, f"{UNDETECTED[str(fault)]}: omit --from")
