"""Copies of the service's tables in another region: DynamoDB's own backups there, and recovery points of AWS Backup.

A backup's name may say of which moment its content is (`named_as_of`), because a copy's own creation is later than that. AWS Backup gives a
copied recovery point with the ARN of the table that was backed up, and with the time of that backup.
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.aws.clients import narrowed
from orchestrator.domain.recovery import Role
from orchestrator.domain.region_loss import Copy

_AS_OF: Final = re.compile(r"as-of-(\d{8}T\d{6}Z)")
_FORMAT: Final = "%Y%m%dT%H%M%SZ"


def named_as_of(moment: datetime) -> str:
    """Name a backup whose content is of a moment."""
    return f"as-of-{moment.astimezone(UTC):{_FORMAT}}"


class Copies:
    """What a region has of the tables of an environment.

    Args:
        clients: botocore client by service, of that region; DynamoDB's and AWS Backup's are used.
        environment: its name.
    """

    def __init__(self, clients: Callable[[str], Any], environment: str) -> None:
        self._clients = clients
        self._tables = {f"ib-oauth-{role}-{environment}": role for role in Role}

    def all(self) -> tuple[Copy, ...]:
        """Find every copy that is complete."""
        with narrowed():
            return (*self._backups(), *self._recovery_points())

    def _backups(self) -> Iterator[Copy]:
        for page in self._clients("dynamodb").get_paginator("list_backups").paginate(BackupType="ALL"):
            for one in page["BackupSummaries"]:
                role = self._role(one["TableName"])
                if role and one["BackupStatus"] == "AVAILABLE":
                    yield Copy(role, one["BackupArn"], _as_of(one))

    def _recovery_points(self) -> Iterator[Copy]:
        backup = self._clients("backup")
        for page in backup.get_paginator("list_backup_vaults").paginate():
            for vault in page["BackupVaultList"]:
                pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(
                    BackupVaultName=vault["BackupVaultName"], ByResourceType="DynamoDB"
                )
                for point in (point for found in pages for point in found["RecoveryPoints"]):
                    role = self._role(point["ResourceArn"].rpartition("/")[2])
                    if role and point["Status"] in {"COMPLETED", "AVAILABLE"}:
                        yield Copy(role, point["RecoveryPointArn"], point["CreationDate"])

    def _role(self, table: str) -> Role | None:
        """Tell what a table is: the environment's own, or one that is named after it, as restored tables and copies are."""
        found = [role for name, role in self._tables.items() if table == name or table.startswith(f"{name}-")]
        return found[0] if found else None


def _as_of(backup: Mapping[str, Any]) -> datetime:
    named = _AS_OF.fullmatch(backup["BackupName"])
    if named:
        return datetime.strptime(named[1], _FORMAT).replace(tzinfo=UTC)
    created: datetime = backup["BackupCreationDateTime"]
    return created
