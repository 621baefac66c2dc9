"""Tables restored beside their sources: what a source can be restored to, asking for a copy, looking at it, and removing it.

Facts of DynamoDB that this rests on (API reference of RestoreTableToPointInTime, DescribeTable, DeleteTable, TagResource): a restore makes
a table that is CREATING and then ACTIVE; its `RestoreSummary` names source and time and says whether it is in progress; tags cannot be given in
the call; a table that is being made or changed cannot be deleted, and a protected one not before its protection is lifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Role
from orchestrator.domain.recovery_plan import Source
from orchestrator.domain.restored import Removal, Restored

_ABSENT = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
_BEING_CHANGED = frozenset({"ResourceInUseException", "TableInUseException"})
_NOT_ALLOWED = frozenset({"ValidationException", "AccessDeniedException"})
"""How a deletion is refused of a table that is protected, and by a policy."""


class Restoring:
    """Restores.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def source(self, role: Role, table: str) -> Source:
        """Describe a table as one to be restored.

        Raises:
            Refused: there is no such table.
        """
        found = self._describe(table)
        if found is None:
            raise Refused(f"tables.{role}", table, "deploy the service stack first, or name the table that is there")
        with narrowed():
            backups = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
        indexes = [*found.get("GlobalSecondaryIndexes", ()), *found.get("LocalSecondaryIndexes", ())]
        size = found.get("TableSizeBytes", 0) + sum(index.get("IndexSizeBytes", 0) for index in indexes)
        return Source(
            role=role,
            name=table,
            arn=found["TableArn"],
            size_bytes=size,
            items=found.get("ItemCount", 0),
            earliest=recovery.get("EarliestRestorableDateTime") if on else None,
            latest=recovery.get("LatestRestorableDateTime") if on else None,
        )

    def there(self, table: str) -> bool:
        """Whether there is such a table."""
        return self._describe(table) is not None

    def ask(self, source: str, target: str, point: datetime, backup_arn: str = "") -> bool:
        """Ask for a copy as of a point; False where the account's limit of restores at once is met, to be asked again.

        A copy that is there already is left as it is: `look` says whose it is.

        Raises:
            Refused: the source cannot be restored to that point.
        """
        try:
            if backup_arn:
                self._client.restore_table_from_backup(TargetTableName=target, BackupArn=backup_arn)
            else:
                self._client.restore_table_to_point_in_time(
                    SourceTableName=source, TargetTableName=target, RestoreDateTime=point
                )
        except ClientError as error:
            code = code_of(error)
            if code in {"TableAlreadyExistsException", "TableInUseException", "ResourceInUseException"}:
                return True
            if code == "LimitExceededException":
                return False
            if code in {
                "InvalidRestoreTimeException",
                "PointInTimeRecoveryUnavailableException",
                "BackupNotFoundException",
                *_ABSENT,
            }:
                raise Refused(
                    f"tables.{source}", point.isoformat(), f"DynamoDB does not restore it: {error}"
                ) from error
            with narrowed():
                raise
        return True

    def look(self, table: str) -> Restored | None:
        """Look at a copy; None where there is no such table."""
        found = self._describe(table)
        if found is None:
            return None
        summary = found.get("RestoreSummary") or {}
        return Restored(
            arn=found["TableArn"],
            active=found["TableStatus"] == "ACTIVE",
            in_progress=summary.get("RestoreInProgress"),
            source_arn=summary.get("SourceTableArn", ""),
            backup_arn=summary.get("SourceBackupArn", ""),
            point=summary.get("RestoreDateTime"),
        )

    def tag(self, arn: str, tags: Mapping[str, str]) -> bool:
        """Tag a table; False where that is not possible yet."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        try:
            with narrowed():
                self._client.tag_resource(ResourceArn=arn, Tags=listed)
        except ClientError as error:
            if code_of(error) not in _BEING_CHANGED | _ABSENT:
                raise
            return False
        return True

    def protect(self, table: str, *, on: bool) -> None:
        """Protect a table from being deleted, or lift that. A table that is not there, or being changed, is passed over."""
        found = self._describe(table)
        if found is None or bool(found.get("DeletionProtectionEnabled")) is on:
            return
        try:
            with narrowed():
                self._client.update_table(TableName=table, DeletionProtectionEnabled=on)
        except ClientError as error:
            if code_of(error) not in _BEING_CHANGED | _ABSENT:
                raise

    def remove(self, table: str, *, lift_protection: bool = True) -> Removal:
        """Delete a table, however it is protected; to be called again until it is gone."""
        found = self._describe(table)
        if found is None:
            return Removal.GONE
        if found["TableStatus"] == "DELETING":
            return Removal.UNDER_WAY
        if found.get("DeletionProtectionEnabled") and lift_protection:
            self.protect(table, on=False)
        try:
            with narrowed():
                self._client.delete_table(TableName=table)
        except ClientError as error:
            code = code_of(error)
            if code in _ABSENT:
                return Removal.GONE
            if code in _BEING_CHANGED:
                return Removal.UNDER_WAY
            if code in _NOT_ALLOWED:
                return Removal.REFUSED
            raise
        return Removal.UNDER_WAY if self._describe(table) else Removal.GONE

    def _describe(self, table: str) -> Mapping[str, Any] | None:
        try:
            with narrowed():
                found: Mapping[str, Any] = self._client.describe_table(TableName=table)["Table"]
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise
            return None
        return found
