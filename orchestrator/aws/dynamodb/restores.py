"""Restore tables next to their sources: describe a source, start a restore, follow it, and remove the restored table.

Facts of DynamoDB that this relies on (API reference of RestoreTableToPointInTime, DescribeTable, DeleteTable and
TagResource):

- A restore creates a table that is CREATING and then ACTIVE. Its `RestoreSummary` names source and time, and whether
  the restore is in progress. It stays; a table that no restore created has none.
- The call takes no tags.
- The table gets the source's billing mode and provisioned units of that moment, unless the request overrides them.
- A table that is being created or changed cannot be deleted. A protected table cannot be deleted before its
  protection is lifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.descriptions import ABSENT, describe_table, stream_since
from orchestrator.aws.dynamodb.read_pace import read_units_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.plan import Source
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.restored_table import Removal, RestoredTable

_ON_DEMAND = "PAY_PER_REQUEST"
_BEING_CHANGED = frozenset({"ResourceInUseException", "TableInUseException"})
_NOT_ALLOWED = frozenset({"ValidationException", "AccessDeniedException"})
"""The error codes of a deletion that the table's protection, or a policy, forbids."""


class TableRestores:
    """Restores of tables.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def describe_source(self, role: Role, table: str) -> Source:
        """Describe a table as the source of a restore.

        Raises:
            Refused: the table does not exist, or is being deleted.
        """
        description = describe_table(self._client, table)
        if description is None:
            raise Refused(f"tables.{role}", table, "deploy the service stack first, or name a table that exists")
        if description["TableStatus"] == "DELETING":
            raise Refused(f"tables.{role}", table, "it is being deleted: repeat when it is gone, in a minute")
        with translate_errors():
            backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        indexes = [*description.get("GlobalSecondaryIndexes", ()), *description.get("LocalSecondaryIndexes", ())]
        size = description.get("TableSizeBytes", 0) + sum(index.get("IndexSizeBytes", 0) for index in indexes)
        return Source(
            role=role,
            name=table,
            arn=description["TableArn"],
            size_bytes=size,
            items=description.get("ItemCount", 0),
            earliest=recovery.get("EarliestRestorableDateTime") if on else None,
            latest=recovery.get("LatestRestorableDateTime") if on else None,
            read_units=read_units_of(description),
            encryption_key=(description.get("SSEDescription") or {}).get("KMSMasterKeyArn", ""),
            stream_since=stream_since(description),
        )

    def read_stream_start(self, table: str) -> datetime | None:
        """Return when the stream of a table began; None if it has none with both images, or does not exist."""
        return stream_since(describe_table(self._client, table))

    def exists(self, table: str) -> bool:
        """Return whether a table exists."""
        return describe_table(self._client, table) is not None

    def start_restore(self, source: str, target: str, point: datetime, backup_arn: str = "", *, key: str = "") -> bool:
        """Start a restore; return False if the account's limit of concurrent restores is reached, to be tried again.

        The restored table is on demand. It is compared and rewritten at once, for which the units that its source has
        provisioned at that moment would not suffice. An existing table `target` stays as it is: `describe_restore`
        shows what it was restored from.

        Args:
            source: the source's name.
            target: the restored table's name.
            point: the time to restore to; ignored for a backup.
            backup_arn: the backup to restore; empty for point-in-time recovery.
            key: ARN of the key that encrypts the table that is restored from a backup; empty for that of the source.

        Raises:
            Refused: DynamoDB cannot restore the source to that time, or from that backup.
        """
        try:
            if backup_arn:
                encryption = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
                self._client.restore_table_from_backup(
                    TargetTableName=target,
                    BackupArn=backup_arn,
                    BillingModeOverride=_ON_DEMAND,
                    **({"SSESpecificationOverride": encryption} if key else {}),
                )
            else:
                self._client.restore_table_to_point_in_time(
                    SourceTableName=source,
                    TargetTableName=target,
                    RestoreDateTime=point,
                    BillingModeOverride=_ON_DEMAND,
                )
        except ClientError as error:
            code = error_code(error)
            if code in {"TableAlreadyExistsException", "TableInUseException", "ResourceInUseException"}:
                return True
            if code == "LimitExceededException":
                return False
            if code in {
                "InvalidRestoreTimeException",
                "PointInTimeRecoveryUnavailableException",
                "BackupNotFoundException",
                *ABSENT,
            }:
                raise Refused(f"tables.{source}", point.isoformat(), f"DynamoDB cannot restore it: {error}") from error
            with translate_errors():
                raise
        return True

    def describe_restore(self, table: str) -> RestoredTable | None:
        """Describe a restored table; None if it does not exist."""
        description = describe_table(self._client, table)
        if description is None:
            return None
        summary = description.get("RestoreSummary") or {}
        return RestoredTable(
            arn=description["TableArn"],
            active=description["TableStatus"] == "ACTIVE",
            in_progress=summary.get("RestoreInProgress"),
            source_arn=summary.get("SourceTableArn", ""),
            backup_arn=summary.get("SourceBackupArn", ""),
            point=summary.get("RestoreDateTime"),
            created_at=description.get("CreationDateTime"),
        )

    def tag_table(self, arn: str, tags: Mapping[str, str]) -> bool:
        """Tag a table; return False if that is not possible yet."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        try:
            with translate_errors():
                self._client.tag_resource(ResourceArn=arn, Tags=listed)
        except ClientError as error:
            if error_code(error) not in _BEING_CHANGED | ABSENT:
                raise
            return False
        return True

    def set_deletion_protection(self, table: str, *, on: bool) -> None:
        """Turn a table's deletion protection on or off. A table that is absent, or being changed, is skipped."""
        description = describe_table(self._client, table)
        if description is None or bool(description.get("DeletionProtectionEnabled")) is on:
            return
        try:
            with translate_errors():
                self._client.update_table(TableName=table, DeletionProtectionEnabled=on)
        except ClientError as error:
            if error_code(error) not in _BEING_CHANGED | ABSENT:
                raise

    def remove_table(self, table: str, *, lift_protection: bool = True) -> Removal:
        """Delete a table. Call it again until it returns GONE.

        Args:
            table: its name.
            lift_protection: turn deletion protection off first.
        """
        description = describe_table(self._client, table)
        if description is None:
            return Removal.GONE
        if description["TableStatus"] == "DELETING":
            return Removal.UNDER_WAY
        if description.get("DeletionProtectionEnabled") and lift_protection:
            self.set_deletion_protection(table, on=False)
        try:
            with translate_errors():
                self._client.delete_table(TableName=table)
        except ClientError as error:
            code = error_code(error)
            if code in ABSENT:
                return Removal.GONE
            if code in _BEING_CHANGED:
                return Removal.UNDER_WAY
            if code in _NOT_ALLOWED:
                return Removal.REFUSED
            raise
        return Removal.UNDER_WAY if describe_table(self._client, table) else Removal.GONE
