"""Backups of tables: point-in-time recovery, on-demand backups, and backups in another region.

Facts of DynamoDB that this relies on:

- Deleting a table with point-in-time recovery creates a backup of the type SYSTEM, named after the table with
  ``$DeletedTableBackup``. It is a snapshot of the table right before the deletion, and is kept for 35 days. The table
  can be restored to this one time only.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BackupSummary.html
- When that backup appears is not documented. It has been observed some seconds after the deletion.
- ListBackups lists the type USER by default, and ALL or SYSTEM on request. It lists a table's backups also after the
  table was deleted.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html
- A backup requested at 14:25:00 holds all data that was committed until 14:24:00 and none that was committed after
  14:26:00. Names are not unique.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html

A cross-region backup's name may say of which moment its content is (`backup_name_as_of`), because a backup is created
later than its content. AWS Backup reports a copied recovery point with the ARN of the original table, and with the
time of the original backup.
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.manual_plan import CrossRegionBackup
from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.backup_times import Backup
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.unused_tables import role_of_restored_table

AVAILABLE, CREATING, SYSTEM = "AVAILABLE", "CREATING", "SYSTEM"
STAND_IN_SUFFIX: Final = "-copy"
"""Ends the name of a table that stands, in rehearsals, for the copy of the table of another region."""
_AS_OF: Final = re.compile(r"as-of-(\d{8}T\d{6}Z)")
_AS_OF_FORMAT: Final = "%Y%m%dT%H%M%SZ"


class PointInTimeRecovery:
    """Point-in-time recovery of tables, and on-demand backups before a deployment.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def is_enabled(self, table: str) -> bool:
        """Return whether point-in-time recovery of a table is on.

        Raises:
            Refused: the table does not exist.
        """
        try:
            with translate_errors():
                backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        except ClientError as error:
            if error_code(error) in {"TableNotFoundException", "ResourceNotFoundException"}:
                raise Refused("service.tables", table, "deploy the service stack first") from error
            raise
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def create_backup(self, table: str, name: str) -> str:
        """Start an on-demand backup and return its ARN. Under writes, its content is exact to about a minute."""
        with translate_errors():
            return str(self._client.create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"])


class OnDemandBackups:
    """Backups of tables, whether or not the tables still exist.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def list_available(self, table: str) -> tuple[Backup, ...]:
        """Return all backups of a table that can be restored, in no order."""
        summaries = self._summaries(table, "ALL")
        return tuple(_backup(summary) for summary in summaries if summary["BackupStatus"] == AVAILABLE)

    def has_left_backup(self, table: str) -> bool:
        """Return whether a table of this name was deleted and has left a system backup."""
        return any(summary["BackupStatus"] in {AVAILABLE, CREATING} for summary in self._summaries(table, SYSTEM))

    def of_deleted_table(self, role: Role, table: str) -> Backup:
        """Return the newest system backup of a deleted table.

        Raises:
            Refused: there is none, or it is still being created: an older one is of an earlier table of that name.
        """
        summaries = sorted(self._summaries(table, SYSTEM), key=lambda summary: summary["BackupCreationDateTime"])
        kept = [summary for summary in summaries if summary["BackupStatus"] in {AVAILABLE, CREATING}]
        if not kept:
            remedy = (
                "the table does not exist and left no system backup. If it was deleted a moment ago, repeat in a "
                "minute. Otherwise restore a backup by name, with --backup, "
                "or follow docs/runbooks/region-failover.md to the backups in the other region"
            )
            raise Refused(f"tables.{role}", table, remedy)
        if kept[-1]["BackupStatus"] == CREATING:
            raise Refused(f"tables.{role}", table, "its system backup is being created: repeat in a minute")
        return _backup(kept[-1])

    def _summaries(self, table: str, backup_type: str) -> Iterable[Any]:
        start: dict[str, str] = {}
        while True:
            with translate_errors():
                page = self._client.list_backups(TableName=table, BackupType=backup_type, **start)
            yield from page.get("BackupSummaries", ())
            if "LastEvaluatedBackupArn" not in page:
                return
            start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}


def _backup(summary: Mapping[str, Any]) -> Backup:
    return Backup(
        arn=summary["BackupArn"],
        name=summary["BackupName"],
        table_arn=summary["TableArn"],
        size_bytes=summary.get("BackupSizeBytes", 0),
        # botocore returns the local time zone.
        at=summary["BackupCreationDateTime"].astimezone(UTC),
        of_deleted_table=summary.get("BackupType") == SYSTEM,
    )


def backup_name_as_of(moment: datetime) -> str:
    """Return the name of a backup whose content is of a moment."""
    return f"as-of-{moment.astimezone(UTC):{_AS_OF_FORMAT}}"


class CrossRegionBackups:
    """What a region holds of an environment's tables: DynamoDB's backups there, and recovery points of AWS Backup.

    A table is known by its exact name: another environment's name may begin with this environment's. After a restore with
    cutover, the tables in use have the names of restored tables, and their originals are still backed up.

    Args:
        clients: botocore client by service, of that region; DynamoDB's and AWS Backup's are used.
        environment: its name.
        standby: the region, if the environment's stacks wait there: the backups of their own tables, which are empty until
            a failover, are left out.
        in_use: name of the table that the settings name, by role. Of a role whose table is not the stack's own one, only
            backups of that table are listed.
    """

    def __init__(
        self,
        clients: Callable[[str], Any],
        environment: str,
        *,
        standby: str = "",
        in_use: Mapping[Role, str] | None = None,
    ) -> None:
        self._clients, self._environment, self._standby = clients, environment, standby
        own = {role: resource_name(role, environment) for role in Role}
        self._own = {name: role for role, name in own.items()}
        self._tables = {name: role for role, name in {**own, **(in_use or {})}.items()}
        # Without a setting that names another table than the stack's, a restored one may be in use.
        self._may_be_restored = {role for role, name in own.items() if name in self._tables}

    def list_backups(self) -> tuple[CrossRegionBackup, ...]:
        """Return every backup that is complete, in no order."""
        return self.list_with_others()[0]

    def list_with_others(self) -> tuple[tuple[CrossRegionBackup, ...], tuple[CrossRegionBackup, ...]]:
        """Return every backup that is complete of a table that may be in use, and those of the environment's other tables.

        Others are those of the stack's own table and of restored tables, where the settings name another table.
        """
        with translate_errors():
            found = (*self._on_demand_backups(), *self._recovery_points())
        in_use = tuple(one for one in found if self._may_be_in_use(one.table))
        return in_use, tuple(one for one in found if not self._may_be_in_use(one.table))

    def _on_demand_backups(self) -> Iterator[CrossRegionBackup]:
        for page in self._clients("dynamodb").get_paginator("list_backups").paginate(BackupType="ALL"):
            for summary in page["BackupSummaries"]:
                # DynamoDB has no backups of another region: in a standby region only stand-ins are of the home region.
                name = _stands_for(summary) or ("" if self._standby else summary["TableName"])
                role = self._role(name)
                if role and summary["BackupStatus"] == AVAILABLE:
                    yield CrossRegionBackup(role, summary["BackupArn"], _content_time(summary), name)

    def _recovery_points(self) -> Iterator[CrossRegionBackup]:
        backup = self._clients("backup")
        for page in backup.get_paginator("list_backup_vaults").paginate():
            for vault in page["BackupVaultList"]:
                pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(
                    BackupVaultName=vault["BackupVaultName"], ByResourceType="DynamoDB"
                )
                for point in (point for points in pages for point in points["RecoveryPoints"]):
                    name = point["ResourceArn"].rpartition("/")[2]
                    role = self._role(name)
                    own = point["ResourceArn"].split(":")[3] == self._standby
                    if role and not own and point["Status"] in {"COMPLETED", AVAILABLE}:
                        yield CrossRegionBackup(role, point["RecoveryPointArn"], point["CreationDate"], name)

    def _role(self, table: str) -> Role | None:
        """Return the role of a table of the environment; None of any other table."""
        return self._tables.get(table) or self._own.get(table) or role_of_restored_table(table, self._environment)

    def _may_be_in_use(self, table: str) -> bool:
        return table in self._tables or role_of_restored_table(table, self._environment) in self._may_be_restored


def _stands_for(summary: Mapping[str, Any]) -> str:
    """Return the table of the other region whose copy a rehearsal has backed up; empty for any other backup.

    The local cloud copies no backups. Its rehearsals restore a table under this name, and back it up as of a moment.
    """
    table: str = summary["TableName"]
    is_copy = table.endswith(STAND_IN_SUFFIX) and _AS_OF.fullmatch(summary["BackupName"])
    return table.removesuffix(STAND_IN_SUFFIX) if is_copy else ""


def _content_time(summary: Mapping[str, Any]) -> datetime:
    match = _AS_OF.fullmatch(summary["BackupName"])
    if match:
        return datetime.strptime(match[1], _AS_OF_FORMAT).replace(tzinfo=UTC)
    created: datetime = summary["BackupCreationDateTime"]
    return created
