"""Backups of tables: those that were made by name, and the one that a deleted table leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.aws.clients import narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Role
from orchestrator.domain.recovery_plan import Source

AVAILABLE = "AVAILABLE"


@dataclass(frozen=True)
class Backup:
    """A backup that can be restored. at: when it was made, or of what time it is."""

    arn: str
    name: str
    table_arn: str
    size_bytes: int
    at: datetime


class Backups:
    """Backups of tables, whether or not these are still there.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def named(self, role: Role, table: str, name: str) -> Source:
        """The newest backup of a table under a name, as a source.

        Raises:
            Refused: there is none that can be restored.
        """
        found = list(self._of(table, "ALL"))
        chosen = max((one for one in found if one.name == name), key=lambda one: one.at, default=None)
        if chosen is None:
            there = ", ".join(sorted({one.name for one in found})) or "none: restore to a time, with --to"
            raise Refused("backup", name, f"{table} has no such backup that can be restored; it has {there}")
        return _source(role, table, chosen, gone=False)

    def left_by(self, role: Role, table: str) -> Source:
        """What a deleted table has left, as a source: DynamoDB keeps it 35 days where point-in-time recovery was on.

        Raises:
            Refused: it left nothing.
        """
        chosen = max(self._of(table, "SYSTEM"), key=lambda one: one.at, default=None)
        if chosen is None:
            remedy = (
                "it is not there and left no backup of its own: restore a backup by name, with --backup, or follow "
                "docs/runbooks/region-loss.md to the copies in the other region"
            )
            raise Refused(f"tables.{role}", table, remedy)
        return _source(role, table, chosen, gone=True)

    def _of(self, table: str, kind: str) -> Iterator[Backup]:
        for listed in self._listed(table, kind):
            if listed["BackupStatus"] == AVAILABLE:
                yield Backup(
                    arn=listed["BackupArn"],
                    name=listed["BackupName"],
                    table_arn=listed["TableArn"],
                    size_bytes=listed.get("BackupSizeBytes", 0),
                    at=listed["BackupCreationDateTime"],
                )

    def _listed(self, table: str, kind: str) -> Iterable[Any]:
        start: dict[str, str] = {}
        while True:
            with narrowed():
                page = self._client.list_backups(TableName=table, BackupType=kind, **start)
            yield from page.get("BackupSummaries", ())
            if "LastEvaluatedBackupArn" not in page:
                return
            start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}


def _source(role: Role, table: str, backup: Backup, *, gone: bool) -> Source:
    return Source(
        role=role,
        name=table,
        arn=backup.table_arn,
        size_bytes=backup.size_bytes,
        items=0,
        earliest=backup.at,
        latest=backup.at,
        backup_arn=backup.arn,
        gone=gone,
    )
