"""The recovery points of a vault of AWS Backup.

Facts that this relies on:

- ListRecoveryPointsByBackupVault lists the recovery points of a resource, each with its time and its status.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
- A backup of a table is created asynchronously, and holds the changes up to the time of its request.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GettingStartedBackupsAWS.html
  Whether that is CreationDate is not documented. So the content is taken to be as exact as the job was short.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.recovery.backup_times import UNCERTAINTY, Backup

_RESTORABLE = frozenset({"COMPLETED", "AVAILABLE"})


class VaultBackups:
    """The recovery points of one vault.

    Args:
        client: botocore's client of AWS Backup.
        vault: name of the vault.
    """

    def __init__(self, client: Any, vault: str) -> None:
        self._client, self._vault = client, vault

    def list_available(self, table_arn: str) -> tuple[Backup, ...]:
        """Return all recovery points of a table that can be restored, in no order."""
        pages = self._client.get_paginator("list_recovery_points_by_backup_vault").paginate(
            BackupVaultName=self._vault, ByResourceArn=table_arn
        )
        with translate_errors():
            points = [point for page in pages for point in page["RecoveryPoints"]]
        return tuple(_backup(point) for point in points if point["Status"] in _RESTORABLE)


def _backup(point: Mapping[str, Any]) -> Backup:
    # botocore returns the local time zone.
    at = point["CreationDate"].astimezone(UTC)
    took = point["CompletionDate"].astimezone(UTC) - at
    return Backup(
        arn=point["RecoveryPointArn"],
        name=point["BackupVaultName"],
        table_arn=point["ResourceArn"],
        size_bytes=point.get("BackupSizeInBytes", 0),
        at=at,
        exact_to=max(UNCERTAINTY, took),
    )
